/**
 * Models in GGUF files: the values that ggml reads, under the names and shapes that the file has.
 * It exists because blocks that ggml has made are the only proof that blocks are understood.
 * What cannot be done with blocks is refused by name.
 */
import { describe, expect, it } from 'vitest';
import { host } from '#host';
import { expectSameBytes, sha256 } from '../support/bytes.js';
import { helpfulFailureOf } from '../support/failures.js';
import { readFixture } from '../support/fixtures.js';
import { decodeFloats } from '../support/floats.js';
import { type GgufTensor, writeGguf } from '../support/gguf.js';
import { readSafetensors } from '../support/safetensors.js';

interface Digests {
  readonly values: Readonly<Record<string, string>>;
}
const [DIGESTS] = Object.values(
  import.meta.glob<Digests>('../fixtures/gguf/blocks.json', { import: 'default', eager: true }),
) as [Digests];
const SHAPE = [6, 512];
const ONE = { threads: 1 } as const;
const KEYS = { 'general.architecture': 'llama', 'general.file_type': 15 };

/** All blocks among the fixtures, a tensor each. */
async function goldenTensors(): Promise<readonly GgufTensor[]> {
  const { tensors } = readSafetensors(await readFixture('gguf/blocks.safetensors'));
  return Object.keys(DIGESTS.values).map((name) => ({
    name: `${name}.weight`,
    type: name.split('.')[0] ?? '',
    shape: SHAPE,
    bytes: tensors.get(name)?.bytes ?? new Uint8Array(),
  }));
}

/** Payloads and signs of NaN are not compared. */
async function digestOf(values: Float32Array): Promise<string> {
  const copy = Float32Array.from(values, (value) => (Number.isNaN(value) ? Number.NaN : value));
  return sha256(new Uint8Array(copy.buffer));
}

describe('blocks of every type', () => {
  it('become the values that ggml reads', async () => {
    const tensors = await goldenTensors();
    const model = writeGguf(tensors, KEYS);
    const { output } = await host.dequantize(model, ONE);
    const file = readSafetensors(output);
    expect(file.tensors.size).toBe(tensors.length);
    for (const [name, digest] of Object.entries(DIGESTS.values)) {
      const found = file.tensors.get(`${name}.weight`);
      expect(found?.shape, name).toEqual(SHAPE);
      const isPlain = /^B?F16/.test(name);
      expect(found?.dtype === 'F32', name).toBe(!isPlain);
      const values = decodeFloats(found?.dtype ?? 'F32', found?.bytes ?? new Uint8Array());
      expect(await digestOf(Float32Array.from(values)), name).toBe(digest);
    }
    expect(file.metadata['general.architecture']).toBe('llama');
    expect(file.metadata['general.file_type']).toBeUndefined();

    const compared = await host.compare(output, model, ONE);
    expect(compared.tensors.every(({ verdict }) => verdict === 'identical')).toBe(true);
    const loaded = await host.load(model, ONE);
    const { bytes } = await loaded.tensor('Q4_K.plain.weight');
    const expected = file.tensors.get('Q4_K.plain.weight')?.bytes ?? new Uint8Array();
    expectSameBytes(bytes, expected, 'loaded');
    await loaded.close();
  });

  it('are F16 or BF16 if asked for', async () => {
    const tensors = (await goldenTensors()).filter(({ name }) => name.startsWith('Q8_0'));
    for (const dtype of ['F16', 'BF16'] as const) {
      // One row of the fixtures has values beyond F16.
      const rows = tensors.map((each) => ({
        ...each,
        shape: [4, 512],
        bytes: each.bytes.subarray(0, (each.bytes.length / 6) * 4),
      }));
      const { output } = await host.dequantize(writeGguf(rows), { ...ONE, dtype });
      expect(readSafetensors(output).tensors.get('Q8_0.plain.weight')?.dtype).toBe(dtype);
    }
  });

  it('are told with the file', async () => {
    const model = await host.open(writeGguf(await goldenTensors(), KEYS), ONE);
    expect(model.catalog.format).toBe('gguf');
    expect(model.catalog.metadata).toMatchObject({ 'general.file_type': '15' });
    const tensor = model.catalog.tensors.find(({ name }) => name === 'Q4_K.plain.weight');
    expect(tensor).toMatchObject({
      shape: SHAPE,
      bytes: 6 * 2 * 144,
      quantization: { bits: 4, blockType: 'Q4_K', scheme: 'asymmetric', groupSize: 256 },
    });
    await model.close();
  });

  it('are neither quantized again nor copied', async () => {
    const model = writeGguf(await goldenTensors());
    for (const call of [
      () => host.quantize(model, { bits: 8, ...ONE }),
      () => host.quantize(model, { bits: 16, ...ONE }),
      () => host.convert(model, ONE),
    ]) {
      const { code, message } = await helpfulFailureOf(call());
      expect(code).toBe('already-quantized');
      expect(message).toContain('Q4_0');
    }
  });

  it('are quantized by request, as the values that they stand for', async () => {
    const rows = new Uint8Array(64 * 2 * 18).map((_, i) => (i % 18 === 1 ? 0x2c : i * 37)); // Q4_0
    const blocks = { name: 'blk.0.attn_q.weight', type: 'Q4_0', shape: [64, 64], bytes: rows };
    const model = writeGguf([blocks]);
    const { output: values } = await host.dequantize(model, ONE);
    const how = { bits: 8, ...ONE } as const;
    const again = await host.quantize(model, { ...how, requantize: true });
    expectSameBytes(again.output, (await host.quantize(values, how)).output, 'of the values');
  });
});

it('plain numbers are quantized and copied as from any file', async () => {
  const rows = Float32Array.from({ length: 64 * 64 }, (_, i) => Math.sin(i));
  const bytes = new Uint8Array(rows.buffer);
  const model = writeGguf([{ name: 'blk.0.attn_q.weight', type: 'F32', shape: [64, 64], bytes }]);
  const { report } = await host.quantize(model, { bits: 8, ...ONE });
  expect(report.tensors[0]?.decision).toBe('quantize');
  const { output } = await host.convert(model, ONE);
  const copied = readSafetensors(output).tensors.get('blk.0.attn_q.weight');
  expectSameBytes(copied?.bytes ?? new Uint8Array(), bytes, 'copied');
});

it('a part of a split model by itself is refused with what is wanted', async () => {
  const part = writeGguf([], { 'split.count': 3 });
  const { code, suggestion } = await helpfulFailureOf(host.open(part));
  expect(code).toBe('unsupported-format');
  expect(suggestion).toContain('Give the folder that has all of them');
});

it('refuses every prefix', async () => {
  const [tensor] = await goldenTensors();
  const file = writeGguf(tensor === undefined ? [] : [tensor], KEYS);
  for (const cut of [4, 8, 23, 24, 60, 100, file.length - 4000, file.length - 1]) {
    const { code } = await helpfulFailureOf(host.open(file.slice(0, cut)));
    expect(['file-truncated', 'unsupported-format', 'malformed-file'], `${cut}`).toContain(code);
  }
});

describe('a split model', () => {
  const part = async (number: number) => ({
    name: `model-0000${number}-of-00002.gguf`,
    bytes: await readFixture(`gguf/split-py-0000${number}-of-00002.gguf`),
  });

  it('is one model', async () => {
    const parts = [await part(1), await part(2)];
    const { tensors, metadata, files } = (await host.open(parts)).catalog;
    expect(tensors).toHaveLength(3);
    expect(files).toEqual(parts.map(({ name }) => name));
    expect(Object.keys(metadata).filter((key) => key.startsWith('split.'))).toEqual([]);
    const { output } = await host.convert(parts, ONE);
    const values = readSafetensors(output).tensors;
    expect([...values.keys()].sort()).toEqual(tensors.map(({ name }) => name).sort());
  });

  it('is missed if a part of it is', async () => {
    const { code } = await helpfulFailureOf(host.open([await part(1)]));
    expect(code).toBe('file-not-found');
  });
});
