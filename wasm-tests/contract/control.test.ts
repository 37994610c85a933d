/**
 * Runs under way: progress, abort, gates, several at a time, any number of threads.
 * It exists because these are promises about time, which no look at an output can show.
 * Whatever ends a run early leaves nothing behind.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { host } from '#host';
import type { GateError, Progress, Report } from '#package';
import type { AnyOptions } from '../host/host.js';
import { expectSameBytes } from '../support/bytes.js';
import { failureOf, helpfulFailureOf } from '../support/failures.js';
import { filled, mixedModel, weights } from '../support/models.js';
import { modelOf, planOf } from '../support/runs.js';

const MODEL = modelOf(mixedModel('F32'));
/** Large enough to be in the middle of something. */
const LARGE = modelOf([
  weights('a.weight', 'F32', [512, 1024]),
  weights('b.weight', 'F16', [513, 1024]),
  weights('lm_head.weight', 'F32', [8, 1024]),
]);
const STAGES: readonly Progress['stage'][] = ['plan', 'encode', 'verify'];

afterEach(async () => expect(await host.leftovers()).toEqual([]));

describe('onProgress', () => {
  it.each([1, 2])('goes forward to the end, with %i threads', async (threads) => {
    const seen: Progress[] = [];
    const { report } = await host.quantize(LARGE, {
      bits: 4,
      threads,
      onProgress: (progress) => seen.push(progress),
    });
    const stages = seen.map(({ stage }) => STAGES.indexOf(stage));
    expect(stages).toEqual(stages.toSorted((a, b) => a - b));
    expect(new Set(stages).size).toBe(STAGES.length);
    for (const stage of STAGES.slice(1)) {
      const own = seen.filter((progress) => progress.stage === stage);
      const bytes = own.map((progress) => progress.bytes);
      expect(bytes).toEqual(bytes.toSorted((a, b) => a - b));
      expect(new Set(own.map(({ totalBytes }) => totalBytes)).size).toBe(1);
      expect(own.at(-1)?.bytes).toBe(own.at(-1)?.totalBytes);
      for (const { tensor } of own)
        expect(['', 'a.weight', 'b.weight', 'lm_head.weight']).toContain(tensor);
    }
    const encoded = seen.filter(({ stage }) => stage === 'encode').at(-1)?.totalBytes ?? 0;
    expect(encoded).toBeGreaterThanOrEqual(report.sizes.sourceBytes * 0.99);
  });

  it('may throw: the call then fails with just that', async () => {
    const mistake = new Error('a mistake of the caller');
    const onProgress = ({ stage }: Progress) => {
      if (stage === 'encode') throw mistake;
    };
    await expect(host.quantize(MODEL, { onProgress })).rejects.toBe(mistake);
  });
});

describe('signal', () => {
  it('ends a call before it begins', async () => {
    const signal = AbortSignal.abort();
    await failureOf(host.quantize(MODEL, { signal }), 'aborted');
    await failureOf(host.open(MODEL, { signal }), 'aborted');
  });

  it.each(STAGES.flatMap((stage) => [1, 2].map((threads) => ({ stage, threads }))))(
    'ends a call during $stage at once, with $threads threads',
    async ({ stage, threads }) => {
      const controller = new AbortController();
      let heardAfterwards = 0;
      const onProgress = (progress: Progress) => {
        if (controller.signal.aborted) heardAfterwards++;
        else if (progress.stage === stage) controller.abort();
      };
      const run = host.quantize(LARGE, { signal: controller.signal, onProgress, threads });
      await failureOf(run, 'aborted');
      // A call that goes on until its stage is done would report the end of that stage.
      expect(heardAfterwards).toBe(0);
    },
  );

  it('means nothing after the end', async () => {
    const controller = new AbortController();
    const { output } = await host.quantize(MODEL, { signal: controller.signal });
    controller.abort();
    expect(output.length).toBeGreaterThan(0);
  });
});

describe('gates', () => {
  it('failUnder lets pass what is good enough, and nothing else', async () => {
    const { report } = await host.quantize(MODEL);
    const sqnrDb = report.tensors[0]?.sqnrDb ?? Number.NaN;
    expect(sqnrDb).toBeLessThan(report.sqnrDb ?? Number.NaN);
    await host.quantize(MODEL, { failUnder: sqnrDb - 0.01 });
    const error = await helpfulFailureOf(
      host.quantize(MODEL, { failUnder: sqnrDb + 0.01 }),
      'quality-gate',
    );
    expect(error.message).toContain(sqnrDb.toFixed(2));
    expect(error.tensor).toBe(report.tensors[0]?.name);
    const untimed = { timings: undefined, engine: undefined };
    const { report: judged } = error as GateError;
    expect({ ...judged, ...untimed }).toEqual({ ...report, ...untimed });
  });

  it('strict takes warnings of the plan and of the run for errors', async () => {
    const bad = filled('nan.weight', 'F32', [8, 128], () => Number.NaN);
    const found = modelOf([weights('a.weight', 'F32', [8, 128]), bad]);
    await helpfulFailureOf(host.quantize(found, { strict: true }), 'strict-warnings');
    const planned = modelOf([weights('a.weight', 'F32', [8, 128])]);
    await helpfulFailureOf(host.quantize(planned, { strict: true }), 'strict-warnings');
    const fine = modelOf([
      weights('a.weight', 'F32', [8, 128]),
      weights('lm_head.weight', 'F32', [2, 8]),
    ]);
    await host.quantize(fine, { strict: true });
  });
});

describe('several calls', () => {
  it('at the same time do not disturb each other', async () => {
    const choices: readonly AnyOptions[] = [{ bits: 8 }, { bits: 4 }, { bits: 16 }, { bits: 8 }];
    const alone = [];
    for (const choice of choices) alone.push(await host.quantize(LARGE, choice));
    const controller = new AbortController();
    const disturbance = host.quantize(LARGE, { signal: controller.signal });
    const together = Promise.all(choices.map((choice) => host.quantize(LARGE, choice)));
    controller.abort();
    await failureOf(disturbance, 'aborted');
    for (const [index, outcome] of (await together).entries()) {
      const expected = alone[index]?.output ?? new Uint8Array();
      expectSameBytes(outcome.output, expected, JSON.stringify(choices[index]));
    }
  });

  it('of one open model answer in their order', async () => {
    const model = await host.open(MODEL);
    const plans = await Promise.all([model.plan({ bits: 4 }), model.plan({ bits: 8 })]);
    expect(plans.map(({ configuration }) => configuration.bits)).toEqual([4, 8]);
    await model.close();
    await model.close();
    await failureOf(model.plan(), 'aborted');
  });
});

describe('engines and threads', () => {
  it('do not change the output, nor what the report says of it', async () => {
    const options = { bits: 4, scheme: 'asymmetric' } as const;
    const first = await host.quantize(LARGE, { ...options, threads: 1 });
    expect(first.report.engine).toEqual({ kind: 'st', threads: 1 });
    for (const { run, engine } of host.engines) {
      const { output, report } = await host.quantize(LARGE, { ...options, ...run });
      expect(report.engine).toEqual(engine);
      expectSameBytes(output, first.output, JSON.stringify(run));
      expect(withoutCircumstances(report)).toEqual(withoutCircumstances(first.report));
    }
  });

  it('are as many as the machine offers where none are asked for', async () => {
    const { report } = await host.quantize(LARGE);
    expect(report.engine.threads).toBeGreaterThanOrEqual(1);
    expect(report.engine.threads).toBeLessThanOrEqual(4);
  });
});

it('a plan and a run have the same configuration', async () => {
  const options = { bits: 4, groupSize: 64, ignore: ['gru'] } as const;
  const plan = await planOf(MODEL, options);
  const { report, warnings } = await host.quantize(MODEL, options);
  expect(report.configuration).toEqual(plan.configuration);
  expect(warnings).toEqual(report.warnings);
});

function withoutCircumstances({ engine, timings, ...said }: Report): unknown {
  return said;
}
