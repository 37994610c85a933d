/**
 * Runs that are ended from outside, and readers that go away.
 * It exists because Ctrl-C is pressed on every long run sooner or later.
 * Quickly, with the exit code that shells expect, and without a trace on the disk.
 */
import { statSync } from 'node:fs';
import { expect, it } from 'vitest';
import { CLI, Folder, monoquant, shell, start } from '../support/cli.js';
import { mixedModel } from '../support/models.js';
import { until } from '../support/poll.js';

const folder = new Folder();
const small = folder.write('small.safetensors', mixedModel('F32'));
/** 1 GB of zeros that take no room: a run of seconds. */
const large = folder.writeSparse('large.safetensors', 8, [8192, 4096]);
/** What is said of so many tensors is more than a pipe holds. */
const many = folder.writeSparse('many.safetensors', 5000, [16, 32]);
const FILES = folder.list();

const sizeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
const grown = () => sizeOf(folder.partialOf('o.safetensors') ?? '');

it.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)('%s ends a run with exit code %i', async (signal, exitCode) => {
  const words = [
    'quantize',
    large,
    '-o',
    folder.at('o.safetensors'),
    '--report',
    folder.at('r.json'),
    '--json',
  ];
  const { child, finished } = start(process.execPath, [CLI, ...words]);
  await until('the output grows', () => grown() > 1 << 20);
  const begin = performance.now();
  child.kill(signal);
  const { code, stdout, stderr } = await finished;
  expect(code).toBe(exitCode);
  expect(performance.now() - begin).toBeLessThan(2000);
  expect(folder.list()).toEqual(FILES);
  expect(stderr).toContain('Interrupted');
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'aborted' } });
});

it('SIGINT at the very beginning leaves nothing either', async () => {
  const { child, finished } = start(process.execPath, [
    CLI,
    'quantize',
    large,
    '-o',
    folder.at('o.safetensors'),
  ]);
  await until('the command has begun', () => folder.partialOf('o.safetensors') !== undefined);
  child.kill('SIGINT');
  expect((await finished).code).toBe(130);
  expect(folder.list()).toEqual(FILES);
});

it('a second signal ends the process at once, and still leaves nothing', async () => {
  const { child, finished } = start(process.execPath, [
    CLI,
    'quantize',
    large,
    '-o',
    folder.at('o.safetensors'),
  ]);
  await until('the output grows', () => grown() > 1 << 20);
  child.kill('SIGINT');
  child.kill('SIGTERM');
  expect((await finished).code).toBeOneOf([130, 143]);
  expect(folder.list()).toEqual(FILES);
});

it('SIGKILL leaves the partial file at most, and the next run cleans up', async () => {
  const { child, finished } = start(process.execPath, [
    CLI,
    'quantize',
    large,
    '-o',
    folder.at('o.safetensors'),
  ]);
  await until('the output grows', () => grown() > 1 << 20);
  child.kill('SIGKILL');
  expect((await finished).code).toBeNull();
  expect(folder.has('o.safetensors')).toBe(false);
  expect(
    (await monoquant('quantize', small, '-o', folder.at('o.safetensors'), '--force')).code,
  ).toBe(0);
  expect(folder.list()).toEqual([...FILES, 'o.safetensors'].sort());
});

it('a reader that has seen enough is no error', async () => {
  const line = `set -o pipefail; monoquant info '${many}' --verbose | head -1`;
  expect(await shell(line)).toMatchObject({ code: 0, stdout: expect.stringContaining('model') });
  const dry = `set -o pipefail; monoquant quantize '${many}' --dry-run --json | head -c 1`;
  expect(await shell(dry)).toMatchObject({ code: 0, stdout: '{' });
});

it('results that cannot be written are an error', async () => {
  expect((await shell(`monoquant info '${small}' > /dev/full`)).code).toBe(5);
});

it('a closed stderr does not end the work', async () => {
  const output = folder.at('silent.safetensors');
  expect((await shell(`monoquant quantize '${small}' -o '${output}' 2>&-`)).code).toBe(0);
  expect(sizeOf(output)).toBeGreaterThan(0);
});
