/**
 * Which of the files that come together is the model, and under which name: what is shown, saved and copied is of the
 * file that is read.
 * It exists because a model that is saved under another one's name is found out by nobody.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Folder } from '../support/cli.js';
import { weights } from '../support/models.js';
import { visitors } from './visit.js';

const visit = visitors();
const folder = new Folder();
const digits = folder.write('digits.safetensors', [weights('digit.weight', 'F32', [64, 64])]);
const other = folder.write('other.safetensors', [weights('digit.weight', 'F32', [64, 64], 2)]);
const PICKLE = join(import.meta.dirname, '../fixtures/calibration/model.pt');
const readme = folder.at('README.md');
writeFileSync(readme, 'Weights are beside.\n');
const parts = ['00001', '00002'].map((number) =>
  folder.write(`model-${number}-of-00002.safetensors`, [
    weights(`part.${number}.weight`, 'F32', [64, 64]),
  ]),
);

it('a text beside a model is no name for it, and the command names the file', async () => {
  const visitor = await visit();
  await visitor.pick(readme, digits);
  await visitor.opened('digits.safetensors');
  await visitor.planned();
  expect(await visitor.copied('Copy as command')).toBe(
    'npx monoquant quantize digits.safetensors --bits 8',
  );
  await visitor.quantize();
  expect((await visitor.save()).name).toBe('digits-int8.safetensors');
});

describe('two models', () => {
  it('are both offered, and none is opened under the name of the other', async () => {
    const visitor = await visit();
    const { page } = visitor;
    await visitor.pick(PICKLE, digits);
    await page.getByText('These are two models: model.pt and digits.safetensors.').waitFor();
    expect(await visitor.card('The model').count()).toBe(0);
    await page.getByRole('button', { name: 'Open digits.safetensors' }).click();
    await visitor.opened('digits.safetensors');
    await visitor.card('Tensors').getByText('digit.weight').first().waitFor();
    await visitor.quantize();
    expect((await visitor.save()).name).toBe('digits-int8.safetensors');
  });

  it('can be compared at once', async () => {
    const visitor = await visit();
    const { page } = visitor;
    await visitor.pick(digits, other);
    await page.getByRole('button', { name: 'Compare them' }).click();
    await page.getByRole('region', { name: 'Compare with another file' }).waitFor();
    await page.getByText('1 different', { exact: true }).waitFor();
  });
});

it('weights that are no part of the model are named', async () => {
  const visitor = await visit();
  await visitor.pick(...parts, PICKLE);
  await visitor.opened('model.safetensors');
  await visitor.page.getByText('Not opened: model.pt.').waitFor();
});

it('a part of a model alone is no model', async () => {
  const visitor = await visit();
  await visitor.pick(parts[0] ?? '');
  const alert = visitor.page.getByRole('alert');
  await alert.waitFor();
  expect(await alert.innerText()).toContain('"model-00002-of-00002.safetensors" is missing');
  // All parts are, and the command finds them by one of them.
  await visitor.pick(...parts);
  await visitor.opened('model.safetensors');
  await visitor.planned();
  expect(await visitor.copied('Copy as command')).toContain(' model-00001-of-00002.safetensors ');
});

it('numbers and texts of a config.json stay as they are', async () => {
  const config = '{"rms_norm_eps": 1e-06, "rope_theta": 10000.0, "big": 12345678901234567891}';
  writeFileSync(folder.at('config.json'), config);
  const visitor = await visit();
  const { page } = visitor;
  await visitor.pick(digits, folder.at('config.json'));
  await visitor.opened('digits.safetensors');
  await visitor.quantize();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Save config.json' }).click(),
  ]);
  const saved = folder.at('saved-config.json');
  await download.saveAs(saved);
  const { readFileSync } = await import('node:fs');
  const text = readFileSync(saved, 'utf8');
  for (const value of ['1e-06', '10000.0', '12345678901234567891']) expect(text).toContain(value);
  expect(text).toContain('quantization_config');
});
