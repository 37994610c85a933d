/**
 * Which of the files of a folder are the model, told by their names and by the index of a sharded one.
 * It exists so that a folder on a command line and files dropped on a page mean the same model.
 * Pure: nothing is opened here. A guess is never made: where several models are there, they are listed.
 */
import { isAdapter } from './beside-weights.js';
import { type ErrorCode, MonoquantError } from './errors.js';
import { parseGiven } from './given-json.js';

/** More than any published model has (some 200), and fewer than a process may have open. */
const MOST_SHARDS = 1000;

/** Indices of the largest models have some 10 MB. */
export const MOST_INDEX_BYTES = 64 << 20;

/** What weights are found as, the kind first that loaders take if there are both. */
const KINDS = [
  { file: /\.safetensors$/i, index: /\.safetensors\.index\.json$/i },
  { file: /\.(pt|pth|pt2|bin|ckpt)$/i, index: /\.bin\.index\.json$/i },
  { file: /\.gguf$/i, index: /(?!)/ }, // which has no indices
] as const;
/** Such models are for storing: one that is not compressed is the model. */
const PACKED = /\.(safetensors|pt|pth|pt2|bin|ckpt|gguf)\.zst$/i;
/** Of a diffusers pipeline: its models have folders of their own. */
const PIPELINE = 'model_index.json';
/** `model-00002-of-00003.safetensors`. */
const SHARD = /^(.*)-(\d{1,6})-of-(\d{1,6})\.(safetensors|pt|pth|bin|ckpt|gguf)$/i;

/** What stands for the model: an index that is to be read, or its files, one or several. */
export type ModelChoice =
  | { readonly index: string }
  | { readonly index?: never; readonly files: readonly string[] };

/** An index, tensor by tensor: the name of the file that holds it. */
export type WeightMap = ReadonlyMap<string, string>;

/** Whether a file of this name is compressed. */
export function isPackedName(name: string): boolean {
  return /\.zst$/i.test(name);
}

export function isIndexName(name: string): boolean {
  return KINDS.some(({ index }) => index.test(name));
}

export function isShardName(name: string): boolean {
  return SHARD.test(name);
}

/** `names` are those of files that lie in one folder; `where` is how messages call it. */
export function chooseModel(names: readonly string[], where: string): ModelChoice {
  // Some systems put a hidden file beside each file.
  const visible = names.filter((name) => !name.startsWith('.')).sort();
  for (const { file, index } of KINDS) {
    const indices = visible.filter((name) => index.test(name));
    if (indices.length > 0) return { index: theOnly(indices, where) };
    const weights = visible.filter((name) => file.test(name));
    const sets = shardSets(weights);
    if (sets.size > 0) {
      const set = theOnly([...sets.keys()], where);
      return { files: completeSet(sets.get(set) ?? [], where) };
    }
    const models = withoutAdapters(weights);
    if (models.length > 0) return { files: [theOnly(models, where)] };
  }
  const packed = visible.filter((name) => PACKED.test(name));
  if (packed.length > 0) return { files: [theOnly(packed, where)] };
  if (visible.includes(PIPELINE)) throw pipeline(where);
  throw new MonoquantError(
    'file-not-found',
    `Expected a model in ${where}, found ${names.length === 0 ? 'no files' : listed(names)}.`,
    {
      suggestion:
        'A model is a .safetensors, .pt, .pth, .bin, .ckpt or .gguf file, or its numbered parts.',
    },
  );
}

/** An adapter is chosen only if there is nothing else; who works with it is told what it is. */
function withoutAdapters(names: readonly string[]): readonly string[] {
  const others = names.filter((name) => !isAdapter(name));
  return others.length === 0 ? names : others;
}

function pipeline(where: string): MonoquantError {
  return new MonoquantError(
    'file-not-found',
    `Expected a model in ${where}, found a pipeline of several ("${PIPELINE}").`,
    { suggestion: 'Give the folder of one of them, such as "transformer" or "unet".' },
  );
}

/** What an index says. */
export interface ModelIndex {
  readonly weightMap: WeightMap;
  /** Besides: of the model, and of its size. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** Its file names are plain, so that it can lead nowhere else. */
export function readIndex(content: Uint8Array<ArrayBuffer>, name: string): ModelIndex {
  const { map, metadata } = partsOfIndex(content, name);
  const entries = Object.entries(map);
  if (entries.length === 0) throw badIndex(name, 'a weight_map with tensors', 'an empty one');
  const kind = KINDS.find(({ index }) => index.test(name)) ?? KINDS[0];
  for (const [tensor, file] of entries) {
    if (typeof file === 'string' && kind.file.test(file) && !/[/\\]/.test(file)) continue;
    const found = typeof file === 'string' ? JSON.stringify(file) : kindOf(file);
    const ending = kind === KINDS[0] ? '.safetensors' : '.bin';
    throw badIndex(name, `the name of a ${ending} file beside it for "${tensor}"`, found);
  }
  return { weightMap: new Map(entries as [string, string][]), metadata };
}

/** The index of files that hold these tensors, in the form in which transformers writes it. */
export function indexText(
  files: readonly {
    readonly name: string;
    readonly tensorBytes: number;
    readonly tensors: readonly string[];
  }[],
  metadata: ModelIndex['metadata'],
): string {
  const totalSize = files.reduce((sum, { tensorBytes }) => sum + tensorBytes, 0);
  const entries = files.flatMap(({ name, tensors }) =>
    tensors.map((each) => [each, name] as const),
  );
  const sorted = entries.sort(([a], [b]) => (a < b ? -1 : 1));
  const index = {
    metadata: { ...metadata, total_size: totalSize },
    weight_map: Object.fromEntries(sorted),
  };
  return `${JSON.stringify(index, null, 2)}\n`;
}

/** Of the weights of a folder, if they are several: what loaders look for, and the files themselves. */
export function shardNames(stem: string, count: number): readonly string[] {
  const digits = (number: number) => String(number).padStart(5, '0');
  return Array.from(
    { length: count },
    (_, index) => `${stem}-${digits(index + 1)}-of-${digits(count)}.safetensors`,
  );
}

export function indexName(stem: string): string {
  return `${stem}.safetensors.index.json`;
}

/** The files of an index, sorted; all of them are among `names`. */
export function filesOfIndex(
  map: WeightMap,
  index: string,
  names: readonly string[],
  where: string,
): readonly string[] {
  const files = [...new Set(map.values())].sort();
  checkCount(files.length, `"${index}" lists`);
  const there = new Set(names);
  const missing = files.filter((file) => !there.has(file));
  if (missing.length > 0) throw incomplete(files.length, missing, `"${index}" lists`, where);
  return files;
}

/** Numbered files by what their names have in common. */
function shardSets(names: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const sets = new Map<string, string[]>();
  for (const name of names) {
    const set = setOf(name);
    if (set === undefined) continue;
    const others = sets.get(set);
    if (others === undefined) sets.set(set, [name]);
    else others.push(name);
  }
  return sets;
}

/**
 * What one of numbered files stands for: all of them, or the index that lists them; alone, with the reason why it is not
 * the model, if others are missing. `names` are those of all files beside it.
 */
export function shardsWith(
  name: string,
  names: readonly string[],
  where: string,
): {
  readonly files: readonly string[];
  readonly index?: string;
  readonly fault?: MonoquantError;
} {
  const set = shardSets([...names].sort()).get(setOf(name) ?? '') ?? [name];
  try {
    const files = completeSet(set, where);
    const wanted = indexBeside(name).toLowerCase();
    const index = names.find((other) => other.toLowerCase() === wanted);
    return { files, ...(index === undefined ? {} : { index }) };
  } catch (fault) {
    if (fault instanceof MonoquantError) return { files: [name], fault };
    throw fault;
  }
}

/** What numbered files of one model have in common, as messages call them. */
function setOf(name: string): string | undefined {
  const [, prefix, , total = '', ending = ''] = SHARD.exec(name) ?? [];
  return prefix === undefined ? undefined : `${prefix}-…-of-${total}.${ending.toLowerCase()}`;
}

/** What the index of numbered files is called. */
export function indexBeside(name: string): string {
  const [, prefix = '', , , ending = ''] = SHARD.exec(name) ?? [];
  return `${prefix}.${ending}.index.json`;
}

/** `names` are sorted and say the same number of files. */
function completeSet(names: readonly string[], where: string): readonly string[] {
  const [first = ''] = names;
  const wanted = numberedWith(first);
  const count = wanted.length;
  const there = new Set(names);
  const missing = wanted.filter((name) => !there.has(name));
  if (missing.length > 0) throw incomplete(count, missing, `"${first}" speaks of`, where);
  const expected = new Set(wanted);
  const odd = names.find((name) => !expected.has(name));
  // As an index has them: by name, whatever the number of digits.
  if (odd === undefined) return names;
  throw new MonoquantError(
    'invalid-options',
    `Expected files numbered from 1 to ${count}, found "${odd}" in ${where}.`,
    { suggestion: 'Take it out, or give the files of the model without it.' },
  );
}

/** All files that one of numbered files speaks of. */
export function numberedWith(name: string): readonly string[] {
  const [, prefix = '', digits = '', total = ''] = SHARD.exec(name) ?? [];
  const count = Number(total);
  checkCount(count, `"${name}" speaks of`);
  const ending = name.slice(prefix.length + 1 + digits.length);
  return Array.from(
    { length: count },
    (_, index) => `${prefix}-${String(index + 1).padStart(digits.length, '0')}${ending}`,
  );
}

function theOnly(names: readonly string[], where: string): string {
  const [first = '', ...others] = names;
  if (others.length === 0) return first;
  throw new MonoquantError(
    'invalid-options',
    `Expected one model in ${where}, found ${names.length}: ${listed(names)}.`,
    { suggestion: 'Name the one that is meant, or give its files only.' },
  );
}

function checkCount(count: number, says: string): void {
  if (count >= 1 && count <= MOST_SHARDS) return;
  const code: ErrorCode = count === 0 ? 'malformed-file' : 'limit-exceeded';
  throw new MonoquantError(
    code,
    `Expected a model of 1 to ${MOST_SHARDS} files, but ${says} ${count}.`,
    { suggestion: 'Join some of them into larger files.' },
  );
}

function incomplete(
  count: number,
  missing: readonly string[],
  says: string,
  where: string,
): MonoquantError {
  const there = count - missing.length;
  return new MonoquantError(
    'file-not-found',
    `Expected the ${count} files that ${says}, found ${there} of them in ${where}: ${listed(missing)} ${missing.length === 1 ? 'is' : 'are'} missing.`,
    { suggestion: 'Download the missing files, or give all files of the model.' },
  );
}

function partsOfIndex(
  content: Uint8Array<ArrayBuffer>,
  name: string,
): { readonly map: object; readonly metadata: ModelIndex['metadata'] } {
  let index: unknown;
  try {
    index = parseGiven(content);
  } catch (cause) {
    throw badIndex(name, 'JSON', 'none', cause);
  }
  if (!isObject(index)) throw badIndex(name, 'an object', kindOf(index));
  if (!('weight_map' in index)) throw badIndex(name, 'a weight_map', 'none');
  const map = index.weight_map;
  if (!isObject(map)) throw badIndex(name, 'an object as weight_map', kindOf(map));
  const metadata = 'metadata' in index && isObject(index.metadata) ? index.metadata : {};
  return { map, metadata: { ...metadata } };
}

function badIndex(name: string, expected: string, found: string, cause?: unknown): MonoquantError {
  const message = `Expected ${expected} in "${name}", found ${found}.`;
  const suggestion = 'Download the index again, or remove it: numbered files are read without one.';
  return new MonoquantError('malformed-file', message, { suggestion, cause });
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

const NAMES_SHOWN = 6;

/** For messages: the first of them, and how many more. */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_SHOWN).map((name) => `"${name}"`);
  const more = names.length - shown.length;
  const words = more > 0 ? [...shown, `${more} more`] : shown;
  const last = words.pop() ?? '';
  return words.length === 0 ? last : `${words.join(', ')} and ${last}`;
}
