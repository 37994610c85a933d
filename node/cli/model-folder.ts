/**
 * A folder as output: the model in it is `model.safetensors`, with the `config.json` that loaders ask for.
 * It exists because transformers and vLLM load folders, and look in config.json for how weights are stored.
 * Places are claimed before the work; each file appears whole or not at all; no input is ever replaced.
 */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { MonoquantError } from '../../js/api/errors.js';
import { isIndexName } from '../../js/api/model-files.js';
import type { Container } from '../../js/api/types.js';
import { InputFile } from '../input-file.js';
import { isFolder, ModelInput } from '../model-input.js';
import type { FileIdentity } from '../open-file.js';
import { OutputFile } from '../output-file.js';
import { reasonOf } from '../reason.js';
import { writeFailed } from '../write-failed.js';

const CONFIG = 'config.json';
/** The name under which loaders look, in config.json as in the metadata of our files. */
const KEY = 'quantization_config';
/** They have some kilobytes. */
const MOST_CONFIG_BYTES = 16 << 20;

/** Whether an output of this name is a folder: one that is there, or a name that ends like one. */
export function namesFolder(output: string): boolean {
  return output.endsWith('/') || output.endsWith(sep) || isFolder(output);
}

export function modelIn(folder: string, container: Container = 'safetensors'): string {
  return join(folder, `model.${container}`);
}

export interface FolderPlace {
  readonly folder: string;
  readonly model: string;
  readonly force: boolean;
}

export class ModelFolder {
  readonly #folder: string;
  readonly #isNew: boolean;
  #config: { readonly text: string; readonly path: string; readonly file: OutputFile } | undefined;

  private constructor(folder: string, isNew: boolean) {
    this.#folder = folder;
    this.#isNew = isNew;
  }

  static begin({ folder, model, force }: FolderPlace): ModelFolder {
    const { text, identities } = readConfig(model);
    const claimed = new ModelFolder(folder, makeFolder(folder));
    try {
      if (text !== undefined) {
        const path = join(folder, CONFIG);
        const file = OutputFile.create(path, { force, inputs: identities });
        claimed.#config = { text, path, file };
      }
      return claimed;
    } catch (error) {
      claimed.discard();
      throw error;
    }
  }

  /** What is written besides the model. */
  get files(): readonly string[] {
    return this.#config === undefined ? [] : [this.#config.path];
  }

  /** `output` is the finished model. */
  async finish(output: string): Promise<void> {
    if (this.#config === undefined) return;
    const { text, path, file } = this.#config;
    const { open } = await import('../index.js');
    const written = await open(output, { threads: 1 });
    await written.close();
    try {
      writeFileSync(file.file.descriptor, withQuantization(text, written.catalog.metadata[KEY]));
    } catch (error) {
      throw writeFailed(path, error);
    }
    file.commit();
  }

  /** Harmless after `finish`. */
  discard(): void {
    this.#config?.file.discard();
    if (!this.#isNew) return;
    try {
      rmdirSync(this.#folder);
    } catch {
      // There is something in it.
    }
  }
}

/** Whether it was not there before. */
function makeFolder(folder: string): boolean {
  if (isFolder(folder)) return false;
  try {
    mkdirSync(folder);
    return true;
  } catch (error) {
    throw writeFailed(folder, error);
  }
}

/** The text of the config.json that belongs to a model in a folder, and all files that may not be replaced. */
function readConfig(model: string): {
  readonly text: string | undefined;
  readonly identities: readonly FileIdentity[];
} {
  // A model that is not there is the first thing to tell.
  const input = ModelInput.open(model);
  input.close();
  const { identities } = input;
  const folder = isFolder(model) ? model : isIndexName(model) ? dirname(model) : undefined;
  const file = folder === undefined ? undefined : openConfig(join(folder, CONFIG));
  if (file === undefined) return { text: undefined, identities };
  try {
    return { text: textOf(file), identities: [...identities, file.identity] };
  } finally {
    file.close();
  }
}

/** Many folders have none. */
function openConfig(path: string): InputFile | undefined {
  try {
    return InputFile.open(path);
  } catch (error) {
    if (error instanceof MonoquantError && error.code === 'file-not-found') return undefined;
    throw error;
  }
}

function textOf({ file: { descriptor, path, size } }: InputFile): string {
  const suggestion = 'Repair it, or name a file as the output: then only the model is written.';
  if (size > MOST_CONFIG_BYTES) {
    const message = `Expected a configuration of at most ${MOST_CONFIG_BYTES} bytes, found ${size} in "${path}".`;
    throw new MonoquantError('limit-exceeded', message, { suggestion });
  }
  let text: string;
  try {
    text = readFileSync(descriptor, 'utf8');
  } catch (cause) {
    const message = `Could not read "${path}": ${reasonOf(cause)}.`;
    throw new MonoquantError('read-failed', message, { cause });
  }
  if (isPlainObject(text)) return text;
  const message = `Expected a JSON object in "${path}", found something else.`;
  throw new MonoquantError('malformed-file', message, { suggestion });
}

function isPlainObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

/**
 * A copy of a config.json with the key added at its end. The rest stays as it was written: Python's 1.0 is no 1.
 * `quantization` is JSON; undefined where nothing is stored as codes.
 */
function withQuantization(text: string, quantization: string | undefined): string {
  if (quantization === undefined) return text;
  const config = JSON.parse(text) as Record<string, unknown>;
  const added = JSON.parse(quantization) as unknown;
  // What was said of other codes must go.
  if (KEY in config) return `${JSON.stringify({ ...config, [KEY]: added }, null, 2)}\n`;
  const begin = text.trimEnd().slice(0, -1).trimEnd();
  const comma = Object.keys(config).length === 0 ? '' : ',';
  const lines = JSON.stringify(added, null, 2).replaceAll('\n', '\n  ');
  return `${begin}${comma}\n  "${KEY}": ${lines}\n}\n`;
}
