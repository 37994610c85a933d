/**
 * Where an output goes that nobody has named.
 * It exists so that every command puts it beside the model, under a name that tells which.
 * Never in the folder of a model that is a folder: that stays as it was. What is made of downloads goes where the
 * command is given: nobody looks for it in their cache, which is not ours to write to. So does what is behind a URL.
 */
import { basename, dirname, join, resolve, sep } from 'node:path';
import { containerFor } from '../../js/api/gguf-format.js';
import { isIndexName } from '../../js/api/model-files.js';
import type { Choices } from '../../js/api/types.js';
import { addressOf, folderAround } from '../../js/url/address.js';
import { modelStem, outputSuffix } from '../../js/words/model-stem.js';
import { cacheAround, isRevision } from '../download-cache.js';
import { folderOf, isFolder } from '../local-files.js';

/** Of an output that nobody has named: a folder for a model that is one, with all that a loader needs; else a file. */
export function placeOf(model: string, choices: Choices, parent: string | undefined): string {
  const container = containerFor(choices);
  const meant = folderMeant(model, parent !== undefined);
  const folder = container === 'gguf' ? undefined : meant;
  const packed = choices.zstdLevel === undefined || choices.zstdLevel === null ? '' : '.zst';
  const ending =
    folder === undefined
      ? `${outputSuffix(choices)}.${container}${packed}`
      : outputSuffix(choices) + sep;
  const beside = besideModel(meant ?? model, ending);
  return parent === undefined ? beside : join(parent, basename(beside)) + (folder ? sep : '');
}

/** A file that is named without an output is meant alone; in a folder of outputs its own folder may come along. */
function folderMeant(model: string, hasParent: boolean): string | undefined {
  const address = addressOf(model);
  if (address !== undefined) {
    return address.kind === 'file' ? undefined : folderAround(address).href;
  }
  if (hasParent) return folderOf(model);
  return isFolder(model) ? model : isIndexName(model) ? dirname(model) : undefined;
}

/** `model.safetensors` and `-int4.safetensors` become `model-int4.safetensors`. */
export function besideModel(model: string, ending: string): string {
  const address = addressOf(model);
  if (address !== undefined) return modelStem(address.name) + ending;
  const cache = cacheAround(model);
  if (cache !== undefined) {
    return (isRevision(model) ? cache.model : modelStem(basename(resolve(model)))) + ending;
  }
  // What "." and ".." are called shows the whole path only.
  if (isFolder(model)) return join(model, '..', basename(resolve(model)) + ending);
  return join(dirname(model), modelStem(basename(model)) + ending);
}
