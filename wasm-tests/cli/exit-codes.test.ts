/**
 * Every exit code, provoked for real: scripts branch on them.
 * It exists because a code that is only in a table may belong to an error that nobody throws.
 * Whatever the code, people get a sentence on stderr, and programs with `--json` a document on stdout.
 */
import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import type { ErrorCode, MonoquantError } from '#package/node';
import { CLI, type Finished, Folder, monoquant, start } from '../support/cli.js';
import { weights } from '../support/models.js';
import { parseReport } from '../support/schema.js';

const folder = new Folder();
const fine = folder.write('fine.safetensors', [
  weights('fc.weight', 'F32', [16, 128]),
  weights('lm_head.weight', 'F32', [4, 128]),
]);
const norms = folder.write('norms.safetensors', [weights('norm.weight', 'F32', [600])]);
const alone = folder.write('alone.safetensors', [weights('fc.weight', 'F32', [16, 128])]);
writeFileSync(folder.at('text.safetensors'), 'not a model at all');
// The length of a header that is no JSON.
writeFileSync(folder.at('broken.safetensors'), Buffer.from('\x08\0\0\0\0\0\0\0not JSON'));
writeFileSync(folder.at('there.safetensors'), 'precious');

it('0: done', async () => {
  const output = folder.at('done.safetensors');
  const { code, stdout, stderr } = await monoquant('quantize', fine, '-o', output);
  expect({ code, warned: stderr.includes('warning') }).toEqual({ code: 0, warned: false });
  expect(stdout).toContain(output);
  expect((await monoquant('info', fine)).code).toBe(0);
  expect((await monoquant('--help')).code).toBe(0);
  expect((await monoquant('help', 'quantize')).code).toBe(0);
  expect((await monoquant('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

const FAILURES: readonly (readonly [code: number, error: ErrorCode, words: readonly string[]])[] = [
  [2, 'invalid-options', ['quantize']],
  [2, 'invalid-options', ['quantize', fine, fine]],
  [2, 'invalid-options', ['quantize', fine, '--bits', '9']],
  [2, 'invalid-options', ['quantize', fine, '--bits', '4', '--dynamic']],
  [2, 'invalid-options', ['quantize', fine, '--static']],
  [2, 'invalid-options', ['quantize', fine, '--nonsense']],
  [2, 'invalid-options', ['nonsense', fine]],
  [2, 'invalid-options', ['quantize', fine, '-o', fine, '--force']],
  [2, 'pattern-unmatched', ['quantize', fine, '--ignore', 'decoder']],
  [2, 'output-exists', ['quantize', fine, '-o', folder.at('there.safetensors')]],
  [3, 'nothing-to-quantize', ['quantize', norms]],
  [4, 'strict-warnings', ['quantize', alone, '--strict']],
  [4, 'strict-warnings', ['quantize', alone, '--strict', '--dry-run']],
  [5, 'file-not-found', ['quantize', folder.at('nowhere.safetensors')]],
  [5, 'file-not-found', ['info', folder.at('nowhere.safetensors')]],
  [5, 'malformed-file', ['info', folder.at('broken.safetensors')]],
  [5, 'unsupported-format', ['info', folder.at('text.safetensors')]],
  [2, 'invalid-options', ['quantize', folder.path]],
  [5, 'read-failed', ['quantize', '/dev/null']],
  [5, 'write-failed', ['quantize', fine, '-o', '/proc/none/x.safetensors']],
];

it.each(FAILURES)('%i: %s, by %j', async (exitCode, errorCode, words) => {
  const before = folder.list();
  const text = await monoquant(...words);
  expectTold(text, exitCode);
  expect(text.stdout).toBe('');

  const json = await monoquant(...words, '--json');
  expectTold(json, exitCode);
  const { error, ...rest } = JSON.parse(json.stdout) as { error: MonoquantError };
  expect(rest).toEqual({});
  expect(error).toMatchObject({ code: errorCode, message: expect.stringMatching(/\.$/) });
  expect(folder.list()).toEqual(before);
});

it('4: quality-gate, behind the report that it is about', async () => {
  const before = folder.list();
  const text = await monoquant('quantize', fine, '--fail-under', '100');
  expectTold(text, 4);
  expect(text.stdout).toMatch(/^output +nothing was written$/m);
  const json = await monoquant('quantize', fine, '--fail-under', '100', '--json');
  expectTold(json, 4);
  expect(parseReport(json.stdout).tensors).toHaveLength(1);
  expect(folder.list()).toEqual(before);
});

it('2: no command at all, with the overview', async () => {
  const { code, stdout, stderr } = await monoquant();
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain('monoquant quantize');
});

it('1: a package that is incomplete', async () => {
  const copy = folder.at('package');
  cpSync(join(dirname(CLI), '..'), join(copy, 'dist'), { recursive: true });
  writeFileSync(join(copy, 'package.json'), '{"type": "module"}');
  rmSync(join(copy, 'dist/wasm/monoquant-st.wasm'));
  const words = [join(copy, 'dist/node/cli.js'), 'info', fine];
  expectTold(await start(process.execPath, words).finished, 1);
});

/** One complaint, in words, without a stack. */
function expectTold({ code, stderr }: Finished, exitCode: number): void {
  expect(code, stderr).toBe(exitCode);
  expect(stderr.match(/^monoquant: /gm)?.length, stderr).toBe(1);
  expect(stderr).not.toMatch(/^ +at /m);
}
