/**
 * One open model and all that can be done with it: in order, after an abort, after a failure, until it is closed.
 * What its calls give is what the functions of the same name give.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { host } from '#host';
import type { Progress } from '#package';
import { expectSameBytes } from '../support/bytes.js';
import { failureOf, helpfulFailureOf } from '../support/failures.js';
import { filled, mixedModel, weights } from '../support/models.js';
import { modelOf, planOf } from '../support/runs.js';
import { writeSafetensors } from '../support/safetensors.js';

const MODEL = modelOf(mixedModel('F32'));
/** Large enough to be in the middle of something. */
const LARGE = modelOf([
  weights('a.weight', 'F32', [512, 1024]),
  weights('lm_head.weight', 'F32', [8, 1024]),
]);
const ONE = { threads: 1 } as const;
const INT4 = { bits: 4, groupSize: 32 } as const;

afterEach(async () => expect(await host.leftovers()).toEqual([]));

it('gives what the functions give, call after call', async () => {
  const alone = await host.quantize(MODEL, { ...INT4, ...ONE });
  await host.withHandle(MODEL, ONE, async (model) => {
    for (let round = 0; round < 2; round++) {
      const { output, report } = await model.quantize(INT4);
      expectSameBytes(output, alone.output, `round ${round}`);
      expect(report.tensors).toEqual(alone.report.tensors);
      expect(await model.plan(INT4)).toEqual(await planOf(MODEL, INT4));
      expect(await model.compare(output)).toEqual(await host.compare(MODEL, output, ONE));
      expect(await model.distribution(output, 'fc.weight')).toEqual(
        await host.distribution(MODEL, output, 'fc.weight', ONE),
      );
      const beside = { ...ONE, reference: MODEL };
      expect(await model.validate(output)).toEqual(await host.validate(output, beside));
      expect((await model.validate()).problems.map(({ code }) => code)).toEqual(['not-quantized']);
    }
    const { shape, dtype } = await model.tensor('fc.weight');
    expect({ shape, dtype }).toEqual({ shape: [24, 160], dtype: 'F32' });
  });
});

it('calibrates, and forgets a calibration that is not given again', async () => {
  const bytes = writeSafetensors([
    filled('fc', 'F32', [60, 160], (index) => Math.sin(index * index)),
  ]);
  const options = { bits: 8, static: true } as const;
  await host.withData([{ name: 'inputs.safetensors', bytes }], (data) =>
    host.withHandle(MODEL, ONE, async (model) => {
      const calibration = await model.calibrate(data);
      expect(calibration).toEqual(await host.calibrate(MODEL, data, ONE));
      const from = [calibration, calibration, data];
      const [first, ...others] = await Promise.all(
        from.map((given) => model.plan({ ...options, calibration: given })),
      );
      const withoutNames = {
        ...first,
        configuration: { ...first?.configuration, calibration: [] },
      };
      for (const { configuration, warnings, ...other } of others) {
        expect(withoutNames).toMatchObject(other);
        expect(configuration.mode).toBe('static');
      }
      const inputs = first?.tensors.filter(({ input }) => input !== undefined);
      expect(inputs?.map(({ name }) => name)).toEqual(['fc.weight']);
      await failureOf(model.plan(options), 'invalid-options');
      expect((await model.plan()).configuration.mode).toBe('dynamic');
    }),
  );
});

describe('calls at the same time', () => {
  it('are done in the order in which they were made', async () => {
    await host.withHandle(LARGE, ONE, async (model) => {
      const done: string[] = [];
      const told = (name: string) => () => done.push(name);
      await Promise.all([
        model.quantize(INT4).then(told('quantize')),
        model.validate().then(told('validate')),
        model.plan().then(told('plan')),
        model.tensor('a.weight').then(told('tensor')),
        model.plan(INT4).then(told('plan')),
      ]);
      // Of a run the output is read here before it is told.
      expect(done.filter((name) => name !== 'quantize')).toEqual([
        'validate',
        'plan',
        'tensor',
        'plan',
      ]);
    });
  });

  it('that are aborted while they wait never begin, and disturb nobody', async () => {
    await host.withHandle(LARGE, ONE, async (model) => {
      const abort = new AbortController();
      const running = model.quantize(INT4);
      let heard = 0;
      const waiting = model.quantize({ signal: abort.signal, onProgress: () => heard++ });
      const last = model.plan();
      abort.abort();
      await failureOf(waiting, 'aborted');
      expect(heard).toBe(0);
      expect((await running).output.length).toBeGreaterThan(0);
      expect((await last).tensors).toHaveLength(2);
    });
  });
});

describe('goes on', () => {
  it.each(['plan', 'encode', 'verify'] as const)('after an abort during %s', async (at) => {
    await host.withHandle(LARGE, ONE, async (model) => {
      const abort = new AbortController();
      const onProgress = ({ stage }: Progress) => {
        if (stage === at) abort.abort();
      };
      const next = Promise.all([
        failureOf(model.quantize({ signal: abort.signal, onProgress }), 'aborted'),
        model.plan(),
      ]);
      expect((await next)[1].tensors).toHaveLength(2);
      const { output } = await model.quantize(INT4);
      expectSameBytes(output, (await host.quantize(LARGE, { ...INT4, ...ONE })).output, at);
    });
  });

  it('after a failure, a mistake of the caller, and a closed gate', async () => {
    await host.withHandle(LARGE, ONE, async (model) => {
      await failureOf(model.plan({ ignore: ['nothing'] }), 'pattern-unmatched');
      await failureOf(model.quantize({ failUnder: 1000 }), 'quality-gate');
      await failureOf(model.compare(new Uint8Array(100)));
      const mistake = new Error('a mistake of the caller');
      const onProgress = ({ stage }: Progress) => {
        if (stage === 'encode') throw mistake;
      };
      await expect(model.quantize({ onProgress })).rejects.toBe(mistake);
      expect((await model.quantize()).report.tensors).toHaveLength(1);
    });
  });
});

describe('is one engine, and one part of a file', () => {
  it('so that other ones are refused', async () => {
    await host.withHandle(MODEL, ONE, async (model) => {
      const engine = await helpfulFailureOf(model.quantize({ threads: 2 }), 'invalid-options');
      expect(engine.message).toContain('threads');
      await helpfulFailureOf(model.compare(MODEL, { engine: 'mt' }), 'invalid-options');
      await helpfulFailureOf(model.quantize({ key: 'model' }), 'invalid-options');
      await model.quantize({ threads: 1, key: null, stripPrefix: '' });
    });
  });
});

describe('close', () => {
  it('ends what is under way and what waits; nothing begins afterwards', async () => {
    await host.withHandle(LARGE, ONE, async (model) => {
      const calls = [model.quantize(INT4), model.plan(), model.tensor('a.weight')];
      const failures = Promise.all(calls.map((call) => failureOf(call, 'aborted')));
      await model.close();
      await failures;
      await failureOf(model.plan(), 'aborted');
      await failureOf(model.validate(), 'aborted');
      await model.close();
    });
  });
});
