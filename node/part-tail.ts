/**
 * What stands behind the bytes of a part and says what it is: a part of which run, where its bytes belong in the output,
 * and what was lost in them.
 * It exists so that parts can be put together without the model, by whoever has only them.
 */
import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import { MonoquantError } from '../js/api/errors.js';
import { type Json, parseJson, toJson } from '../js/api/json.js';
import type { ModelIndex } from '../js/api/model-files.js';
import { version } from '../js/api/version.js';
import type { Segment } from '../js/io/assembled.js';
import type { PlanFacts } from '../js/worker/plan-facts.js';
import type { Records } from '../js/worker/protocol.js';
import type { SizedFile } from './open-file.js';
import { readFailed } from './read-failed.js';
import type { RunIdentity } from './run-identity.js';

export interface PartManifest {
  readonly run: RunIdentity;
  readonly facts: PlanFacts;
  readonly segments: readonly Segment[];
  readonly indexMetadata: ModelIndex['metadata'];
}

/** The manifest as JSON text; behind it its SHA-256, its length in eight bytes, and these. */
const MAGIC = 'monoquant part 1';
const DIGEST_BYTES = 32;
const FOOTER_BYTES = DIGEST_BYTES + 8 + MAGIC.length;

/** Of a model of very many tensors. */
const MOST_MANIFEST_BYTES = 1 << 29;

export function tailOf(manifest: PartManifest, records: Records): Uint8Array {
  const head = toJson(manifest).slice(0, -1);
  const text = Buffer.from(`${head},"records":[${records.join()}]}`);
  const footer = Buffer.alloc(FOOTER_BYTES);
  createHash('sha256').update(text).digest().copy(footer);
  footer.writeBigUInt64LE(BigInt(text.length), DIGEST_BYTES);
  footer.write(MAGIC, FOOTER_BYTES - MAGIC.length, 'latin1');
  return Buffer.concat([text, footer]);
}

export interface ReadManifest extends PartManifest {
  readonly records: Records;
}

/** Of a file that is open. Throws if it is not a part, or not a whole one. */
export function manifestOf(file: SizedFile): ReadManifest {
  const footer = bytesOf(file, file.size - FOOTER_BYTES, FOOTER_BYTES);
  if (footer?.toString('latin1', FOOTER_BYTES - MAGIC.length) !== MAGIC) throw noPart(file);
  const length = Number(footer.readBigUInt64LE(DIGEST_BYTES));
  const isPossible = length <= Math.min(file.size - FOOTER_BYTES, MOST_MANIFEST_BYTES);
  const text = isPossible ? bytesOf(file, file.size - FOOTER_BYTES - length, length) : undefined;
  const digest = text && createHash('sha256').update(text).digest();
  if (text === undefined || !digest?.equals(footer.subarray(0, DIGEST_BYTES))) throw damaged(file);
  type Document = PartManifest & { readonly records: readonly unknown[] };
  const { records, ...manifest } = parseJson(text.toString() as Json<Document>);
  if (manifest.run.version !== version()) throw otherVersion(file, manifest.run.version);
  if (!isSound(manifest, file.size - FOOTER_BYTES - length)) throw damaged(file);
  return { ...manifest, records: records.map(toJson) as unknown as Records };
}

/** Whether its places are places, and its segments stand one behind the other in `bytes` bytes of the file. */
function isSound({ segments, facts, run }: PartManifest, bytes: number): boolean {
  const isCount = (value: unknown) => Number.isSafeInteger(value) && Number(value) >= 0;
  let end = 0;
  for (const { offset, bytes: length, at } of segments) {
    if (!isCount(offset) || !isCount(length) || at !== end) return false;
    end += length;
  }
  const { outputBytes } = facts.sizes;
  const files = facts.files.reduce((sum, file) => sum + file.bytes, 0);
  return end === bytes && isCount(outputBytes) && files === outputBytes && run.part !== null;
}

/** Undefined if the file does not reach so far. */
function bytesOf({ descriptor, path }: SizedFile, offset: number, length: number) {
  if (offset < 0) return undefined;
  const bytes = Buffer.alloc(length);
  try {
    return readSync(descriptor, bytes, 0, length, offset) === length ? bytes : undefined;
  } catch (error) {
    throw readFailed(path, error);
  }
}

function noPart({ path }: SizedFile): MonoquantError {
  return new MonoquantError(
    'unsupported-format',
    `Expected a part of an output, found something else or one that was cut off: "${path}".`,
    { suggestion: 'Name the files that --part has made, or copy them again.' },
  );
}

/** What a part says of its plan is for the version that made it. */
function otherVersion({ path }: SizedFile, found: string): MonoquantError {
  return new MonoquantError(
    'invalid-options',
    `Expected a part that monoquant ${version()} has made, found one of ${found}: "${path}".`,
    { suggestion: 'Merge parts with the version that has made them.' },
  );
}

function damaged({ path }: SizedFile): MonoquantError {
  return new MonoquantError(
    'malformed-file',
    `Expected a whole part of an output, found one that is damaged: "${path}".`,
    { suggestion: 'Copy it again, or make it again.' },
  );
}
