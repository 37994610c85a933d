/**
 * What stands beside the weights of a model: loaders believe it before any tensor, so a run goes by it or is refused.
 * The same for files of a folder in every host; before the work, and in plans as well.
 */
import { describe, expect, it } from 'vitest';
import { host } from '#host';
import type { ErrorCode, PlanOptions } from '#package';
import type { AnyModel, DataFile } from '../host/host.js';
import { failureOf, helpfulFailureOf } from '../support/failures.js';
import { weights } from '../support/models.js';
import { plannedOf } from '../support/runs.js';
import { readSafetensors, type Tensor, writeSafetensors } from '../support/safetensors.js';
import { ENCODINGS, encoded, indexFile, textFile } from '../support/shards.js';

const UP = weights('model.layers.0.mlp.up_proj.weight', 'F32', [256, 96], 3);
const EMBEDDING = weights('model.embed_tokens.weight', 'F32', [64, 96]);
const HEAD = weights('lm_head.weight', 'F32', [64, 96], 5);

const asModel = (tensors: readonly Tensor[], name = 'model.safetensors'): DataFile => ({
  name,
  bytes: writeSafetensors(tensors, { format: 'pt' }),
});

async function planOf(model: AnyModel, options: PlanOptions = {}) {
  const opened = await host.open(model, { threads: 1 });
  try {
    return await opened.plan(options);
  } finally {
    await opened.close();
  }
}

/** What it says, wherever the host has put the folder. */
const unplaced = ({ message }: { readonly message: string }) => message.replace(/"\/[^"]*\//g, '"');

/** Fails as plan and as run, in the same words. */
async function refused(model: AnyModel, options: PlanOptions, ...codes: readonly ErrorCode[]) {
  const error = await helpfulFailureOf(planOf(model, options));
  expect(codes, error.message).toContain(error.code);
  const other = await failureOf(host.quantize(model, { ...options, threads: 1 }));
  expect(unplaced(other)).toBe(unplaced(error));
  return error;
}

describe('weights that are floats beside a word of codes', () => {
  const FP8 = '{"quant_method": "fp8", "weight_block_size": [128, 128]}';
  const beside = (config: string): DataFile[] => [asModel([UP]), textFile('config.json', config)];

  it.each([
    ['quantization_config', `{"quantization_config": ${FP8}}`],
    ['quantization_config', '{"quantization_config": {"load_in_8bit": true}, "a": Infinity}'],
    ['compression_config', `{"compression_config": ${FP8}}`],
    ['text_config.quantization_config', `{"text_config": {"quantization_config": ${FP8}}}`],
    [
      'thinker_config.text_config.quant',
      `{"thinker_config": {"text_config": {"quantization_config": ${FP8}}}}`,
    ],
    ['quantization_config', `{"quantization": {"bits": 4}, "quantization_config": ${FP8}}`],
  ])('are refused: %s in %s', async (place, config) => {
    for (const options of [{ bits: 8 }, { bits: 4 }, { bits: 16 }] as const) {
      const error = await refused(beside(config), options, 'already-quantized');
      expect(error.message).toContain(place);
      expect(error.suggestion).toContain('Remove it');
    }
  });

  it('are refused, whoever has made them', async () => {
    const codes: readonly ErrorCode[] = ['already-quantized', 'unsupported-layout'];
    for (const said of [
      '"quantization": {"group_size": 64, "bits": 4}',
      '"quantization_config": {"quant_method": "gptq"}',
    ]) {
      const error = await refused(beside(`{${said}}`), {}, ...codes);
      expect(error.message).toMatch(/quantization|GPTQ|mlx/);
    }
  });

  it.each(['hf_quant_config.json', 'quantize_config.json', 'quant_config.json'])(
    'are refused: %s',
    async (name) => {
      const model = [asModel([UP]), textFile(name, '{}')];
      expect((await refused(model, {}, 'already-quantized')).message).toContain(name);
    },
  );

  it.each(['null', '{}'])('are none where it says nothing: %s', async (said) => {
    const plan = await planOf(beside(`{"quantization_config": ${said}}`));
    expect(plannedOf(plan, UP.name).decision).toBe('quantize');
  });

  it('may be copied', async () => {
    const { output } = await host.convert(beside(`{"quantization_config": ${FP8}}`), {
      threads: 1,
    });
    expect(readSafetensors(output).tensors).toHaveLength(1);
  });
});

describe('a configuration that cannot be read', () => {
  it.each([
    ['no JSON', new TextEncoder().encode('{"a": 1,}')],
    ['no object', new TextEncoder().encode('[1]')],
    ['empty', new Uint8Array()],
    ['no text', Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d)],
  ])('is an error of whoever writes or plans: %s', async (_what, bytes) => {
    const model = [asModel([UP]), { name: 'config.json', bytes }];
    const error = await refused(model, {}, 'malformed-file');
    expect(error.message).toContain('config.json');
    const other = await failureOf(host.convert(model, { threads: 1 }));
    expect(unplaced(other)).toBe(unplaced(error));
    const { valid, problems } = await host.validate(model, { threads: 1 });
    const [problem = { message: '' }] = problems;
    expect({ valid, problem: unplaced(problem) }).toEqual({
      valid: false,
      problem: unplaced(error),
    });
    // To look at it is not forbidden.
    await (await host.open(model, { threads: 1 })).close();
  });
});

describe.each(ENCODINGS)('in %s', (encoding) => {
  it('a configuration is read', async () => {
    const config = '{"architectures": ["LlamaForCausalLM"], "x": NaN, "y": -Infinity}';
    const files = [
      asModel([UP, EMBEDDING]),
      { name: 'config.json', bytes: encoded(config, encoding) },
    ];
    const { report } = await host.quantize(files, { threads: 1 });
    expect(report.outputConfig.quantization).toMatchObject({
      ignore: expect.arrayContaining(['lm_head']),
    });
  });

  it('an index is read', async () => {
    const map = { [UP.name]: 'a.safetensors', [HEAD.name]: 'b.safetensors' };
    const text = new TextDecoder().decode(indexFile(map).bytes);
    const index = { name: 'model.safetensors.index.json', bytes: encoded(text, encoding) };
    const files = [asModel([UP], 'a.safetensors'), asModel([HEAD], 'b.safetensors'), index];
    const opened = await host.open(files, { threads: 1 });
    await opened.close();
    expect(opened.catalog.tensors).toHaveLength(2);
  });

  it('a calibration is read', async () => {
    const model = writeSafetensors([weights('fc.weight', 'F32', [32, 64])]);
    const data = {
      name: 'x.safetensors',
      bytes: writeSafetensors([weights('fc', 'F32', [64, 64])]),
    };
    const found = await host.withData([data], (inputs) =>
      host.calibrate(model, inputs, { threads: 1 }),
    );
    const json = { name: 'c.json', bytes: encoded(JSON.stringify(found), encoding) };
    const { report } = await host.withData([json], (calibration) =>
      host.quantize(model, { calibration, threads: 1 }),
    );
    expect(report.configuration.mode).toBe('static');
  });
});

describe('an adapter in the folder', () => {
  const A = weights('base_model.model.model.layers.0.mlp.up_proj.lora_A.weight', 'F32', [8, 96]);
  it.each([
    ['alone', [asModel([A], 'adapter_model.safetensors'), textFile('adapter_config.json', '{}')]],
    ['beside a model', [asModel([UP]), asModel([A], 'adapter_model.safetensors')]],
    [
      'of which only the configuration is there',
      [asModel([UP]), textFile('adapter_config.json', '{}')],
    ],
  ])('is to be merged first: %s', async (_what, files) => {
    const error = await refused(files, {}, 'unsupported-format');
    expect(error.message).toContain('adapter_');
    expect(error.suggestion).toContain('Merge');
    await failureOf(host.convert(files, { threads: 1 }), 'unsupported-format');
    await (await host.open(files, { threads: 1 })).close();
  });
});

describe('a head that is tied to the embedding', () => {
  const TIED = '"tie_word_embeddings": true';
  const folder = (config: string, ...tensors: readonly Tensor[]) => [
    asModel([UP, ...tensors]),
    textFile('config.json', `{${config}}`),
  ];
  const choices: readonly PlanOptions[] = [
    { layers: ['linear', 'head'] },
    { overrides: [{ pattern: 'lm_head', bits: 8 }] },
    { bits: 4, overrides: [{ pattern: 'lm_head.weight', bits: 8 }] },
    { defaultIgnore: false },
  ];

  it.each(choices)('is not quantized by %o', async (options) => {
    for (const config of [TIED, `"text_config": {${TIED}}`, `"llm_config": {${TIED}, "x": NaN}`]) {
      const error = await refused(folder(config, EMBEDDING, HEAD), options, 'invalid-options');
      expect(error).toMatchObject({ tensor: HEAD.name });
      expect(error.message).toContain('tie_word_embeddings');
    }
  });

  it('is told to be, if a pattern is for a head that has no tensor', async () => {
    const overrides = [{ pattern: 'lm_head', bits: 8 as const }];
    const error = await refused(folder(TIED, EMBEDDING), { overrides }, 'pattern-unmatched');
    expect(error.suggestion).toContain('tie_word_embeddings');
    const untied = await failureOf(planOf(folder('"a": 1', EMBEDDING), { overrides }));
    expect(untied.suggestion).not.toContain('tie_word_embeddings');
  });

  it('is not quantized where it stands for the embedding', async () => {
    await refused(folder(TIED, HEAD), { layers: ['linear', 'head'] }, 'invalid-options');
  });

  it.each(['cls.predictions.decoder.weight', 'proj_out.weight', 'model.lm_head.decoder.weight'])(
    'may have another name: %s',
    async (name) => {
      const model = folder(TIED, EMBEDDING, { ...HEAD, name });
      await refused(model, { defaultIgnore: false }, 'invalid-options');
    },
  );

  it.each(choices)(
    'is, by %o, if it is said to be its own, or nothing is said',
    async (options) => {
      for (const config of ['"tie_word_embeddings": false', '"a": 1']) {
        const plan = await planOf(folder(config, EMBEDDING, HEAD), options);
        expect(plannedOf(plan, HEAD.name).decision).toBe('quantize');
      }
    },
  );

  it('is no layer of the same shape, no classifier, and no matter to 16 bits', async () => {
    const layer = { ...HEAD, name: 'encoder.layer.0.output.dense.weight' };
    const score = weights('score.weight', 'F32', [8, 96]);
    const model = folder(TIED, EMBEDDING, layer, score, HEAD);
    const ignore = ['lm_head'];
    const options = {
      defaultIgnore: false,
      minElements: 0,
      ignore: [...ignore, 'model.embed_tokens'],
    };
    const plan = await planOf(model, options);
    for (const { name } of [layer, score]) expect(plannedOf(plan, name).decision).toBe('quantize');
    await planOf(model, { bits: 16 });
  });

  const tables: readonly PlanOptions[] = [
    { layers: ['linear', 'embedding'] },
    { overrides: [{ pattern: 'model.embed_tokens', bits: 8 }] },
    { bits: 4, overrides: [{ pattern: 'model.embed_tokens.weight', bits: 8 }] },
    { defaultIgnore: false, ignore: ['lm_head'] },
  ];

  it.each(tables)('is the embedding, which is not quantized by %o', async (options) => {
    const positions = weights('model.position_embeddings.weight', 'F32', [16, 96]);
    const { name } = EMBEDDING;
    for (const others of [[positions], [positions, HEAD]]) {
      if (options.ignore !== undefined && others.length === 1) continue; // matches nothing
      const model = folder(TIED, ...others, EMBEDDING);
      const error = await refused(model, options, 'invalid-options');
      expect(error).toMatchObject({ tensor: name });
      expect(error.message).toContain('tie_word_embeddings');
    }
    const untied = await planOf(folder('"a": 1', EMBEDDING, HEAD), options);
    expect(plannedOf(untied, name).decision).toBe('quantize');
  });

  it('is no other table, and stays as it is where no loader would take it', async () => {
    const positions = weights('model.position_embeddings.weight', 'F32', [16, 96]);
    const overrides = [{ pattern: 'model.position_embeddings', bits: 8 as const }];
    const plan = await planOf(folder(TIED, EMBEDDING, positions), { overrides });
    expect(plannedOf(plan, positions.name).decision).toBe('quantize');
    const named = folder(`${TIED}, "architectures": ["LlamaForCausalLM"]`, EMBEDDING);
    const left = plannedOf(
      await planOf(named, { layers: ['linear', 'embedding'] }),
      EMBEDDING.name,
    );
    expect(left).toMatchObject({ decision: 'copy', reason: 'not-loadable' });
  });
});
