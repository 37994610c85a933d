/**
 * Statistics of inputs in the place of the inputs: the same files come out, in every host.
 * It exists because statistics are what people can keep: they have to be worth as much.
 */
import { describe, expect, it } from 'vitest';
import { host } from '#host';
import type { PlanOptions } from '#package';
import type { DataFile } from '../host/host.js';
import { expectSameBytes } from '../support/bytes.js';
import { filled, weights } from '../support/models.js';
import { Random } from '../support/random.js';
import { type Tensor, writeSafetensors } from '../support/safetensors.js';

const WIDTH = 64;
const SAMPLES = 96;
const MODEL = writeSafetensors([
  weights('layers.0.self_attn.q_proj.weight', 'F32', [96, WIDTH], 1),
  weights('layers.0.self_attn.k_proj.weight', 'BF16', [64, WIDTH], 2),
]);
const LAYER = 'layers.0.self_attn.q_proj';

/** Multiples of 1/8, so that all sums are exact. */
const random = new Random(7);
const X = Array.from({ length: SAMPLES }, () => {
  const shared = random.below(40) - 20;
  return Array.from({ length: WIDTH }, (_, i) => (shared * (i % 3) + random.below(30)) / 8);
});

const sumOf = (value: (row: readonly number[]) => number) =>
  X.reduce((sum, row) => sum + value(row), 0);

const CAPTURED: DataFile = {
  name: 'inputs.safetensors',
  bytes: writeSafetensors(
    [LAYER, 'layers.0.self_attn.k_proj'].map((name) =>
      filled(name, 'F32', [SAMPLES, WIDTH], (i) => X[Math.floor(i / WIDTH)]?.[i % WIDTH] ?? 0),
    ),
  ),
};

/** Of the one layer, which the other one shares. */
function statistics(...endings: readonly string[]): DataFile {
  const all: Readonly<Record<string, Tensor>> = {
    in_sum2: filled(`${LAYER}.in_sum2`, 'F32', [WIDTH], (i) => sumOf((x) => (x[i] ?? 0) ** 2)),
    in_outer: filled(`${LAYER}.in_outer`, 'F32', [WIDTH, WIDTH], (i) =>
      sumOf((x) => (x[Math.floor(i / WIDTH)] ?? 0) * (x[i % WIDTH] ?? 0)),
    ),
    counts: filled(`${LAYER}.counts`, 'F32', [1], () => SAMPLES),
    in_min: filled(`${LAYER}.in_min`, 'F32', [1], () => Math.min(...X.flat())),
    in_max: filled(`${LAYER}.in_max`, 'F32', [1], () => Math.max(...X.flat())),
  };
  const tensors = endings.flatMap((ending) => all[ending] ?? []);
  return { name: 'statistics.safetensors', bytes: writeSafetensors(tensors) };
}

function quantized(data: DataFile, options: PlanOptions) {
  return host.withData([data], (calibration) =>
    host.quantize(MODEL, { minElements: 0, ...options, calibration }),
  );
}

describe('statistics', () => {
  it.each<[PlanOptions, readonly string[]]>([
    [{ bits: 4, groupSize: 32, method: 'gptq' }, ['in_outer', 'counts']],
    [{ bits: 4, groupSize: 32, method: 'mse' }, ['in_sum2', 'counts']],
    [{ bits: 4, groupSize: 32, method: 'mse' }, ['in_sum2']],
    [{ bits: 8, observer: 'minmax' }, ['in_min', 'in_max', 'counts']],
  ])('give what the inputs give: %j from %j', async (options, endings) => {
    const [told, seen] = [
      await quantized(statistics(...endings), options),
      await quantized(CAPTURED, options),
    ];
    expectSameBytes(told.output, seen.output, JSON.stringify(options));
    expect(told.report.warnings.map(({ code }) => code)).toEqual(
      seen.report.warnings.map(({ code }) => code),
    );
  });

  it('say what they lack', async () => {
    const { report } = await quantized(statistics('in_sum2', 'counts'), {
      bits: 4,
      method: 'gptq',
    });
    expect(report.tensors.map(({ quantization }) => quantization?.method)).toEqual(['mse', 'mse']);
    const { tensors } =
      report.warnings.find(({ message }) => message.includes('move together')) ?? {};
    expect(tensors).toHaveLength(2);

    const { report: dynamic } = await quantized(statistics('in_sum2', 'counts'), {
      bits: 8,
    });
    expect(dynamic.tensors.every(({ input }) => input === undefined)).toBe(true);
    expect(dynamic.warnings.map(({ message }) => message).join()).toContain('which range');
  });

  it('are added up, to each other and to inputs', async () => {
    const twice = await host.withData(
      [statistics('in_sum2', 'in_outer', 'counts'), CAPTURED],
      (data) => host.calibrate(MODEL, data),
    );
    const module = twice.modules[LAYER];
    expect(module?.valuesPerChannel).toBe(2 * SAMPLES);
    expect(module?.squares[5]).toBe(2 * sumOf((x) => (x[5] ?? 0) ** 2));
    expect(module?.lacks).toEqual(['range', 'distribution']);
  });
});
