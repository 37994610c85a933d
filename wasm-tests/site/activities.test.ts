/**
 * What can be done with a file besides quantizing it, as its content allows: other containers, floats of codes, a look
 * at what is in it, a comparison.
 * It exists because not everything that is dropped on the page is to be quantized.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Folder, monoquant } from '../support/cli.js';
import { weights } from '../support/models.js';
import { sha256Of, type Visit, visitors } from './visit.js';

const visit = visitors();
const folder = new Folder();
const FIXTURES = join(import.meta.dirname, '../fixtures');
const PICKLE = join(FIXTURES, 'calibration/model.pt');
const floats = folder.write('floats.safetensors', [
  weights('layers.0.fc.weight', 'F32', [64, 128]),
  weights('layers.1.fc.weight', 'F32', [64, 128], 2),
]);

const activities = ({ page }: Visit) =>
  page.getByRole('radiogroup', { name: 'What to do' }).getByRole('radio');
const choose = ({ page }: Visit, name: string) => page.getByRole('radio', { name }).check();

async function written(...words: string[]): Promise<string> {
  const output = folder.at(`by-command.safetensors`);
  const { code, stderr } = await monoquant(...words, '-o', output, '--force');
  expect(code, stderr).toBe(0);
  return sha256Of(readFileSync(output));
}

it('a pickle becomes a file in which nothing can run, as the command writes it', async () => {
  const visitor = await visit({ isolated: true });
  const { page } = visitor;
  await visitor.pick(PICKLE);
  await visitor.opened('model.pt');
  await choose(visitor, 'Convert');
  await visitor.card('Result').getByRole('button', { name: 'Convert', exact: true }).click();
  await visitor.done();
  const saved = await visitor.save();
  expect(saved.name).toBe('model-copy.safetensors');
  expect(saved.sha256).toBe(await written('convert', PICKLE));
  expect(await visitor.copied('Copy as command')).toBe(
    'npx monoquant convert model.pt --output model-copy.safetensors',
  );
  // Beside a run that quantizes it.
  await choose(visitor, 'Quantize');
  await visitor.planned();
  expect(await page.getByRole('list', { name: 'Runs' }).getByRole('listitem').count()).toBe(2);
});

it('codes are looked at first, found sound, and become floats', async () => {
  const codes = folder.at('codes.safetensors');
  const { code } = await monoquant('quantize', floats, '-o', codes, '--force');
  expect(code).toBe(0);
  const visitor = await visit({ isolated: true });
  const { page } = visitor;
  await visitor.pick(codes);
  await visitor.opened('codes.safetensors');
  expect(await activities(visitor).first().isChecked()).toBe(true);
  const card = page.getByRole('region', { name: 'What is in it' });
  expect(await card.innerText()).toContain('2 tensors INT8 channel');
  await card.getByRole('button', { name: 'Check codes and scales' }).click();
  await card.getByText(/^Valid: 2 quantized tensors/).waitFor();

  await choose(visitor, 'Dequantize');
  await visitor.card('Result').getByRole('button', { name: 'Dequantize', exact: true }).click();
  await visitor.done();
  expect((await visitor.save()).sha256).toBe(await written('dequantize', codes));
});

it('a file that was damaged is not sound', async () => {
  const codes = folder.at('damaged.safetensors');
  await monoquant('quantize', floats, '--bits', '8', '-o', codes, '--force');
  const bytes = readFileSync(codes);
  // Scales come before codes: not a number for one of them.
  bytes.fill(0xff, bytes.readUInt32LE(0) + 8, bytes.readUInt32LE(0) + 12);
  writeFileSync(codes, bytes);
  const visitor = await visit({ isolated: true });
  await visitor.pick(codes);
  await visitor.opened('damaged.safetensors');
  const card = visitor.page.getByRole('region', { name: 'What is in it' });
  await card.getByRole('button', { name: 'Check codes and scales' }).click();
  await card.getByText(/^Not valid: 1 problem/).waitFor();
});

it('a comparison says what is equal and what is not', async () => {
  const other = folder.write('other.safetensors', [
    weights('layers.0.fc.weight', 'F32', [64, 128]),
    weights('layers.1.fc.weight', 'F32', [64, 128], 7),
    weights('layers.2.fc.weight', 'F32', [64, 128]),
  ]);
  const visitor = await visit({ isolated: true });
  const { page } = visitor;
  await visitor.pick(floats);
  await visitor.opened('floats.safetensors');
  await choose(visitor, 'Compare');
  const card = page.getByRole('region', { name: 'Compare with another file' });
  await card.locator('input[type=file]').setInputFiles(other);
  const verdict = card.getByRole('status').filter({ hasText: 'identical' });
  await verdict.waitFor();
  const told = await verdict.innerText();
  for (const words of ['1 identical', '1 different', '1 only in the second']) {
    expect(told).toContain(words);
  }
  await card.getByRole('row', { name: /layers\.1\.fc\.weight different/ }).waitFor();
  await card.locator('input[type=file]').setInputFiles(floats);
  await card.getByText('All 2 tensors are identical.').waitFor();
});

it('whether a checkpoint is safe to load is told, with the way to a file that is', async () => {
  const visitor = await visit({ isolated: true });
  const { page } = visitor;
  await visitor.pick(join(FIXTURES, 'torch/hostile/system_proto4.pt'));
  await page.getByText(/not safe to load in Python: it names posix\.system/).waitFor();
  await page.getByRole('button', { name: 'Convert it to .safetensors' }).click();
  expect(await page.getByRole('radio', { name: 'Convert' }).isChecked()).toBe(true);
});
