/**
 * GGUF files made of a model's folder, compared with those that llama.cpp's own tools made of the same one, through the
 * public functions.
 */
import { describe, expect, it } from 'vitest';
import { host } from '#host';
import type { PlanOptions } from '#package';
import { expectSameBytes, sha256 } from '../support/bytes.js';
import { failureOf } from '../support/failures.js';
import { readFixture } from '../support/fixtures.js';
import { weights } from '../support/models.js';
import { writeSafetensors } from '../support/safetensors.js';

const ONE = { threads: 1 } as const;
const FILES = ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'];

async function llama() {
  const read = async (name: string) => ({
    name,
    bytes: await readFixture(`llama_cpp/llama/${name}`),
  });
  return Promise.all(FILES.map(read));
}

/**
 * The bytes behind the header, which has the folder's name among its keys: how many, and their SHA-256. `+`: with an
 * importance matrix.
 */
const DATA = {
  F32: [627712, 'c41284656a3a27516b1b2d1622f00dd6ad8b268aa25679621601618b5b198259'],
  BF16: [316416, 'a73a63c15928c700ca46dc957230a2d18f269e2d165579d62d3092e18dc30fec'],
  Q8_0: [178176, '60d7ca64534afc8c410be87538f3c2ede87c03e75323e05b5160a1edf8463edf'],
  Q4_0: [125568, '0db2604d0b314cef520b33535ed025db08a8281658360df5f1d1b3bf4efc5c14'],
  Q4_K_M: [128672, '31d8caaf73cf19b419de5b4f47c2c6dc0e9c1791ab2e4a071a4f4ecac74d63af'],
  'Q4_K_M+': [128672, '4d91ac59244f275833d460273a30067a0974c4f8e01042cacd3b1aaa1a5d2713'],
  IQ4_XS: [124032, '25d5c13f7250604baab63f3571962d40737cd0fb5f95d531e0a9e1025677bbbc'],
} as const;

async function dataOf(output: Uint8Array<ArrayBuffer>, bytes: number) {
  return sha256(output.slice(output.length - bytes));
}

describe('a folder of transformers', () => {
  it.each(Object.keys(DATA) as (keyof typeof DATA)[])(
    'becomes %s as llama.cpp makes it',
    async (name) => {
      const [bytes, digest] = DATA[name];
      const format = name.replace('+', '') as NonNullable<PlanOptions['format']>;
      const model = await llama();
      const run = (data: PlanOptions) => host.quantize(model, { format, ...data, ...ONE });
      const { output, report } = await (name.endsWith('+')
        ? host.withData([await imatrix()], (calibration) => run({ calibration }))
        : run({}));
      expect(await dataOf(output, bytes)).toBe(digest);
      expect(report.sizes.outputBytes).toBe(output.length);
      expect(report.configuration).toMatchObject({ container: 'gguf', format });
    },
  );

  it('is read back under the names of llama.cpp', async () => {
    const { output } = await host.quantize(await llama(), { format: 'Q4_K_M', ...ONE });
    const { tensors, metadata } = (await host.open(output)).catalog;
    expect(metadata['general.architecture']).toBe('llama');
    expect(tensors.map(({ name }) => name)).toContain('blk.1.attn_q.weight');
    const embedding = tensors.find(({ name }) => name === 'token_embd.weight');
    expect(embedding?.quantization).toMatchObject({ blockType: 'Q6_K' });
    expect((await host.validate(output, ONE)).valid).toBe(true);
  });

  it.each([
    [{}, 'Q8_0'],
    [{ bits: 4 }, 'Q4_K_M'],
    [{ bits: 16 }, 'F16'],
    [{ bits: 16, floatType: 'BF16' }, 'BF16'],
  ] satisfies [PlanOptions, string][])('with %j and no format is %s', async (options, format) => {
    const { report } = await host.quantize(await llama(), {
      ...options,
      container: 'gguf',
      ...ONE,
    });
    expect(report.configuration.format).toBe(format);
  });

  it('is repeated from its configuration', async () => {
    const first = await host.quantize(await llama(), { format: 'Q5_K_S', ...ONE });
    const second = await host.quantize(await llama(), { ...first.report.configuration, ...ONE });
    const [bytes] = DATA.Q4_0; // their names are those of their folders
    expect(await dataOf(second.output, bytes)).toBe(await dataOf(first.output, bytes));
  });

  it('is refused by name if it is none that is known here', async () => {
    const files = await llama();
    const [config] = files;
    const text = new TextDecoder()
      .decode(config?.bytes)
      .replace('LlamaForCausalLM', 'MambaForCausalLM');
    const other = [
      { name: 'config.json', bytes: new TextEncoder().encode(text) },
      ...files.slice(1),
    ];
    const failure = await failureOf(host.quantize(other, { format: 'Q8_0', ...ONE }));
    expect(failure).toMatchObject({ code: 'unsupported-format' });
    expect(failure.message).toContain('MambaForCausalLM');
  });
});

async function imatrix() {
  return { name: 'imatrix.gguf', bytes: await readFixture('statistics/tiny-imatrix.gguf') };
}

describe('a GGUF file', () => {
  const floats = async () => (await host.quantize(await llama(), { format: 'F32', ...ONE })).output;

  it.each(['Q8_0', 'Q4_0', 'Q4_K_M', 'Q4_K_M+', 'IQ4_XS'] as const)(
    'becomes %s as llama-quantize makes it',
    async (name) => {
      const [bytes, digest] = DATA[name];
      const format = name.replace('+', '') as NonNullable<PlanOptions['format']>;
      const model = await floats();
      const run = (data: PlanOptions) => host.quantize(model, { format, ...data, ...ONE });
      const { output } = await (name.endsWith('+')
        ? host.withData([await imatrix()], (calibration) => run({ calibration }))
        : run({}));
      expect(await dataOf(output, bytes)).toBe(digest);
    },
  );

  it('says which file of llama-imatrix has weighed it', async () => {
    const { output } = await host.withData([await imatrix()], async (calibration) =>
      host.quantize(await floats(), { format: 'Q4_K_M', calibration, ...ONE }),
    );
    const { metadata } = (await host.open(output)).catalog;
    expect(metadata).toMatchObject({
      'quantize.imatrix.file': expect.stringMatching(/^[^/]*imatrix\.gguf$/),
      'quantize.imatrix.dataset': 'text.txt',
      'quantize.imatrix.entries_count': '14',
      'quantize.imatrix.chunks_count': '3',
    });
  });

  it('of blocks is refused, unless they are to be quantized again', async () => {
    const { output: model } = await host.quantize(await llama(), { format: 'Q8_0', ...ONE });
    const call = () => host.quantize(model, { format: 'Q4_0', ...ONE });
    const { message, suggestion } = await failureOf(call(), 'already-quantized');
    expect(message).toContain('Q8_0');
    expect(suggestion).toMatch(/requantize/);
    const again = await host.quantize(model, { format: 'Q4_0', requantize: true, ...ONE });
    const { metadata, tensors } = (await host.open(again.output)).catalog;
    expect(metadata['general.file_type']).toBe('2');
    const up = tensors.find(({ name }) => name === 'blk.0.ffn_up.weight');
    expect(up?.quantization).toMatchObject({ blockType: 'Q4_0' });
  });

  it('is copied with all its keys', async () => {
    const model = await floats();
    expectSameBytes((await host.convert(model, { ...ONE, container: 'gguf' })).output, model, '');
  });
});

describe('scales that are searched for', () => {
  it.each(['Q8_0', 'Q4_0', 'Q4_K_M', 'Q5_K_S', 'IQ4_NL', 'Q2_K'] as const)(
    'lose less than those of ggml: %s',
    async (format) => {
      const model = await llama();
      const usual = await host.quantize(model, { format, ...ONE });
      const searched = await host.quantize(model, { format, method: 'mse', ...ONE });
      expect(searched.output.length).toBe(usual.output.length);
      for (const tensor of searched.report.tensors) {
        const other = usual.report.tensors.find(({ name }) => name === tensor.name);
        expect(tensor.quantization?.blockType).toBe(other?.quantization?.blockType);
        expect(tensor.sqnrDb ?? 999).toBeGreaterThanOrEqual(other?.sqnrDb ?? 999);
      }
      expect(searched.report.sqnrDb).toBeGreaterThan((usual.report.sqnrDb ?? 0) + 0.05);
      const plan = await (await host.open(model, ONE)).plan({ format, method: 'mse' });
      const up = plan.tensors.find(({ name }) => name.endsWith('0.mlp.up_proj.weight'));
      expect(up?.explanation).toMatch(/searched/);
    },
  );
});

it.each([
  [{ format: 'Q4_K_M', groupSize: 32 }, 'groupSize'],
  [{ format: 'Q4_K_M', method: 'rtn' }, 'method'],
  [{ format: 'F16', method: 'mse' }, 'method'],
  [{ format: 'MXFP4_MOE', method: 'mse' }, 'MXFP4_MOE'],
  [{ format: 'Q4_K_M', scheme: 'asymmetric' }, 'scheme'],
  [{ format: 'Q4_K_M', bits: 8 }, 'bits'],
  [{ format: 'Q4_K_M', container: 'safetensors' }, 'container'],
  [{ format: 'compressed-tensors', container: 'gguf' }, 'container'],
] satisfies [PlanOptions, string][])('%j contradicts itself', async (options, key) => {
  const failure = await failureOf(host.quantize(await llama(), { ...options, ...ONE }));
  expect(failure).toMatchObject({ code: 'invalid-options' });
  expect(failure.message).toContain(key);
});

it('weights without a configuration keep their names', async () => {
  const model = writeSafetensors([
    weights('blocks.0.to_q.weight', 'F32', [32, 256]),
    weights('blocks.0.bias', 'F32', [32]),
  ]);
  const { output, report } = await host.quantize(model, { format: 'Q4_K_S', ...ONE });
  const { tensors } = (await host.open(output)).catalog;
  expect(tensors.map(({ name, quantization }) => [name, quantization?.blockType])).toEqual([
    ['blocks.0.to_q.weight', 'Q4_K'],
    ['blocks.0.bias', undefined],
  ]);
  expect(report.sqnrDb).toBeGreaterThan(20);
});
