/**
 * The config.json beside an output: what loaders have to know is in it, and all else stays as it was written.
 * It exists because transformers and vLLM believe this file before they look at any tensor.
 */
import { describe, expect, it } from 'vitest';
import { describeOutput, MonoquantError, type Report } from '#package';
import { weights } from '../support/models.js';
import { runOn } from '../support/runs.js';

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
  ])('is added to a configuration %s, which stays byte for byte', (_how, config) => {
    const text = describing(config, QUANTIZATION);
    const [before = ''] = text.split(/,?\s*"quantization_config":\s*\{\s*"quant_method"/);
    expect(config.startsWith(before)).toBe(true);
    expect(text.endsWith(config.slice(before.length))).toBe(true);
    const json = text.replace(/"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g, (token) =>
      token.startsWith('"') ? token : '0',
    );
    expect(JSON.parse(json).quantization_config).toEqual(QUANTIZATION);
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

it.each(['[1.0]', '', '{"a":1', 'nothing', '{"a":nan}'])('%j is refused as no object', (config) => {
  expect(() => describing(config, null)).toThrow(MonoquantError);
});
