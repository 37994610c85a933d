/**
 * The commands for what comes after quantizing: info, validate, compare, dequantize.
 * It exists because pipelines go by exit codes and documents, and people by a few lines of text.
 * The files are written by the command itself; damage is done here.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Comparison, Validation } from '#package';
import { Folder, monoquant } from '../support/cli.js';
import { decodeFloats } from '../support/floats.js';
import { writeGguf } from '../support/gguf.js';
import { filled, mixedModel } from '../support/models.js';
import { readSafetensors, type Tensor } from '../support/safetensors.js';
import { checkComparison, checkValidation, parseCatalog } from '../support/schema.js';

const folder = new Folder();
const model = folder.write('model.safetensors', mixedModel('F32'));
const small = folder.at('small.safetensors');
const broken = folder.at('broken.safetensors');
const cut = folder.at('cut.safetensors');

beforeAll(async () => {
  const words = ['--bits', '4', '-g', '32', '-o', small];
  expect((await monoquant('quantize', model, ...words)).code).toBe(0);
  const bytes = new Uint8Array(readFileSync(small));
  writeFileSync(cut, bytes.subarray(0, -8));
  const scale = readSafetensors(bytes).tensors.get('fc.weight_scale');
  new DataView(bytes.buffer, bytes.byteOffset).setFloat32(scale?.offset ?? 0, 0, true);
  writeFileSync(broken, bytes);
});

describe('info', () => {
  it('shows quantized tensors as the model knows them', async () => {
    const { code, stdout } = await monoquant('info', small);
    expect(code).toBe(0);
    expect(stdout).toMatch(/fc\.weight +linear +INT4 group 32 +\S*24/);
    expect(stdout).not.toContain('fc.weight_scale');
    expect(stdout).toContain('quantization_config');
    const catalog = parseCatalog((await monoquant('info', small, '--json')).stdout);
    const original = parseCatalog((await monoquant('info', model, '--json')).stdout);
    expect(catalog.parameters).toBe(original.parameters);
    expect(catalog.tensors.find(({ name }) => name === 'fc.weight')?.quantization).toEqual({
      type: 'int',
      bits: 4,
      scheme: 'symmetric',
      strategy: 'group',
      groupSize: 32,
      scaleDtype: 'BF16',
    });
  });

  it('calls FP8 what it is', async () => {
    const codes: Tensor = {
      name: 'fc.weight',
      dtype: 'F8_E4M3',
      shape: [4, 8],
      bytes: new Uint8Array(32).fill(0x38),
    };
    const scale = filled('fc.weight_scale', 'F32', [4, 1], [1, 2, 3, 4]);
    const file = folder.write('fp8.safetensors', [codes, scale]);
    expect((await monoquant('info', file)).stdout).toMatch(/fc\.weight +linear +FP8 channel/);
  });
});

describe('validate', () => {
  it('is content with what was written', async () => {
    const alone = await monoquant('validate', small);
    expect(alone).toMatchObject({ code: 0 });
    expect(alone.stdout).toMatch(/^verdict +valid$/m);
    const beside = await monoquant('validate', small, '--reference', model, '--fail-under', '10');
    expect(beside.code, beside.stderr).toBe(0);
    expect(beside.stdout).toMatch(/^quality +SQNR \d/m);
    expect(beside.stdout).toMatch(/INT4 group 32/);
  });

  it.each([
    ['a scale of 0', () => [broken], 'bad-scale'],
    ['a file that was cut off', () => [cut], 'unreadable'],
    ['a file of floats', () => [model], 'not-quantized'],
    ['low quality', () => [small, '-r', model, '--fail-under', '90'], 'low-quality'],
  ] as const)('ends with 4 for %s', async (_, words, problem) => {
    const text = await monoquant('validate', ...words());
    expect(text.code).toBe(4);
    expect(text.stdout).toMatch(/^verdict +not valid: \d+ problem/m);
    expect(text.stdout).toMatch(/^✗ \S/m);
    expect(text.stderr).toContain('is not valid');
    const { code, stdout } = await monoquant('validate', ...words(), '--json');
    expect(code).toBe(4);
    const { valid, problems } = checkValidation(JSON.parse(stdout) as Validation);
    expect(valid).toBe(false);
    expect(problems.map(({ code: found }) => found)).toContain(problem);
  });

  it('ends with 5 where there is no file, and with 2 for a mistake', async () => {
    expect((await monoquant('validate', folder.at('none.safetensors'))).code).toBe(5);
    expect((await monoquant('validate')).code).toBe(2);
    expect((await monoquant('validate', small, '--fail-under', '20')).code).toBe(2);
  });
});

describe('compare', () => {
  it('shows sizes, types and quality', async () => {
    const { code, stdout } = await monoquant('compare', model, small);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^tensors +\d+ different, \d+ identical$/m);
    expect(stdout).toMatch(/^quality +SQNR \d/m);
    expect(stdout).toMatch(/fc\.weight +F32 → INT4 group 32/);
    const { stdout: json } = await monoquant('compare', model, small, '--json');
    const comparison = checkComparison(JSON.parse(json) as Comparison);
    expect(comparison.second.bytes).toBe(readFileSync(small).length);
  });

  it('says when nothing differs, and ends with 4 below a gate', async () => {
    const { stdout } = await monoquant('compare', model, model);
    expect(stdout).toMatch(/^quality +no value differs$/m);
    const gated = await monoquant('compare', model, small, '--fail-under', '90');
    expect(gated.code).toBe(4);
    expect(gated.stderr).toContain('--fail-under');
    expect((await monoquant('compare', model)).code).toBe(2);
  });
});

describe('dequantize', () => {
  it('writes floats under the original names', async () => {
    const output = folder.at('restored.safetensors');
    const { code, stdout, stderr } = await monoquant('dequantize', small, output, '--dtype', 'f16');
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^decoded +11 tensors/m);
    const { tensors } = readSafetensors(new Uint8Array(readFileSync(output)));
    expect([...tensors.keys()].sort()).toEqual(
      mixedModel('F32')
        .map(({ name }) => name)
        .sort(),
    );
    expect(tensors.get('fc.weight')?.dtype).toBe('F16');
    const again = await monoquant('dequantize', small, output);
    expect(again.code).toBe(2);
  });

  it('writes values of the blocks of a GGUF file', async () => {
    const block = new Uint8Array(34).fill(1, 2); // Q8_0: 32 codes, and a scale of F16
    block.set([0, 0x40]); // 2
    const gguf = folder.at('model.gguf');
    const tensor = { name: 'blk.0.attn_q.weight', type: 'Q8_0', shape: [1, 32], bytes: block };
    writeFileSync(gguf, writeGguf([tensor], { 'general.architecture': 'llama' }));
    const info = await monoquant('info', gguf);
    expect(info.code, info.stderr).toBe(0);
    expect(info.stdout).toContain('GGUF');
    expect(info.stdout).toContain('Q8_0');
    mkdirSync(folder.at('only'));
    writeFileSync(folder.at('only/model.gguf'), readFileSync(gguf));
    expect((await monoquant('info', folder.at('only'))).stdout).toContain('Q8_0');
    const output = folder.at('from-gguf.safetensors');
    const { code, stderr } = await monoquant('dequantize', gguf, output);
    expect(code, stderr).toBe(0);
    const { tensors } = readSafetensors(new Uint8Array(readFileSync(output)));
    const values = tensors.get('blk.0.attn_q.weight')?.bytes ?? new Uint8Array();
    expect([...decodeFloats('F32', values)]).toEqual(Array.from({ length: 32 }, () => 2));
  });

  it('ends with 3 where there is nothing to dequantize', async () => {
    const { code, stderr } = await monoquant('dequantize', model, folder.at('no.safetensors'));
    expect(code).toBe(3);
    expect(stderr).toContain('convert');
  });
});
