/**
 * The report's totals, its order and its warnings.
 * It exists because the numbers per tensor are judged elsewhere, but people read the summary.
 * Every warning that there is comes up here once, and not without its cause.
 */
import { describe, expect, it } from 'vitest';
import { host } from '#host';
import type { PlanOptions, WarningCode } from '#package';
import { failureOf } from '../support/failures.js';
import { filled, mixedModel, weights } from '../support/models.js';
import { Random } from '../support/random.js';
import { modelOf, runOn } from '../support/runs.js';
import { elementsOf, type Tensor } from '../support/safetensors.js';
import { torchFixture } from '../support/torch.js';

describe('summary', () => {
  it.each<PlanOptions>([{ bits: 8 }, { bits: 4, groupSize: 32 }, { bits: 16 }])(
    'says what happened to every tensor: %j',
    async (options) => {
      const { report, plan, source } = await runOn(mixedModel('F32'), options);
      const changed = report.tensors.map(({ name, decision }) => [name, decision]);
      const copied = report.copied.map(({ name, decision }) => [name, decision]);
      expect([...report.tied, ...report.dropped]).toEqual([]);
      expect([...changed, ...copied].sort()).toEqual(
        plan.tensors.map(({ name, decision }) => [name, decision]).sort(),
      );
      for (const tensor of report.tensors) {
        const { name, elements, sourceBytes, outputBytes, outputs } = tensor;
        const planned = plan.tensors.find((tensor) => tensor.name === name);
        const { dtype, shape, quantization } = tensor;
        expect({ dtype, shape, quantization }).toEqual({
          dtype: planned?.dtype,
          shape: planned?.shape,
          quantization: planned?.quantization,
        });
        expect(outputs).toEqual(planned?.outputs.map(({ dtype, bytes }) => ({ dtype, bytes })));
        expect(elements).toBe(elementsOf(source.get(name)?.shape ?? []));
        expect(sourceBytes).toBe(source.get(name)?.bytes.length);
        expect(outputBytes).toBe(planned?.outputs.reduce((sum, { bytes }) => sum + bytes, 0));
      }
      for (const copied of report.copied) {
        const planned = plan.tensors.find((tensor) => tensor.name === copied.name);
        expect(planned).toMatchObject(copied);
      }
      expect(report.version).toBe(host.version());
      for (const time of Object.values(report.timings)) expect(time).toBeGreaterThanOrEqual(0);
    },
  );

  it('begins with the worst tensor, and weighs by elements', async () => {
    const exact = filled('exact.weight', 'F32', [8, 64], () => 0);
    const { report } = await runOn([...mixedModel('F32'), exact], { bits: 4, groupSize: 32 });
    const decibels = report.tensors.map(({ sqnrDb }) => sqnrDb ?? Number.POSITIVE_INFINITY);
    expect(decibels).toEqual(decibels.toSorted((a, b) => a - b));
    expect(report.tensors.at(-1)).toMatchObject({ name: 'exact.weight', sqnrDb: null });
    const lossy = report.tensors.filter(({ sqnrDb }) => sqnrDb !== null);
    const elements = lossy.reduce((sum, tensor) => sum + tensor.elements, 0);
    const sum = lossy.reduce((total, { sqnrDb, elements }) => total + (sqnrDb ?? 0) * elements, 0);
    expect(report.sqnrDb).toBeCloseTo(sum / elements, 9);
  });

  it('says of each tensor how it is stored, where one option does not say it of all', async () => {
    const tensors = [
      weights('grouped.weight', 'F32', [16, 128]),
      weights('small.weight', 'BF16', [16, 64]),
      weights('odd.weight', 'F16', [16, 50]),
      weights('wide.weight', 'F32', [16, 128]),
      weights('float.weight', 'F32', [16, 128]),
    ];
    const { report } = await runOn(tensors, {
      bits: 4,
      overrides: [
        { pattern: 'wide', bits: 8 },
        { pattern: 'float', bits: 16 },
      ],
    });
    const stored = (name: string) => report.tensors.find((tensor) => tensor.name === name);
    const symmetric = { scheme: 'symmetric' };
    expect(stored('grouped.weight')).toMatchObject({
      dtype: 'F32',
      shape: [16, 128],
      quantization: { ...symmetric, bits: 4, strategy: 'group', groupSize: 128 },
    });
    expect(stored('small.weight')).toMatchObject({
      dtype: 'BF16',
      quantization: { bits: 4, strategy: 'group', groupSize: 64, scaleDtype: 'BF16' },
    });
    expect(stored('odd.weight')?.quantization).toMatchObject({
      strategy: 'channel',
      groupSize: -1,
    });
    expect(stored('wide.weight')?.quantization).toMatchObject({ bits: 8 });
    expect(stored('float.weight')).toMatchObject({
      dtype: 'F32',
      outputs: [{ dtype: 'F16', bytes: 16 * 128 * 2 }],
    });
    expect(stored('float.weight')).not.toHaveProperty('quantization');
  });

  it('tells copies, further names and what is left out apart', async () => {
    const [tied, lost] = [
      await host.convert(await torchFixture('zip/tied.pt'), { threads: 1 }),
      await host.convert(await torchFixture('zip/dtype_c32.pt'), { threads: 1 }),
    ];
    expect(tied.report.tied.map(({ name, decision }) => [name, decision])).toEqual([
      ['head.weight', 'tie'],
    ]);
    expect(lost.report.dropped.map(({ reason }) => reason)).toContain('not-representable');
    for (const { report } of [tied, lost]) {
      expect(new Set(report.copied.map(({ decision }) => decision)).size).toBeLessThan(2);
    }
  });

  it('rates every tensor, however many there are, and counts them all', async () => {
    const random = new Random(9);
    const bad = Array.from({ length: 25 }, (_, index) =>
      filled(`l${index}.weight`, 'F32', [8, 128], (i) => (i % 128 === 0 ? 60 : random.bell())),
    );
    const { report } = await runOn([...bad, weights('fine.weight', 'F32', [8, 128])], { bits: 4 });
    for (const { sqnrDb, quality } of report.tensors) {
      const limits = [10, 15].filter((limit) => (sqnrDb ?? 99) < limit);
      expect(quality).toBe(['good', 'low', 'very-low'][limits.length]);
    }
    const low = report.tensors.filter(({ quality }) => quality === 'low');
    expect(low.length).toBeGreaterThan(20);
    const warning = report.warnings.find(({ code }) => code === 'low-sqnr');
    expect(warning).toMatchObject({ total: low.length });
    expect(warning?.tensors).toHaveLength(20);
  });

  it('says null where nothing was lost', async () => {
    const { report } = await runOn([filled('zero.weight', 'F32', [8, 64], () => 0)]);
    expect(report.sqnrDb).toBeNull();
    expect(report.tensors[0]).toMatchObject({ sqnrDb: null, maxError: 0 });
  });
});

describe('warnings', () => {
  const good = weights('fc.weight', 'F32', [8, 128]);
  /** Copied, so that not everything is quantized. */
  const head = weights('lm_head.weight', 'F32', [8, 16], 3);
  const random = new Random(5);
  /** Beside the one large value of a group, all others become zero: their squares are the noise. */
  const noisy = (name: string, outlier: number) =>
    filled(name, 'F32', [8, 128], (index) => (index % 128 === 0 ? outlier : random.bell()));
  const nan = filled('nan.weight', 'F32', [8, 128], (index) => (index === 3 ? Number.NaN : 1));
  const cases: Readonly<
    Record<
      Exclude<
        WarningCode,
        | 'dropped'
        | 'left-out'
        | 'not-loadable'
        | 'opaque-part'
        | 'rescaled'
        | 'not-rescaled' // wasm-tests/cli/rescaling.test.ts
        | `calibration-${string}`
        | `pickle-${string}`
      >,
      readonly [Tensor[], PlanOptions, tensors: readonly string[]]
    >
  > = {
    'everything-quantized': [[good], {}, []],
    'mostly-unquantized': [[good, weights('embed.weight', 'F32', [64, 128])], {}, []],
    'ignore-unmatched': [[good, head], { ignore: ['re:.*mlp\\.gate$'] }, []],
    'group-fallback': [
      [weights('fc.weight', 'F32', [8, 96]), head],
      { bits: 4, groupSize: 64 },
      ['fc.weight'],
    ],
    'siblings-split': [
      [
        weights('a.q_proj.weight', 'F32', [8, 128]),
        weights('a.k_proj.weight', 'F32', [8, 128]),
        head,
      ],
      { bits: 4, overrides: [{ pattern: 'a.q_proj', bits: 8 }] },
      ['a.qkv_proj'],
    ],
    'low-sqnr': [[noisy('fc.weight', 60), head], { bits: 4 }, ['fc.weight']],
    'very-low-sqnr': [[noisy('fc.weight', 25), head], { bits: 4 }, ['fc.weight']],
    'sensitive-4-bit': [
      [good, weights('lm_head.weight', 'F32', [8, 128]), weights('embed.weight', 'F32', [8, 128])],
      { bits: 4, layers: ['linear', 'embedding', 'head'] },
      ['lm_head.weight', 'embed.weight'],
    ],
    // Rows of 2^-17 / 127.5 and less get the smallest scale that there is.
    'scale-edge': [[filled('fc.weight', 'F32', [8, 128], () => 2 ** -17), head], {}, ['fc.weight']],
    'non-finite': [[nan, good, head], {}, ['nan.weight']],
    overflow: [
      [filled('big.weight', 'F32', [8, 128], () => 1e6), good],
      { bits: 16 },
      ['big.weight'],
    ],
    'already-quantized': [
      [
        good,
        weights('fc.weight_zero_point', 'F32', [8, 1]),
        weights('b.weight', 'F32', [16, 128]),
        head,
      ],
      {},
      ['fc.weight'],
    ],
    'activation-scheme': [[good, head], { scheme: 'asymmetric' }, ['fc.weight']],
    'not-folded': [[good, head], { foldBn: true }, []],
    'not-pruned': [
      [weights('long.weight', 'F32', [2, 66_000]), good],
      { prune: 20 },
      ['long.weight'],
    ],
  };

  it.each(Object.keys(cases) as (keyof typeof cases)[])('%s', async (code) => {
    const [tensors, options, names] = cases[code];
    const { report } = await runOn(tensors, options);
    const warning = report.warnings.find((candidate) => candidate.code === code);
    expect(report.warnings.map((candidate) => candidate.code)).toContain(code);
    expect(warning?.tensors).toEqual(names);
    expect(warning?.total).toBe(names.length);
    expect(warning?.message).toMatch(/^\S.*\.$/);
  });

  it('say what to do', async () => {
    for (const [tensors, options] of Object.values(cases)) {
      const { report } = await runOn(tensors, options);
      for (const { code, message } of report.warnings) {
        expect(message, code).toMatch(
          /alone|ignore|help|choose|Give|begin with|more layer kinds|says what is wanted|wider/i,
        );
      }
    }
  });

  describe('scales at the edge of their dtype', () => {
    const F16_EDGE = 2 ** -14 * 127.5;
    const rows = (dtype: 'F32' | 'F16' | 'BF16', magnitudes: readonly number[]) =>
      filled('fc.weight', dtype, [magnitudes.length, 128], (index) => {
        const magnitude = magnitudes[Math.floor(index / 128)] ?? 0;
        return index % 2 === 0 ? magnitude : -magnitude / 2;
      });
    const usual = [0.1, 0.2, 0.3, 0.4];
    const tiny = 2 ** -21;
    const cases: readonly (readonly [Tensor, PlanOptions, number | undefined])[] = [
      [rows('F32', usual), {}, undefined],
      [rows('F32', [...usual, tiny, 0, tiny]), {}, 2],
      [rows('BF16', [...usual, tiny, 0, tiny]), {}, 2],
      // All zeros want no scale at all.
      [rows('F32', [...usual, 0, 0]), {}, undefined],
      [rows('F32', [...usual, tiny]), { bits: 4, groupSize: 32 }, 4],
      [rows('F32', [...usual, tiny]), { bits: 4, groupSize: 32, method: 'rtn' }, 4],
      [rows('F32', [...usual, tiny]), { scheme: 'asymmetric' }, 1],
      [rows('F32', [tiny, tiny, tiny, 0]), { strategy: 'tensor' }, 1],
      [rows('F32', [...usual, tiny]), { strategy: 'tensor' }, undefined],
      [rows('F32', [0, 0, 0, 0]), { strategy: 'tensor' }, undefined],
      // F16 has fewer digits below 2^-14.
      [rows('F16', [...usual, F16_EDGE / 1.1, F16_EDGE * 1.1]), {}, 1],
      [rows('BF16', [...usual, F16_EDGE / 1.1]), {}, undefined],
      // A row that is read in parts has one scale all the same.
      [filled('fc.weight', 'F32', [2, 600_000], () => tiny), {}, 2],
    ];

    it.each(cases)('%#', async (tensor, options, edges) => {
      const { report } = await runOn([tensor, head], { ...options, minElements: 0 });
      const found = report.tensors.find(({ name }) => name === tensor.name);
      expect(found?.edgeScales).toBe(edges);
      const warning = report.warnings.find(({ code }) => code === 'scale-edge');
      expect(warning?.tensors).toEqual(edges === undefined ? undefined : ['fc.weight']);
      if (warning !== undefined && edges !== 1) expect(warning.message).toContain(String(edges));
    });

    it('are errors with strict', async () => {
      const model = modelOf([rows('F32', [...usual, tiny]), head]);
      const error = await failureOf(host.quantize(model, { strict: true }), 'strict-warnings');
      expect(error.tensor).toBe('fc.weight');
    });
  });

  it('are not raised without a cause', async () => {
    const { report } = await runOn([good, head], {});
    expect(report.warnings).toEqual([]);
  });

  it.each([
    { code: 'non-finite', tensor: nan },
    { code: 'low-sqnr', tensor: noisy('noisy.weight', 60) },
  ] as const)('name twenty tensors at most: $code', async ({ code, tensor }) => {
    const many = Array.from({ length: 30 }, (_, index) => ({
      ...tensor,
      name: `n${index}.weight`,
    }));
    const { report } = await runOn([...many, good, head], { bits: 4 });
    const warning = report.warnings.find((candidate) => candidate.code === code);
    expect(warning?.tensors.length).toBe(20);
    expect(warning?.message).toMatch(/\S/);
  });
});
