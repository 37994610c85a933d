/**
 * Where an output goes that nobody has named.
 * It exists so that every command puts it beside the model, under a name that tells which.
 * Never in the folder of a model that is a folder: that stays as it was. What is made of downloads goes where the
 * command is given: nobody looks for it in their cache, which is not ours to write to.
 */
import { basename, dirname, join, resolve, sep } from 'node:path';
import { isIndexName } from '../../js/api/model-files.js';
import type { Container } from '../../js/api/types.js';
import { modelStem } from '../../js/words/model-stem.js';
import { cacheAround, isRevision } from '../download-cache.js';
import { isFolder } from '../model-input.js';

/** A folder for a model that is one, with all that a loader needs in it; a file for a file. */
export function outputBeside(model: string, suffix: string, container: Container): string {
  const folder = isFolder(model) ? model : isIndexName(model) ? dirname(model) : undefined;
  return folder === undefined
    ? besideModel(model, `${suffix}.${container}`)
    : besideModel(folder, suffix) + sep;
}

/** `model.safetensors` and `_quantized.safetensors` become `model_quantized.safetensors`. */
export function besideModel(model: string, ending: string): string {
  const cache = cacheAround(model);
  if (cache !== undefined) {
    return (isRevision(model) ? cache.model : modelStem(basename(resolve(model)))) + ending;
  }
  // What "." and ".." are called shows the whole path only.
  if (isFolder(model)) return join(model, '..', basename(resolve(model)) + ending);
  return join(dirname(model), modelStem(basename(model)) + ending);
}
