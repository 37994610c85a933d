/**
 * The config.json beside an output: what loaders have to know is in it, and all else stays as it was written.
 * It exists because transformers and vLLM believe this file before they look at any tensor.
 */
import { describe, expect, it } from 'vitest';
import { describeOutput, MonoquantError, type Report } from '#package';
import { weights } from '../support/models.js';
import { runOn } from '../support/runs.js';
import { ENCODINGS, encoded } from '../support/shards.js';

const QUANTIZATION = { quant_method: 'compressed-tensors', ignore: ['lm_head'] };

const describing = (
  config: string,
  quantization: Report['outputConfig']['quantization'],
  floatType: Report['outputConfig']['floatType'] = null,
) => describeOutput(config, { outputConfig: { quantization, floatType } });

describe('what is said of codes', () => {
  it.each([
    ['indented', '{\n  "a": 1.0,\n  "b": {\n    "c": [1e-05]\n  }\n}\n'],
    ['with Python numbers', '{\n  "max": Infinity,\n  "min": -Infinity,\n  "none": NaN\n}'],
    ['with words in strings', '{"a": "NaN, \\"Infinity\\" } ,", "b": []}'],
    ['compact', '{"a":1.0,"b":{"quantization_config":1}}'],
    ['with tabs and CRLF', '{\r\n\t"a": 1,\r\n\t"b": 2\r\n}\r\n'],
    ['with long numbers', '{"seed": 12345678901234567890, "x": 1.50e+00}'],
    ['with escapes', '{"a": "\\u00e9\\/é😀", "\\u0062": "\\\\"}'],
    ['with a byte order mark', '\uFEFF{"a": 1}\n'],
  ])('is added to a configuration %s, which stays byte for byte', (_how, config) => {
    const text = describing(config, QUANTIZATION);
    const [before = ''] = text.split(/,?\s*"quantization_config":\s*\{\s*"quant_method"/);
    expect(config.startsWith(before)).toBe(true);
    expect(text.endsWith(config.slice(before.length))).toBe(true);
    const json = text
      .replace(/^\uFEFF/, '')
      .replace(/"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g, (token) =>
        token.startsWith('"') ? token : '0',
      );
    expect(JSON.parse(json).quantization_config).toEqual(QUANTIZATION);
  });

  it.each(ENCODINGS)('is added to bytes in %s, which stay as they are', (encoding) => {
    const config = '{\r\n    "name": "é😀",\r\n    "limit": [0.0, Infinity]\r\n}\r\n';
    const before = encoded(config, encoding);
    const outputConfig = { quantization: QUANTIZATION, floatType: null };
    const after = describeOutput(before, { outputConfig });
    expect(after).toEqual(encoded(describing(config, QUANTIZATION), encoding));
    expect(
      describeOutput(before, { outputConfig: { ...outputConfig, quantization: null } }),
    ).toEqual(before);
  });

  it('is indented like the rest', () => {
    const lines = describing('{\r\n\t"a": 1\r\n}', QUANTIZATION).split('\r\n');
    expect(lines).toContain('\t\t"quant_method": "compressed-tensors",');
    expect(lines.filter((line) => line.includes('\n'))).toEqual([]);
  });

  it('is added beside a text of millions of characters', () => {
    const config = `{"a": "${'x'.repeat(8_000_000)}", "b": NaN}`;
    expect(describing(config, QUANTIZATION).length).toBeGreaterThan(config.length);
  });

  it('is all that an empty one has', () => {
    expect(JSON.parse(describing('{ }', QUANTIZATION))).toEqual({
      quantization_config: QUANTIZATION,
    });
  });

  it('takes the place of what was said of other codes', () => {
    const text = describing('{"quantization_config": {"old": [1]}, "z": 1.0}', QUANTIZATION);
    expect(text.split('quantization_config')).toHaveLength(2);
    expect(text).toMatch(/, "z": 1\.0\}$/);
    expect(JSON.parse(text)).toEqual({ quantization_config: QUANTIZATION, z: 1 });
  });

  it('is nothing where there are none', () => {
    const config = '{"a":1.0}';
    expect(describing(config, null)).toBe(config);
  });
});

describe('the type of floats', () => {
  it('follows the output wherever it is named, in parts of the model as well', () => {
    const config =
      '{"torch_dtype": "bfloat16", "text_config": {"dtype": "float32", "x": 1.0}, "k": "float32"}';
    expect(describing(config, null, 'F16')).toBe(
      '{"torch_dtype": "float16", "text_config": {"dtype": "float16", "x": 1.0}, "k": "float32"}',
    );
  });

  it('follows it in parts of parts, under any name', () => {
    const config =
      '{"thinker_config": {"text_config": {"dtype": "bfloat16"}}, "llm_config": {"torch_dtype": "torch.float32"}}';
    expect(describing(config, null, 'F16')).toBe(
      '{"thinker_config": {"text_config": {"dtype": "float16"}}, "llm_config": {"torch_dtype": "torch.float16"}}',
    );
  });

  it('stays where it says nothing of the weights, or is about codes', () => {
    const config =
      '{"dtype": "auto", "torch_dtype": null, "list": {"dtype": ["float32"]}, "quantization_config": {"dtype": "float32"}}';
    expect(describing(config, null, 'F16')).toBe(config);
  });

  it('is not named where it was not', () => {
    expect(describing('{"a":1.0}', null, 'F16')).toBe('{"a":1.0}');
  });

  it.each([
    [{ bits: 16, floatType: 'F16' }, 'F16'],
    [{ bits: 16, floatType: 'BF16' }, 'BF16'],
    [{ bits: 8 }, null],
    [{ bits: 4 }, null],
  ] as const)('of a run with %o is %s', async (options, floatType) => {
    const tensors = [weights('fc.weight', 'F32', [32, 64]), weights('norm.weight', 'F32', [64])];
    const { report, file } = await runOn(tensors, options);
    expect(report.outputConfig.floatType).toBe(floatType);
    const text = file.metadata.quantization_config;
    expect(report.outputConfig.quantization).toEqual(text === undefined ? null : JSON.parse(text));
  });
});

it.each([
  '[1.0]',
  '',
  '{"a":1',
  'nothing',
  '{"a":nan}',
  '{"a":1Infinity}',
  '{"a":-NaN}',
  '{"a":+Infinity}',
])('%j is refused as no object', (config) => {
  expect(() => describing(config, null)).toThrow(MonoquantError);
});

it('bytes that are no text are refused', () => {
  const outputConfig = { quantization: null, floatType: null };
  for (const bytes of [
    [0x7b, 0xff, 0x7d],
    [0xff, 0xfe, 0x7b],
    [0x7b, 0, 0, 0, 0x7d, 0, 0, 0],
  ]) {
    expect(() => describeOutput(Uint8Array.from(bytes), { outputConfig })).toThrow(MonoquantError);
  }
});
