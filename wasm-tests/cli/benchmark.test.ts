/**
 * `monoquant benchmark`: what it says of configurations is what runs of them say, and what can be computed from it.
 * It exists because people choose a method by it: nothing may be counted that was not measured.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import {
  type Benchmark,
  benchmark,
  type PlanOptions,
  quantize,
  readRuns,
  validate,
} from '#package/node';
import { Folder, monoquant } from '../support/cli.js';
import { weights } from '../support/models.js';

const folder = new Folder();
const LAYERS = 10;
const model = folder.write('model.safetensors', [
  ...Array.from({ length: LAYERS }, (_, layer) => [
    weights(`model.layers.${layer}.mlp.up_proj.weight`, 'F32', [64, 128], layer),
    weights(`model.layers.${layer}.mlp.down_proj.weight`, 'F32', [128, 64], 100 + layer),
  ]).flat(),
  weights('lm_head.weight', 'F32', [16, 128], 999),
]);
const inputs = folder.write(
  'inputs.safetensors',
  Array.from({ length: LAYERS }, (_, layer) => [
    weights(`model.layers.${layer}.mlp.up_proj`, 'F32', [48, 128], 200 + layer),
    weights(`model.layers.${layer}.mlp.down_proj`, 'F32', [48, 64], 300 + layer),
  ]).flat(),
);
const RTN: PlanOptions = { bits: 4, method: 'rtn', groupSize: 64 };
const MSE: PlanOptions = { bits: 4, method: 'mse', groupSize: 64 };
const WORDS = ['bits:4,method:rtn,group:64', 'bits:4,method:mse,group:64'] as const;

describe('a benchmark of two methods', async () => {
  const found = await benchmark(model, { rtn: RTN, mse: MSE }, { threads: 1 });
  const [rtn, mse] = found.configurations;
  const [comparison] = found.comparisons;
  if (rtn === undefined || mse === undefined || comparison === undefined)
    throw new Error('Nothing.');

  it('has what runs of them have', async () => {
    for (const [row, options] of [
      [rtn, RTN],
      [mse, MSE],
    ] as const) {
      const { report, ...result } = await quantize(model, { ...options, threads: 1 });
      await result.close?.();
      expect(row).toMatchObject({
        configuration: report.configuration,
        bytes: report.sizes.outputBytes,
        bitsPerWeight: report.sizes.bitsPerWeight,
        sqnrDb: report.sqnrDb,
        outputSqnrDb: null,
      });
      const expected = report.tensors.map(({ name, elements, sqnrDb, outputBytes: bytes }) => {
        return { name, elements, bytes, sqnrDb };
      });
      expect(row.tensors).toEqual(expected.sort((a, b) => (a.name < b.name ? -1 : 1)));
      expect(row.peakBytes).toBeGreaterThan(30e6);
      expect(row.ms).toBeGreaterThan(0);
    }
  });

  it('is held together tensor by tensor', () => {
    const differences = rtn.tensors.map(
      ({ sqnrDb }, index) => (mse.tensors[index]?.sqnrDb ?? 0) - (sqnrDb ?? 0),
    );
    const sorted = differences.toSorted((a, b) => a - b);
    const middle = ((sorted[LAYERS - 1] ?? 0) + (sorted[LAYERS] ?? 0)) / 2;
    expect(comparison).toMatchObject({
      baseline: 'rtn',
      name: 'mse',
      pairs: 2 * LAYERS,
      blocks: LAYERS,
      unpaired: 0,
      wins: differences.filter((db) => db >= 0.01).length,
      losses: differences.filter((db) => db <= -0.01).length,
      bytesRatio: 1,
    });
    expect(comparison.medianDb).toBeCloseTo(middle, 12);
    expect(comparison.lowDb).toBeLessThanOrEqual(middle);
    expect(comparison.highDb).toBeGreaterThanOrEqual(middle);
    // Every one of 20 is better: two chances of 2^20.
    expect(comparison.losses).toBe(0);
    expect(comparison.p).toBeCloseTo(2 / 2 ** (2 * LAYERS), 12);
    expect(comparison.effect).toBe(1);
  });

  it('says so in one sentence', () => {
    expect(found.verdict).toMatch(/^mse beats rtn: \+\d\.\d\d dB in the median of 20 tensors/);
    expect(found.verdict).toContain('the error of weights');
    expect(found.verdict).toContain('the same size');
    expect(found.verdict).not.toContain('\n');
  });

  it('turns around with the order', async () => {
    const turned = await benchmark(model, { mse: MSE, rtn: RTN }, { threads: 1 });
    const [back] = turned.comparisons;
    expect(back?.medianDb).toBeCloseTo(-comparison.medianDb, 12);
    expect([back?.wins, back?.losses]).toEqual([comparison.losses, comparison.wins]);
    expect(turned.verdict).toMatch(/^mse beats rtn/);
  });

  it('is the same for a seed, with any number of threads', async () => {
    const timeless = ({ comparisons }: Benchmark) =>
      comparisons.map(({ msRatio: _, ...others }) => others);
    const again = await benchmark(model, { rtn: RTN, mse: MSE }, { threads: 3, rounds: 2 });
    expect(timeless(again)).toEqual(timeless(found));
    expect(again.configurations.map(({ rounds }) => rounds.length)).toEqual([2, 2]);
    const seeded = await benchmark(model, { rtn: RTN, mse: MSE }, { seed: 5 });
    expect(seeded.seed).toBe(5);
    expect(seeded.comparisons[0]?.medianDb).toBe(comparison.medianDb);
  });
});

describe('what cannot be told', () => {
  it('is not told: the same twice', async () => {
    const found = await benchmark(model, { one: MSE, other: MSE, third: MSE });
    expect(found.verdict).toMatch(/^No difference between other and one can be told/);
    for (const comparison of found.comparisons) {
      expect(comparison).toMatchObject({ medianDb: 0, ties: 2 * LAYERS, p: 1, effect: 0 });
      expect(comparison.worst).toBeUndefined();
    }
  });

  it('is not told: few layers, whatever they say', async () => {
    const few = folder.write('few.safetensors', [
      weights('fc1.weight', 'F32', [64, 128], 1),
      weights('fc2.weight', 'F32', [64, 128], 2),
      weights('lm_head.weight', 'F32', [16, 128], 3),
    ]);
    const { verdict } = await benchmark(few, { rtn: RTN, mse: MSE });
    expect(verdict).toMatch(/^2 layers are too few to be sure of mse against rtn/);
  });

  it('is left out of the pairs: tensors that only one of them changes', async () => {
    const some = { ...MSE, ignore: ['model.layers.0'] };
    const { comparisons } = await benchmark(model, { rtn: RTN, some });
    expect(comparisons[0]).toMatchObject({ pairs: 2 * (LAYERS - 1), unpaired: 2 });
  });

  it('is no victory: more bits are better, and larger', async () => {
    const found = await benchmark(model, { small: MSE, large: { bits: 8 } });
    expect(found.verdict).toMatch(/^large is better than small, and larger/);
    expect(found.comparisons[0]?.bytesRatio).toBeGreaterThan(1.5);
    const turned = await benchmark(model, { large: { bits: 8 }, small: MSE });
    expect(turned.verdict).toMatch(/^small is worse than large, and smaller/);
  });
});

it('corrects several chances for each other, as Holm does', async () => {
  const shapes = { base: { bits: 4, method: 'rtn', groupSize: 128 } } as const;
  const pair = async (others: Record<string, PlanOptions>) =>
    (await benchmark(model, { ...shapes, ...others })).comparisons.map(({ p }) => p);
  const close: PlanOptions = { bits: 4, method: 'rtn', groupSize: 64, ignore: ['*.up_proj'] };
  const [alone = 0] = await pair({ mse: { ...MSE, groupSize: 128 } });
  const [other = 0] = await pair({ close });
  const both = await pair({ mse: { ...MSE, groupSize: 128 }, close });
  const [small, large] = [alone, other].toSorted((a, b) => a - b) as [number, number];
  const expected = new Map([
    [small, Math.min(1, 2 * small)],
    [large, Math.max(Math.min(1, 2 * small), large)],
  ]);
  expect(both).toEqual([expected.get(alone), expected.get(other)]);
});

describe('with captured inputs', () => {
  it('compares what layers compute, as validate executes them', async () => {
    const names = { rtn: RTN, mse: MSE };
    const found = await benchmark(model, names, { calibration: inputs, threads: 1 });
    expect(found.measure).toBe('outputs');
    expect(found.verdict).toContain('the error of outputs of layers');
    for (const [index, options] of Object.values(names).entries()) {
      const output = folder.at(`outputs-${index}.safetensors`);
      await (await quantize(model, { ...options, calibration: inputs, output })).close();
      const checked = await validate(output, { reference: model, calibration: inputs });
      const row = found.configurations[index];
      expect(row?.outputSqnrDb).toBe(checked.outputSqnrDb);
      expect(row?.tensors.map(({ name, outputSqnrDb }) => [name, outputSqnrDb])).toEqual(
        checked.tensors
          .map(({ name, run }) => [name, run?.sqnrDb] as const)
          .toSorted(([a], [b]) => (a < b ? -1 : 1)),
      );
    }
    const [comparison] = found.comparisons;
    const db = (row: number) => found.configurations[row]?.tensors[0]?.outputSqnrDb ?? 0;
    expect(comparison?.pairs).toBe(2 * LAYERS);
    expect(db(0)).not.toBe(found.configurations[0]?.tensors[0]?.sqnrDb);
  });

  it('takes others to measure on, and a calibration alone for none', async () => {
    const others = folder.write(
      'others.safetensors',
      Array.from({ length: LAYERS }, (_, layer) =>
        weights(`model.layers.${layer}.mlp.up_proj`, 'F32', [48, 128], 400 + layer),
      ),
    );
    const held = await benchmark(
      model,
      { rtn: RTN, mse: MSE },
      { calibration: inputs, inputs: others },
    );
    expect(held.measure).toBe('outputs');
    expect(held.comparisons[0]).toMatchObject({ pairs: LAYERS, unpaired: LAYERS });
    const calibration = folder.at('calibration.json');
    expect((await monoquant('calibrate', model, inputs, '-o', calibration)).code).toBe(0);
    const blind = await benchmark(model, { rtn: RTN, mse: MSE }, { calibration });
    expect(blind.measure).toBe('weights');
  });
});

describe('the command', () => {
  it('writes nothing, and prints the tables and the verdict', async () => {
    const before = [folder.list(), temporaries()];
    const { code, stdout, stderr } = await monoquant('benchmark', model, ...WORDS, 'W8A16');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect([folder.list(), temporaries()]).toEqual(before);
    for (const word of WORDS) expect(stdout).toContain(word);
    expect(stdout).toMatch(/^verdict /m);
    expect(stdout).not.toContain('up_proj');
    const verbose = await monoquant('benchmark', model, ...WORDS, '-v');
    expect(verbose.stdout).toContain('model.layers.9.mlp.up_proj.weight');
  });

  it('takes files of options, reports among them', async () => {
    const report = folder.at('report.json');
    const words = [
      'quantize',
      model,
      '-b',
      '4',
      '-g',
      '32',
      '-o',
      folder.at('reported.safetensors'),
    ];
    expect((await monoquant(...words, '--report', report)).code).toBe(0);
    const options = folder.at('options.json');
    writeFileSync(options, JSON.stringify({ bits: 4, ignore: ['*.down_proj'] }));
    const { stdout } = await monoquant('benchmark', model, report, options, '--json');
    const { configurations } = JSON.parse(stdout) as Benchmark;
    expect(configurations[0]?.configuration.groupSize).toBe(32);
    expect(configurations[1]?.tensors.length).toBe(LAYERS);
  });

  it('writes reports for programs, for a model card, and for a browser', async () => {
    const files = ['b.json', 'b.md', 'b.html'].map((name) => folder.at(name));
    const flags = files.flatMap((file) => ['--report', file]);
    const { code, stderr } = await monoquant('benchmark', model, ...WORDS, ...flags);
    expect(code, stderr).toBe(0);
    const [json = '', markdown = '', html = ''] = files.map((file) => readFileSync(file, 'utf8'));
    const { verdict } = JSON.parse(json) as Benchmark;
    const [, decibels = ''] = /: (\+\d\.\d\d) dB/.exec(verdict) ?? [];
    for (const page of [markdown, html]) {
      expect(page).toContain(decibels);
      expect(page).toContain('model.layers.9.mlp.up_proj.weight');
      expect(page).toContain(`npx monoquant benchmark model.safetensors ${WORDS[0]}`);
      expect(page).not.toContain(folder.path);
    }
    expect(html).not.toMatch(/<script|src=|href=|https?:|@import|url\(/);
    // They are there already.
    expect((await monoquant('benchmark', model, ...WORDS, ...flags)).code).toBe(2);
  });

  it('adds a line to a log, with the seed and the verdict', async () => {
    const log = folder.at('log');
    const words = ['benchmark', model, ...WORDS, '--seed', '7', '--log', log];
    expect((await monoquant(...words)).code).toBe(0);
    const { runs } = await readRuns(log);
    expect(runs).toMatchObject(
      [{ command: 'benchmark', seed: 7, exit: 0, outputs: [], verdict: /beats/ }].map(
        ({ verdict: _, ...others }) => others,
      ),
    );
    expect(runs[0]?.verdict).toMatch(/beats/);
    expect(Object.keys(runs[0]?.options.configurations ?? {})).toEqual(WORDS);
  });

  const MISTAKES: readonly (readonly [words: string[], answer: string])[] = [
    [[model, WORDS[0]], 'two configurations'],
    [[model, WORDS[0], WORDS[0]], 'given twice'],
    [[model, WORDS[0], 'bits:9'], 'Did you mean 8?'],
    [[model, WORDS[0], 'bit:4'], 'Did you mean bits:4?'],
    [[model, WORDS[0], 'W4A17'], 'bits:'],
    [[model, WORDS[0], 'bits:16,group:64'], 'no meaning'],
    [[model, ...WORDS, '--report', 'x.pdf'], '.html'],
    [[model, ...WORDS, '--rounds', '0'], '--rounds'],
    [[model, WORDS[0], folder.at('nowhere.json')], 'no file'],
    [[folder.at('nowhere.safetensors'), ...WORDS], 'no file'],
  ];

  it.each(MISTAKES)('answers %j with: %s', async (words, answer) => {
    const { code, stdout, stderr } = await monoquant('benchmark', ...words);
    expect(code).toBeOneOf([2, 5]);
    expect(stdout).toBe('');
    expect(stderr.replace(/\s+/g, ' ')).toContain(answer);
  });
});

function temporaries(): string[] {
  return readdirSync(tmpdir()).filter((name) => /^monoquant-(?!cli|calls)/.test(name));
}
