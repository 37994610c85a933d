/**
 * The runs of a visit as a log: the command lists, compares and repeats what the page has made.
 * It exists because a log that only its writer reads is none.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { CLI, Folder, start } from '../support/cli.js';
import { mixedModel } from '../support/models.js';
import { sha256Of, type Visit, visitors } from './visit.js';

const visit = visitors();
const folder = new Folder();
const model = folder.write('mixed.safetensors', mixedModel('F32'));

async function exported({ page }: Visit): Promise<string> {
  const button = page.getByRole('button', { name: 'Export runs' });
  const [download] = await Promise.all([page.waitForEvent('download'), button.click()]);
  expect(download.suggestedFilename()).toBe('runs.jsonl');
  return readFileSync(await download.path(), 'utf8');
}

/** As somebody who has saved the log beside the model. */
async function runs(...words: string[]): Promise<string> {
  const { finished } = start(process.execPath, [CLI, 'runs', ...words, '--log', '.'], {
    cwd: folder.path,
  });
  const { code, stdout, stderr } = await finished;
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return stdout;
}

it('the command lists, compares and repeats the runs of the page', async () => {
  const visitor = await visit({ isolated: true });
  const { page } = visitor;
  await visitor.pick(model);
  await visitor.opened('mixed.safetensors');
  await visitor.quantize();
  expect((await exported(visitor)).trim().split('\n')).toHaveLength(1);
  await visitor.choose('INT4');
  await visitor.quantize();
  await page.getByLabel('File name').fill('smaller');
  await page.getByLabel('File name').press('Enter');
  const text = await exported(visitor);
  writeFileSync(folder.at('runs.jsonl'), text);

  const listed = JSON.parse(await runs('list', '--json')) as Record<string, unknown>[];
  expect(
    listed.map(({ command, exit, model: named, output }) => [command, exit, named, output]),
  ).toEqual([
    ['quantize', 0, 'mixed.safetensors', 'mixed-int8.safetensors'],
    ['quantize', 0, 'mixed.safetensors', 'smaller.safetensors'],
  ]);
  const { sha256 } = await visitor.save();
  expect(listed[1]).toMatchObject({
    inputs: [{ name: 'mixed.safetensors', sha256: sha256Of(readFileSync(model)) }],
    outputs: [{ name: 'smaller.safetensors', sha256 }],
  });
  const [first, second] = listed.map(({ id }) => String(id));
  const compared = JSON.parse(await runs('compare', first ?? '', second ?? '', '--json'));
  expect(JSON.stringify(compared)).toContain('"option":"bits"');
  // To the byte.
  expect(JSON.parse(await runs('repeat', 'last', '--json'))).toMatchObject({ same: true });
}, 180_000);

it('a run that is gone has its line, and the model after it a line of its own', async () => {
  const visitor = await visit();
  const { page } = visitor;
  await visitor.pick(model);
  await visitor.opened('mixed.safetensors');
  await visitor.quantize();
  await page.getByRole('button', { name: 'Remove the run INT8' }).click();
  await page.getByRole('button', { name: 'Go on without it' }).click();
  await visitor.tryExample();
  await visitor.quantize();
  const lines = (await exported(visitor)).trim().split('\n');
  const named = lines.map((line) => (JSON.parse(line) as { model: string }).model);
  expect(named).toEqual(['mixed.safetensors', 'example.safetensors']);
}, 180_000);
