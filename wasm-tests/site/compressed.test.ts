/**
 * Saving a compressed file: offered where it is worth it, and the bytes that the command writes.
 * It exists because what compresses is loaded only when somebody wants it, so the offer is a guess, which must be good.
 */
import { openAsBlob, readFileSync, statSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { leftByCompression } from '../../web/page/worth.js';
import { Folder, monoquant } from '../support/cli.js';
import { filled, mixedModel, weights } from '../support/models.js';
import { Random } from '../support/random.js';
import { sha256Of, type Visit, visitors } from './visit.js';

const visit = visitors();
const folder = new Folder();
const OFFER = /^Save compressed, about (\d+) % smaller$/;

beforeAll(() => {
  folder.write('model.safetensors', [
    weights('big.weight', 'F32', [1024, 4096], 5),
    ...mixedModel('F32'),
  ]);
  // 16-bit floats that use all of their bits alike.
  const random = new Random(3);
  const whole = (most: number) => Math.floor(most * random.uniform());
  const anyHalf = () =>
    (whole(2) === 0 ? -1 : 1) * 2 ** (whole(30) - 14) * (1 + whole(1024) / 1024);
  folder.write('noise.safetensors', [filled('a.weight', 'F32', [512, 1024], anyHalf)]);
});

async function quantized(model: string, bits: number, output: string): Promise<void> {
  const words = [folder.at(model), '--bits', String(bits), '-o', folder.at(output), '--force'];
  const { code, stderr } = await monoquant('quantize', ...words);
  expect(code, stderr).toBe(0);
}

async function run(visitor: Visit, name: string, preset: 'INT8' | 'FP16'): Promise<void> {
  await visitor.pick(folder.at(name));
  await visitor.opened(name);
  await visitor.choose(preset);
  await visitor.quantize();
}

const zstdOf = ({ server }: Visit) => server.requests.filter((path) => path.includes('zstd'));

it.each(['download', 'picker'] as const)('has the bytes of the command: %s', async (saveTo) => {
  const visitor = await visit({ isolated: saveTo === 'picker', saveTo });
  await run(visitor, 'model.safetensors', 'INT8');
  const done = visitor.card('What came out');
  const offer = done.getByRole('button', { name: OFFER });
  await offer.waitFor();
  expect(zstdOf(visitor)).toEqual([]);
  const guess = Number(OFFER.exec(await offer.innerText())?.[1]);
  const saved = await visitor.saveWith(OFFER);
  expect(zstdOf(visitor).some((path) => path.endsWith('.wasm'))).toBe(true);

  await quantized('model.safetensors', 8, 'model-int8.safetensors.zst');
  await quantized('model.safetensors', 8, 'model-int8.safetensors');
  const packed = readFileSync(folder.at('model-int8.safetensors.zst'));
  expect(saved).toEqual({ name: 'model-int8.safetensors.zst', sha256: sha256Of(packed) });
  const less = 1 - packed.length / statSync(folder.at('model-int8.safetensors')).size;
  await visitor.page.getByText(new RegExp(`${Math.round(100 * less)} % less`)).waitFor();
  expect(Math.abs(guess / 100 - less)).toBeLessThan(0.03);

  await done.getByRole('button', { name: 'Validate', exact: true }).click();
  await done.getByText(/^Valid: /).waitFor();
  // The file itself can still be saved.
  if (saveTo === 'download') expect((await visitor.save()).name).toMatch(/safetensors$/);
});

it('is not offered where hardly anything would be saved', async () => {
  const visitor = await visit({ isolated: true });
  await run(visitor, 'noise.safetensors', 'FP16');
  await visitor.page.waitForTimeout(500);
  expect(await visitor.card('What came out').getByRole('button', { name: OFFER }).count()).toBe(0);
  await run(visitor, 'model.safetensors', 'INT8');
  await visitor.card('What came out').getByRole('button', { name: OFFER }).waitFor();
});

describe('the guess is near the truth', () => {
  it.each([
    ['model.safetensors', 8],
    ['model.safetensors', 4],
    ['model.safetensors', 16],
    ['noise.safetensors', 16],
    ['noise.safetensors', 4],
  ])('%s in %d bits', async (model, bits) => {
    await quantized(model, bits, 'plain.safetensors');
    await quantized(model, bits, 'packed.safetensors.zst');
    const bytes = (name: string) => statSync(folder.at(name)).size;
    const truth = bytes('packed.safetensors.zst') / bytes('plain.safetensors');
    const guess = await leftByCompression(await openAsBlob(folder.at('plain.safetensors')));
    expect(Math.abs(guess - truth), `${guess} for ${truth}`).toBeLessThan(0.03);
  });
});
