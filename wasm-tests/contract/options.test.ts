/**
 * Every option does what it says, and every mistake in one is answered in words.
 * It exists because an option without effect, or a typing mistake that is taken for another choice,
 * shows only when somebody loads the model.
 * Each row of the first table must change the plan; each of the second must fail before anything is read.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { host } from '#host';
import type { Plan, PlannedTensor, PlanOptions } from '#package';
import type { PlannedModel } from '../host/host.js';
import { failureOf } from '../support/failures.js';
import { mixedModel, weights } from '../support/models.js';
import { modelOf, plannedOf } from '../support/runs.js';

const MODEL = [
  ...mixedModel('F32'),
  weights('tiny.weight', 'F32', [8, 32]),
  weights('wide.weight', 'F32', [8, 256]),
];

const SMALL = modelOf([weights('fc.weight', 'F32', [16, 64])]);

const wide = (plan: Plan): PlannedTensor => plannedOf(plan, 'wide.weight');
const names = (tensor: PlannedTensor) => tensor.outputs.map(({ name }) => name);

let model: PlannedModel;
beforeAll(async () => {
  model = await host.open(modelOf(MODEL));
});
afterAll(() => model.close());

describe('effects', () => {
  const cases: readonly (readonly [
    before: PlanOptions,
    change: PlanOptions,
    look: (plan: Plan) => unknown,
    [before: unknown, after: unknown],
  ])[] = [
    [{}, { bits: 4 }, (plan) => wide(plan).quantization?.bits, [8, 4]],
    [{}, { bits: 16 }, (plan) => wide(plan).decision, ['quantize', 'convert']],
    [{}, { maxShardSize: 'none' }, (plan) => plan.configuration.maxShardSize, ['source', 'none']],
    [{}, { dynamic: true }, (plan) => plan.configuration.mode, ['dynamic', 'dynamic']],
    [{}, { dynamic: false }, (plan) => plan.configuration.mode, ['dynamic', 'weights-only']],
    [
      {},
      { mode: 'weights-only' },
      (plan) => names(wide(plan))[0],
      ['wide.weight', 'wide.weight_packed'],
    ],
    [
      {},
      { weightsOnly: true },
      (plan) => names(wide(plan))[0],
      ['wide.weight', 'wide.weight_packed'],
    ],
    [
      {},
      { scheme: 'asymmetric' },
      (plan) => names(wide(plan)).includes('wide.weight_zero_point'),
      [false, true],
    ],
    [{}, { strategy: 'tensor' }, (plan) => wide(plan).outputs.at(-1)?.shape, [[8, 1], [1]]],
    [
      {},
      { scheme: 'FP8' },
      (plan) => [wide(plan).outputs[0]?.dtype, wide(plan).quantization?.codes],
      [
        ['I8', undefined],
        ['F8_E4M3', 'FP8'],
      ],
    ],
    [{}, { codes: 'FP8' }, (plan) => wide(plan).outputs[0]?.dtype, ['I8', 'F8_E4M3']],
    [
      { bits: 4 },
      { scheme: 'NVFP4A16' },
      (plan) => names(wide(plan)),
      [
        ['wide.weight_packed', 'wide.weight_shape', 'wide.weight_scale'],
        ['wide.weight_packed', 'wide.weight_scale', 'wide.weight_global_scale'],
      ],
    ],
    [
      { bits: 8 },
      { format: 'bitsandbytes' },
      (plan) => names(wide(plan)),
      [
        ['wide.weight', 'wide.weight_scale'],
        ['wide.weight', 'wide.SCB', 'wide.weight_format'],
      ],
    ],
    [
      { scheme: 'NF4' },
      { doubleQuant: true },
      (plan) => wide(plan).outputs[1]?.dtype,
      ['F32', 'U8'],
    ],
    [
      {},
      { format: 'comfyui' },
      (plan) => names(wide(plan)),
      [
        ['wide.weight', 'wide.weight_scale'],
        ['wide.weight', 'wide.weight_scale', 'wide.comfy_quant'],
      ],
    ],
    [{ bits: 4 }, { groupSize: 64 }, (plan) => wide(plan).quantization?.groupSize, [128, 64]],
    [
      { bits: 4 },
      { groupSize: -1 },
      (plan) => wide(plan).quantization?.strategy,
      ['group', 'channel'],
    ],
    [{ bits: 4 }, { method: 'rtn' }, (plan) => wide(plan).quantization?.method, ['mse', 'rtn']],
    [{}, { method: 'mse' }, (plan) => wide(plan).quantization?.method, ['rtn', 'mse']],
    [
      { bits: 4, method: 'rtn' },
      { method: 'auto' },
      (plan) => wide(plan).quantization?.method,
      ['rtn', 'mse'],
    ],
    [
      { bits: 4 },
      { scaleType: 'F32' },
      (plan) => wide(plan).quantization?.scaleDtype,
      ['BF16', 'F32'],
    ],
    [{}, { scaleType: 'F16' }, (plan) => wide(plan).outputs.at(-1)?.dtype, ['F32', 'F16']],
    [
      { bits: 4 },
      { groupSize: -1 },
      (plan) => wide(plan).quantization?.scaleDtype,
      ['BF16', 'F32'],
    ],
    [
      { strategy: 'tensor' },
      { method: 'mse' },
      (plan) => /too much for a search/.test(wide(plan).explanation),
      [false, true],
    ],
    [
      { overrides: [{ pattern: 'wide', bits: 4 }] },
      { method: 'rtn' },
      (plan) => wide(plan).quantization?.method,
      ['mse', 'rtn'],
    ],
    [
      {},
      { overrides: [{ pattern: 'wide', method: 'mse' }] },
      (plan) => wide(plan).quantization?.method,
      ['rtn', 'mse'],
    ],
    [{ bits: 16 }, { floatType: 'BF16' }, (plan) => wide(plan).outputs[0]?.dtype, ['F16', 'BF16']],
    [
      {},
      { layers: ['conv2d'] },
      (plan) => [wide(plan).reason, plannedOf(plan, 'image.weight').reason],
      [
        ['requested', 'requested'],
        ['layer-not-selected', 'requested'],
      ],
    ],
    [
      {},
      { layers: ['linear', 'embedding'] },
      (plan) => plannedOf(plan, 'embed_tokens.weight').decision,
      ['copy', 'quantize'],
    ],
    [{}, { ignore: ['wide'] }, (plan) => wide(plan).reason, ['requested', 'ignored']],
    [{}, { ignore: ['re:.*de\\.w'] }, (plan) => wide(plan).reason, ['requested', 'ignored']],
    [
      {},
      { defaultIgnore: false },
      (plan) => plannedOf(plan, 'lm_head.weight').decision,
      ['copy', 'quantize'],
    ],
    [
      { bits: 4 },
      { overrides: [{ pattern: 'wide', bits: 8, scheme: 'asymmetric', groupSize: 32 }] },
      (plan) => wide(plan).quantization,
      [
        {
          bits: 4,
          scheme: 'symmetric',
          strategy: 'group',
          groupSize: 128,
          scaleDtype: 'BF16',
          method: 'mse',
        },
        {
          bits: 8,
          scheme: 'asymmetric',
          strategy: 'group',
          groupSize: 32,
          scaleDtype: 'F32',
          method: 'rtn',
        },
      ],
    ],
    [
      {},
      { overrides: [{ pattern: '*.weight', bits: 'none' }] },
      (plan) => wide(plan).reason,
      ['requested', 'override-none'],
    ],
    // Where several speak of a tensor, the last one to say something of a choice wins.
    [
      { bits: 4, overrides: [{ pattern: '*.weight', scheme: 'asymmetric', groupSize: 64 }] },
      {
        overrides: [
          { pattern: '*.weight', scheme: 'asymmetric', groupSize: 64 },
          { pattern: 'wide', groupSize: 32, method: 'rtn' },
        ],
      },
      (plan) => wide(plan).quantization,
      [
        {
          bits: 4,
          scheme: 'asymmetric',
          strategy: 'group',
          groupSize: 64,
          scaleDtype: 'BF16',
          method: 'mse',
        },
        {
          bits: 4,
          scheme: 'asymmetric',
          strategy: 'group',
          groupSize: 32,
          scaleDtype: 'BF16',
          method: 'rtn',
        },
      ],
    ],
    // Groups of one layer leave its activations alone, whatever the mode of the others.
    [
      {},
      { overrides: [{ pattern: 'wide', groupSize: 64 }] },
      (plan) => [names(wide(plan))[0], plan.configuration.mode],
      [
        ['wide.weight', 'dynamic'],
        ['wide.weight_packed', 'dynamic'],
      ],
    ],
    [
      {},
      { budget: '6bpw' },
      (plan) => [plan.configuration.mode, plan.mix?.budget],
      [
        ['dynamic', undefined],
        ['weights-only', '6bpw'],
      ],
    ],
    [
      { budget: '6bpw' },
      { prior: { other: 1e6 } },
      (plan) => plan.mix?.score !== undefined && plan.mix.score > 1,
      [false, true],
    ],
    [
      {},
      { minElements: 256 },
      (plan) => plannedOf(plan, 'tiny.weight').reason,
      ['small', 'requested'],
    ],
    [
      { format: 'bitsandbytes', bits: 8 },
      { outliers: 4 },
      (plan) => Math.fround(Number(plan.quantizationConfig?.llm_int8_threshold)),
      [Number.NaN, 4],
    ],
    [{}, { prune: 50 }, (plan) => wide(plan).pruned?.zeros, [undefined, 8 * 128]],
    [
      { prune: '25%' },
      { pruneMethod: 'magnitude' },
      (plan) => wide(plan).pruned,
      [
        { zeros: 8 * 64, method: 'magnitude' },
        { zeros: 8 * 64, method: 'magnitude' },
      ],
    ],
  ];

  it.each(cases)(
    '%j and then %j',
    async (before, change, look, [expectedBefore, expectedAfter]) => {
      expect(look(await model.plan(before))).toEqual(expectedBefore);
      expect(look(await model.plan({ ...before, ...change }))).toEqual(expectedAfter);
    },
  );

  it('leaves no option untried', async () => {
    const tried = new Set(
      cases.flatMap(([before, change]) => Object.keys({ ...before, ...change })),
    );
    const { suggestion } = await failureOf(model.plan({ zzzzzzzzz: 1 } as PlanOptions));
    const all = /The keys are (.*)\.$/.exec(suggestion ?? '')?.[1]?.split(/, | and /) ?? [];
    expect(all.length).toBeGreaterThan(10);
    // A model that is open has been opened with its key and its prefix;
    // and what the others change shows where files of their kind are: PyTorch's, of codes, of captured inputs.
    const elsewhere = [
      ...['key', 'stripPrefix', 'container', 'zstdLevel', 'duplicateTies'],
      ...['dequantize', 'requantize'],
      ...['foldBn', 'bnEps', 'dropBn', 'drop', 'smooth'],
      ...['static', 'calibration', 'observer', 'percentile', 'minInputSqnr', 'inputScheme'],
      'biasCorrection',
    ];
    expect(all.filter((key) => !tried.has(key)).sort()).toEqual(elsewhere.sort());
  });
});

/** What means nothing for all tensors means nothing for some of them: the same sentence, and which override it is. */
describe('overrides that mean nothing', () => {
  const cases: readonly (readonly [all: PlanOptions, override: object])[] = [
    [{ bits: 16 }, { method: 'mse' }],
    [{ bits: 16 }, { groupSize: 64 }],
    [{ bits: 16 }, { scheme: 'asymmetric' }],
    [{ bits: 16 }, { bits: 16, scheme: 'asymmetric' }],
    [{}, { bits: 16, groupSize: 64 }],
    [{}, { bits: 'none', method: 'rtn' }],
  ];

  it.each(cases)('%j, %j', async (all, override) => {
    const overrides = [{ pattern: 'wide', ...override }];
    const error = await failureOf(
      model.plan({ ...all, overrides } as PlanOptions),
      'invalid-options',
    );
    const global = await failureOf(model.plan({ ...all, ...override } as PlanOptions));
    expect(error.message).toContain('"wide"');
    expect(error.message).toContain(global.message);
    expect(error.suggestion).toBe(global.suggestion);
  });

  it('but not if the same tensors may have other bits from an earlier one', async () => {
    const overrides = [
      { pattern: '*.weight', bits: 4 },
      { pattern: 'wide', groupSize: 32 },
    ] as const;
    const plan = await model.plan({ bits: 16, overrides });
    expect(wide(plan).quantization).toMatchObject({ bits: 4, groupSize: 32 });
    await failureOf(model.plan({ bits: 16, overrides: [...overrides].reverse() }));
  });
});

describe('mistakes', () => {
  const cases: readonly (readonly [options: unknown, inMessage: string, inSuggestion?: string])[] =
    [
      [{ bitz: 4 }, '"bitz"', '"bits"'],
      [{ groupsize: 64 }, '"groupsize"', '"groupSize"'],
      [{ weightOnly: true }, '"weightOnly"', '"weightsOnly"'],
      [{ bits: 9 }, '6, 7, 8, 16'],
      [{ format: 'gptqq' }, '"gptqq"', '"gptq"'],
      [{ format: 'mlx', bits: 8, dynamic: true }, 'weights only'],
      [{ bits: '8' }, 'bits'],
      [{ scheme: 'symetric' }, '"symetric"', '"symmetric"'],
      [{ method: 'mes' }, '"mes"', '"mse"'],
      [{ strategy: 'chanel' }, '"chanel"', '"channel"'],
      [{ groupSize: 100 }, '100'],
      [{ bits: 16, floatType: 'FP16' }, '"FP16"', '"F16"'],
      [{ format: 'compressed_tensors' }, '"compressed_tensors"', '"compressed-tensors"'],
      [{ layers: ['liner'] }, '"liner"', '"linear"'],
      [{ layers: [] }, 'layers'],
      [{ layers: 'linear' }, 'layers'],
      [{ ignore: [1] }, 'ignore[0]'],
      [{ ignore: [''] }, 'ignore[0]'],
      [{ overrides: [{ pattern: 'fc' }] }, '"fc"', 'bits'],
      [{ overrides: [{ patern: 'fc', bits: 4 }] }, '"patern"', '"pattern"'],
      [{ minElements: -1 }, '-1'],
      [{ minElements: 1.5 }, '1.5'],
      [{ defaultIgnore: 'no' }, '"no"'],
      [{ dynamic: true, weightsOnly: true }, 'exclude', 'one'],
      [{ dynamic: false, weightsOnly: false }, 'both false', 'one'],
      [{ mode: 'weight-only' }, '"weight-only"', '"weights-only"'],
      [{ mode: 'dynamic', weightsOnly: true }, 'contradicts weightsOnly: true', 'one'],
      [{ bits: 16, mode: 'dynamic' }, 'weights-only', 'mode'],
      [{ bits: 'none', scheme: 'symmetric' }, 'copies', 'scheme'],
      [{ bits: 'none', overrides: [{ pattern: 'fc', bits: 8 }] }, 'overrides', 'bits'],
      [{ bits: 4, dynamic: true }, 'weights-only', 'dynamic'],
      [{ bits: 4, strategy: 'tensor' }, '4 bits', 'group'],
      [{ bits: 8, groupSize: 128 }, '128', 'weightsOnly'],
      [{ strategy: 'channel', groupSize: 32, weightsOnly: true }, 'channel', 'one'],
      [{ bits: 16, scheme: 'asymmetric' }, 'scheme', 'bits'],
      [{ bits: 16, method: 'mse' }, 'method', 'bits'],
      [{ overrides: [{ pattern: 'fc', bits: 16, method: 'mse' }] }, '"fc"', 'method'],
      [{ bits: 8, floatType: 'BF16' }, 'floatType', 'bits: 16'],
      [{ bits: 8, dequantize: 'F16' }, 'dequantize', 'dequantize'],
      [null, 'options'],
      [[], 'options'],
    ];

  it.each(cases)('%j', async (options, inMessage, inSuggestion) => {
    const error = await failureOf(host.quantize(SMALL, options as PlanOptions), 'invalid-options');
    expect(error.message).toContain(inMessage);
    if (inSuggestion !== undefined) expect(error.suggestion).toContain(inSuggestion);
    const plan = await failureOf(model.plan(options as PlanOptions), 'invalid-options');
    expect(plan.message).toBe(error.message);
  });

  it.each([
    [{ threads: 0 }, 'threads'],
    [{ threads: 1.5 }, 'threads'],
    [{ threads: 1e6 }, 'threads'],
    [{ signal: {} }, 'signal'],
    [{ onProgress: true }, 'onProgress'],
    [{ failUnder: Number.NaN }, 'failUnder'],
    [{ failUnder: '20' }, 'failUnder'],
    [{ strict: 1 }, 'strict'],
  ])('%j', async (options, key) => {
    const error = await failureOf(host.quantize(SMALL, options as object), 'invalid-options');
    expect(error.message).toContain(key);
  });

  it.each([
    [{ ignore: ['encoder'] }, 'encoder'],
    [{ ignore: ['re:image\\.wieght'] }, 'image.weight'],
    [{ overrides: [{ pattern: 'fc.wieght', bits: 8 }] }, 'fc.weight'],
  ] as const)(
    'names the nearest tensor where a pattern matches none: %j',
    async (options, near) => {
      const error = await failureOf(model.plan(options), 'pattern-unmatched');
      if (near !== 'encoder') expect(error.suggestion).toContain(`"${near}"`);
      expect(error.suggestion).toMatch(/\S/);
    },
  );

  it('binds regular expressions to the start of a name, and not to its end', async () => {
    const { tensors } = await model.plan({ ignore: ['re:wi'] });
    expect(tensors.filter(({ reason }) => reason === 'ignored').map(({ name }) => name)).toEqual([
      'wide.weight',
    ]);
    await failureOf(model.plan({ ignore: ['re:ide'] }), 'pattern-unmatched');
  });

  it('takes no pattern that is no regular expression', async () => {
    await failureOf(model.plan({ ignore: ['re:['] }), 'invalid-options');
    await failureOf(model.plan({ ignore: ['re:\\Afc'] }), 'invalid-options');
  });
});
