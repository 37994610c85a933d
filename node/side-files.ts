/**
 * What stands beside the weights in a model's folder and has to go with them: configurations, tokenizers, chat
 * templates, code of the model's own, licences.
 * Weights stay behind, those for other runtimes too: beside quantized ones they would only be loaded by mistake.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isAdapter, QUANTIZATION_FILES } from '../js/api/beside-weights.js';
import { MonoquantError } from '../js/api/errors.js';
import { parseGiven } from '../js/api/given-json.js';

/** Weights and states of training, in any tool's format. */
const WEIGHTS =
  /\.(safetensors|bin|pt|pth|pt2|ckpt|h5|hdf5|keras|msgpack|ot|onnx|onnx_data|gguf|ggml|tflite|mlmodel|npz|npy|pkl|pickle|tar|zip|distcp|pte|engine|xml|partial|zst)$/i;
const INDEX = /\.index\.json$/i;

/** More would be no model's folder, but somebody's home. */
const MOST_FILES = 10_000;
const DEEPEST = 4;

/**
 * Paths relative to `folder`, sorted. Hidden files and folders are somebody else's business, and so are folders of
 * other weights (`onnx/`, an earlier output), unless the model lists them as its modules.
 */
export function sideFilesIn(folder: string): readonly string[] {
  const modules = modulesOf(folder);
  const found: string[] = [];
  const visit = (path: string, depth: number, isModule: boolean) => {
    const names = visibleNames(join(folder, path));
    if (depth > 0 && !isModule && names.some(isWeights)) return;
    for (const name of names) {
      const inner = path === '' ? name : `${path}/${name}`;
      const kind = kindOf(join(folder, inner));
      if (kind === 'folder' && depth < DEEPEST) {
        visit(inner, depth + 1, isModule || modules.has(inner));
      } else if (kind === 'file' && (isModule || !isWeights(name)) && found.length < MOST_FILES) {
        found.push(inner);
      }
    }
  };
  visit('', 0, false);
  return found.sort();
}

/** What AutoRound and optimum-quanto put beside weights of theirs, whatever these say themselves. */
const ALSO_ABOUT_CODES = ['quantization_config.json', 'quanto_qmap.json'];

/** What tools say of stored codes in files of their own; config.json is not among them. */
export function isAboutCodes(name: string): boolean {
  return QUANTIZATION_FILES.includes(name) || ALSO_ABOUT_CODES.includes(name);
}

/** What loaders take for weights: files that PyTorch and safetensors write, their index, changes to them. */
const LOADED = /\.(safetensors|bin|pt|pth|ckpt)$/i;
/** How far a training had come: loaders know these names, and pass them over. */
const STATE = /^(optimizer|scheduler|scaler|rng_state\w*|training_args)\.(bin|pt|pth)$/i;

/** Files in a folder that loaders would take instead of what is written, or beside it, sorted. */
export function otherWeightsIn(
  folder: string,
  isWritten: (name: string) => boolean,
): readonly string[] {
  const isLoaded = (name: string) =>
    (LOADED.test(name) && !STATE.test(name)) ||
    INDEX.test(name) ||
    isAdapter(name) ||
    isAboutCodes(name);
  return visibleNames(folder)
    .filter((name) => isLoaded(name) && !isWritten(name))
    .sort();
}

function isWeights(name: string): boolean {
  return WEIGHTS.test(name) || INDEX.test(name);
}

/** Folders of small layers that sentence-transformers runs after the model: they are part of it, weights and all. */
function modulesOf(folder: string): ReadonlySet<unknown> {
  const path = join(folder, 'modules.json');
  if (!existsSync(path)) return new Set();
  try {
    const modules = parseGiven(readFileSync(path));
    if (!Array.isArray(modules)) return new Set();
    return new Set(modules.map((module: { readonly path?: unknown } | null) => module?.path));
  } catch (cause) {
    const message = `Expected JSON in "${path}", found something else.`;
    const suggestion = 'Repair it: without it nobody knows which folders belong to the model.';
    throw new MonoquantError('malformed-file', message, { suggestion, cause });
  }
}

function visibleNames(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter((name) => !name.startsWith('.'));
  } catch {
    return [];
  }
}

/** Of what links lead to, as caches of downloads have them. */
function kindOf(path: string): 'file' | 'folder' | 'other' {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile()) return 'file';
  return found?.isDirectory() ? 'folder' : 'other';
}
