/**
 * What outputs show that are made to be looked at: outliers, and what layers compute from their codes.
 * It exists because people choose remedies by these numbers: each is held against a file that was written and read.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import {
  type Concentration,
  load,
  quantize,
  type Remedy,
  search,
  sensitivity,
  type TensorOutliers,
  validate,
} from '#package/node';
import { Folder, monoquant } from '../support/cli.js';
import { filled, weights } from '../support/models.js';

const folder = new Folder();
const [ROWS, COLUMNS] = [128, 256];
const DOWN = 'model.layers.1.mlp.down_proj.weight';
const UP = 'model.layers.0.mlp.up_proj.weight';
const LARGE_ROW = 9;
const LARGE_INPUT = 77;

/** Numbers from -1 to 1 that differ, and one row of large ones. */
const uneven = (index: number) =>
  Math.sin(index * 12.9898) * (Math.floor(index / COLUMNS) === LARGE_ROW ? 40 : 1);
const model = folder.write('model.safetensors', [
  filled(DOWN, 'F32', [ROWS, COLUMNS], uneven),
  weights(UP, 'F32', [256, 128], 3),
  weights('model.norm.weight', 'F32', [128], 7),
]);
/** One channel is far larger than the others. */
const inputs = folder.write('inputs.safetensors', [
  filled(
    'model.layers.1.mlp.down_proj',
    'F32',
    [64, COLUMNS],
    (index) => Math.cos(index * 78.233) * (index % COLUMNS === LARGE_INPUT ? 60 : 1),
  ),
  weights('model.layers.0.mlp.up_proj', 'F32', [64, 128], 41),
]);
const errorOf = (sqnrDb: number | null) => (sqnrDb === null ? 0 : 10 ** (-sqnrDb / 10));

/** Squared errors of a tensor with 4 bits in groups of 64, one for each weight. */
async function squaredErrors(name: string): Promise<readonly number[]> {
  const output = folder.at('four.safetensors');
  await quantize(model, { bits: 4, groupSize: 64, threads: 1, output, force: true });
  const valuesOf = async (path: string) => {
    const file = await load(path);
    try {
      return Array.from((await file.tensor(name)).toTypedArray() as Float32Array);
    } finally {
      await file.close();
    }
  };
  const [before, after] = [await valuesOf(model), await valuesOf(output)];
  return before.map((value, index) => (value - (after[index] ?? 0)) ** 2);
}

function sums(errors: readonly number[], count: number, of: (index: number) => number) {
  const found = new Array<number>(count).fill(0);
  for (const [index, error] of errors.entries()) found[of(index)] = (found[of(index)] ?? 0) + error;
  return found;
}

function shareOf(members: readonly number[], each: number) {
  const largest = Math.max(1, Math.floor(members.length / each));
  const sorted = members.toSorted((a, b) => b - a);
  const sum = sorted.reduce((all, one) => all + one, 0);
  return sorted.slice(0, largest).reduce((all, one) => all + one, 0) / sum;
}

function found({ tensors }: { readonly tensors: readonly TensorOutliers[] }, name: string) {
  const tensor = tensors.find((each) => each.name === name);
  if (tensor === undefined) throw new Error(`${name} has no outliers.`);
  return tensor;
}

const remedy = ({ remedies }: { readonly remedies: readonly Remedy[] }, label: string) =>
  remedies.find((each) => each.label === label);
const first = ({ named }: Concentration) => named[0]?.[0];

describe('outliers', async () => {
  const table = await sensitivity(model, { threads: 1 });
  const outliers = table.outliers ?? { setting: -1, tensors: [] };

  it('are those of 4 bits, by channel and by weight, as a file of that has them', async () => {
    expect(table.settings[outliers.setting]?.choices.bits).toBe(4);
    expect(outliers.tensors.map(({ name }) => name)).toEqual(table.tensors.map(({ name }) => name));
    const down = found(outliers, DOWN);
    const errors = await squaredErrors(DOWN);
    const rows = sums(errors, ROWS, (index) => Math.floor(index / COLUMNS));
    const columns = sums(errors, COLUMNS, (index) => index % COLUMNS);
    expect(down.outputs.share).toBeCloseTo(shareOf(rows, 100), 9);
    expect(down.inputs.share).toBeCloseTo(shareOf(columns, 100), 9);
    expect(down.weights.share).toBeCloseTo(shareOf(errors, 1000), 9);
    expect(first(down.outputs)).toBe(LARGE_ROW);
    expect(down.outputs.share).toBeGreaterThan(0.5);
    expect(down.inputs.share).toBeLessThan(0.1);
    expect([down.weighted, down.squares, down.largestInput]).toEqual([false, undefined, undefined]);
  });

  it('say what remedies leave and take', async () => {
    const down = found(outliers, DOWN);
    const { error, bytes, inputs: columns, weights: single } = down;
    expect(remedy(down, 'inputs in 16 bits')).toEqual({
      label: 'inputs in 16 bits',
      error: error * (1 - columns.share),
      bytes: bytes + columns.largest * ROWS * 2,
      isStorable: false,
    });
    expect(remedy(down, 'weights in 16 bits')?.bytes).toBe(bytes + 4 * single.largest);
    const { report } = await quantize(model, { bits: 4, groupSize: 32, threads: 1 });
    const row = report.tensors.find(({ name }) => name === DOWN);
    expect(remedy(down, 'groups of 32')).toEqual({
      label: 'groups of 32',
      error: errorOf(row?.sqnrDb ?? null),
      bytes: row?.outputBytes,
      isStorable: true,
    });
    const wide = table.settings.findIndex(({ choices }) => choices.bits === 8);
    const cell = table.tensors.find(({ name }) => name === DOWN)?.cells[wide];
    expect(remedy(down, '8 bits')).toMatchObject({ error: cell?.error, bytes: cell?.bytes });
  });

  it('count by their inputs if these are known', async () => {
    const known = await sensitivity(model, { threads: 1, calibration: inputs });
    const down = found(known.outliers ?? outliers, DOWN);
    expect(down.weighted).toBe(true);
    expect(first(down.inputs)).toBe(LARGE_INPUT);
    expect(down.squares && first(down.squares)).toBe(LARGE_INPUT);
    expect(down.squares?.share).toBeGreaterThan(0.5);
    expect(down.largestInput).toBeGreaterThan(20);
    const setting = known.outliers?.setting ?? -1;
    const cell = known.tensors.find(({ name }) => name === DOWN)?.cells[setting];
    expect(down.error).toBe(cell?.outputError);
  });

  it('are left out of samples', async () => {
    expect((await sensitivity(model, { threads: 1, sample: 4096 })).outliers).toBeUndefined();
  });

  it('are in the text and in the page', async () => {
    const html = folder.at('bits.html');
    const { code, stdout, stderr } = await monoquant(
      ...['sensitivity', model, '-c', inputs, '--report', html, '--threads', '1'],
    );
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^outliers at 4 bits, groups of 64/m);
    expect(stdout).toMatch(/^model\.layers\.1\.mlp\.down_proj\.weight .* \(#77\)/m);
    expect(stdout).toMatch(/^outliers +what 1 % of the input and output channels/m);
    expect(stdout).toMatch(/^executed layers/m);
    expect(stdout).toMatch(/^executed +what layers lose when they compute with their codes/m);
    const page = readFileSync(html, 'utf8');
    expect(page).toMatch(/<h2>outliers at 4 bits/i);
    expect(page).toMatch(/<h2>executed layers/i);
  });
});

describe('executed layers', () => {
  it('lose what validation finds in a file with the same codes', async () => {
    const table = await sensitivity(model, { threads: 1, calibration: inputs });
    for (const [setting, { choices }] of table.settings.entries()) {
      const cells = new Map(table.tensors.map(({ name, cells: all }) => [name, all[setting]]));
      if (choices.bits !== 4 && choices.bits !== 8) {
        for (const cell of cells.values()) expect(cell?.executedError).toBeUndefined();
        continue;
      }
      const mode = choices.bits === 8 ? { mode: 'weights-only' as const } : {};
      const output = folder.at('run.safetensors');
      const options = { ...choices, ...mode, calibration: inputs, threads: 1 };
      await quantize(model, { ...options, output, force: true });
      const { tensors } = await validate(output, { reference: model, calibration: inputs });
      expect(tensors.map(({ run }) => run?.inputs)).toEqual(['captured', 'captured']);
      for (const { name, run } of tensors) {
        expect(cells.get(name)?.executedError).toBe(errorOf(run?.sqnrDb ?? null));
      }
    }
  });

  it('need inputs: statistics of them are none', async () => {
    const kept = folder.at('statistics.safetensors');
    expect((await monoquant('calibrate', model, inputs, '-o', kept)).code).toBe(0);
    const { tensors } = await sensitivity(model, { threads: 1, calibration: kept });
    for (const { cells } of tensors) {
      expect(cells.some(({ outputError }) => outputError !== undefined)).toBe(true);
      for (const { executedError } of cells) expect(executedError).toBeUndefined();
    }
  });

  it('judge the points of a front, too', async () => {
    const even = { factor: 1 };
    const prior = {
      roles: { up: even, down: even },
      firstLayers: { count: 0 },
      lastLayers: { count: 0 },
      lastLayer: even,
    };
    const options = { threads: 1, population: 20, generations: 5, prior };
    const front = await search(model, { ...options, calibration: inputs });
    const measured = front.points.filter((point) => point.measured !== undefined);
    expect(front.agreement?.outputSpearman).toBeGreaterThan(0.5);
    const point = measured.find(({ preset }) => preset === '4 bits, groups of 64') ?? measured[0];
    const output = folder.at('point.safetensors');
    const { choices } = front.settings[point?.choice[0] ?? 0] ?? {};
    await quantize(model, { ...choices, calibration: inputs, threads: 1, output, force: true });
    const { tensors } = await validate(output, { reference: model, calibration: inputs });
    const sum = tensors.reduce((all, { run }) => all + errorOf(run?.sqnrDb ?? null), 0);
    expect(point?.measured?.outputError).toBeCloseTo(sum, 12);
    const without = await search(model, options);
    expect(without.agreement).not.toHaveProperty('outputSpearman');
  });

  it('leave nothing behind', async () => {
    const names = () => readdirSync(tmpdir()).filter((name) => name.includes(String(process.pid)));
    const before = names();
    await sensitivity(model, { threads: 2, calibration: inputs });
    expect(names()).toEqual(before);
  });
});
