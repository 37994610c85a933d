/**
 * Broken files are refused in words, whatever is broken about them.
 * It exists because files come from anywhere: half downloaded, edited by hand, made to do harm.
 * Where readers may differ (`either`), a file loads or is refused, and nothing else happens.
 */
import { describe, expect, it } from 'vitest';
import { host } from '#host';
import type { ErrorCode, Model } from '#package';
import { failureOf, helpfulFailureOf } from '../support/failures.js';
import { fixturesIn } from '../support/fixtures.js';
import { weights } from '../support/models.js';
import { modelOf } from '../support/runs.js';

const FIXTURES = fixturesIn('safetensors_bad');
const REJECTED = FIXTURES.filter(({ expectations }) => expectations.expect === 'reject');
const EITHER = FIXTURES.filter(({ expectations }) => expectations.expect === 'either');

/** The codes that blame a file. */
const CODES: readonly ErrorCode[] = [
  'unsupported-format',
  'malformed-file',
  'limit-exceeded',
  'file-truncated',
];

it('has files to look at', () => {
  expect(REJECTED.length).toBeGreaterThan(20);
  expect(EITHER.length).toBeGreaterThan(0);
});

describe.each(REJECTED)('$name', ({ read }) => {
  it('is refused by open, and by quantize in the same words', async () => {
    const file = await read();
    const error = await helpfulFailureOf(host.open(file));
    expect(CODES).toContain(error.code);
    const other = await failureOf(host.quantize(file));
    expect(other.message).toBe(error.message);
    expect(await host.leftovers()).toEqual([]);
  });
});

it.each(EITHER)('$name loads or is refused', async ({ read }) => {
  const file = await read();
  const outcome = await host.open(file).catch((error: unknown) => error);
  if (outcome instanceof Error) expect(CODES).toContain((await failureOf(host.open(file))).code);
  else await (outcome as Model).close();
});

it('refuses every prefix of a file that lacks some of its header or a tensor', async () => {
  const file = modelOf([weights('a.weight', 'F32', [8, 64])]);
  const cuts = [1, 7, 8, 9, 40, file.length - 2048, file.length - 1];
  for (const cut of cuts) {
    const error = await failureOf(host.open(file.slice(0, cut)));
    expect(['file-truncated', 'unsupported-format', 'malformed-file'], `${cut}`).toContain(
      error.code,
    );
  }
});

it.each([
  ['HTML', '<!DOCTYPE html><title>Not found</title>'],
  ['git-lfs', 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n'],
])('tells that a file is %s and no model', async (words, text) => {
  const file = new TextEncoder().encode(text.padEnd(200));
  const error = await helpfulFailureOf(host.open(file), 'unsupported-format');
  expect(error.message).toContain(words);
});
