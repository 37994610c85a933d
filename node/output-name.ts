/**
 * What the name of an output says: a file and its kind, or a folder that gets a file of weights.
 * One rule for every door: nothing is ever written under a name that promises something else.
 */
import { readdirSync } from 'node:fs';
import { basename, dirname, extname, join, resolve, sep } from 'node:path';
import { contradiction } from '../js/api/check.js';
import type { FormatChoices } from '../js/api/gguf-format.js';
import { indexName } from '../js/api/model-files.js';
import { containerOf } from '../js/api/options.js';
import { addressOf } from '../js/url/address.js';
import { modelStem, outputSuffix } from '../js/words/model-stem.js';
import { folderOf, isFolder } from './local-files.js';

/**
 * Whether an output of this name is a folder: one that ends like a folder or, if it does not end like a file of weights,
 * one that is there or that is made of a model which is a folder itself.
 */
function namesFolder(output: string, model: string): boolean {
  if (output.endsWith('/') || output.endsWith(sep)) return true;
  return containerOf(output) === undefined && (isFolder(output) || standsForFolder(model));
}

/**
 * Whether the model is a folder, or what stands for one: its index, or its weights beside a configuration. What is
 * beside a file behind a URL is not asked: there its name decides.
 */
function standsForFolder(model: string): boolean {
  const address = addressOf(model);
  return address === undefined ? folderOf(model) !== undefined : address.kind !== 'file';
}

/** The file of weights that an output of this name is, or that is to be in it. Throws if it is neither. */
export function weightsOf(
  output: string,
  model: string,
  { container = 'safetensors', format }: FormatChoices = {},
): string {
  if (output === '-') {
    throw contradiction(
      'The output cannot be the standard output: what was written is read back before it counts.',
      'Name a file.',
    );
  }
  if (namesFolder(output, model)) {
    const stem =
      container === 'gguf'
        ? nameOf(model) + outputSuffix({ container, ...(format && { format }) })
        : stemIn(model);
    return join(output, `${stem}.${container}`);
  }
  if (containerOf(output) !== undefined) return output;
  throw contradiction(
    `Expected an output that ends in .safetensors, .gguf, .pt, .pth, .bin or .ckpt (or one of these and .zst), or a folder (ending in /), found "${output}".`,
    `The ending says what kind of file is written: "${output}.safetensors" is one, "${output}/" a folder.`,
  );
}

/** The same, or the index of so many files that are instead of it. */
export function writtenAt(weights: string, files: number): string {
  if (files < 2) return weights;
  return join(dirname(weights), indexName(basename(weights, extname(weights))));
}

/** Names that libraries look for; whatever else a model was called, it is `model` in a folder. */
const STEM = /^(diffusion_pytorch_model)[.-]/;

/** What a model's file of weights is called in its folder, without its ending. */
function stemIn(model: string): string {
  const [stem = 'model'] = namesOf(model).flatMap((name) => STEM.exec(name)?.[1] ?? []);
  return stem;
}

/** What a model is called: files that are used alone go by it. */
function nameOf(model: string): string {
  const address = addressOf(model);
  if (address !== undefined) return modelStem(address.name);
  const folder = folderOf(model);
  return folder === undefined ? modelStem(basename(model)) : basename(resolve(folder));
}

function namesOf(model: string): readonly string[] {
  const address = addressOf(model);
  if (address !== undefined) return [address.name];
  try {
    return isFolder(model) ? readdirSync(model) : [basename(model)];
  } catch {
    return []; // whoever opens it tells why
  }
}
