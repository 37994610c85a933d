/**
 * `monoquant sensitivity`: what it says of a tensor and a setting is what a run with that setting says.
 * It exists because bits are given out by this table: a wrong cell is a worse model.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { quantize, type Sensitivity, type SensitivityTensor, sensitivity } from '#package/node';
import { Folder, monoquant } from '../support/cli.js';
import { weights } from '../support/models.js';

const folder = new Folder();
const LAYERS = 3;
const model = folder.write('model.safetensors', [
  ...Array.from({ length: LAYERS }, (_, layer) => [
    weights(`model.layers.${layer}.self_attn.q_proj.weight`, 'F32', [128, 128], 10 + layer),
    weights(`model.layers.${layer}.self_attn.k_proj.weight`, 'F32', [64, 128], 20 + layer),
    weights(`model.layers.${layer}.mlp.down_proj.weight`, 'F32', [128, 256], 30 + layer),
  ]).flat(),
  weights('model.norm.weight', 'F32', [128], 7),
  weights('model.embed_tokens.weight', 'F32', [64, 128], 8),
]);
const statistics = folder.write(
  'inputs.safetensors',
  Array.from({ length: LAYERS }, (_, layer) => [
    weights(`model.layers.${layer}.self_attn.q_proj`, 'F32', [48, 128], 40 + layer),
    weights(`model.layers.${layer}.self_attn.k_proj`, 'F32', [48, 128], 40 + layer),
    weights(`model.layers.${layer}.mlp.down_proj`, 'F32', [48, 256], 50 + layer),
  ]).flat(),
);

const errorOf = (sqnrDb: number | null) => (sqnrDb === null ? 0 : 10 ** (-sqnrDb / 10));

function cellsOf(found: Sensitivity, setting: number) {
  return Object.fromEntries(
    found.tensors.map(
      ({ name, cells }): [string, SensitivityTensor['cells'][number] | undefined] => [
        name,
        cells[setting],
      ],
    ),
  );
}

describe('a table of sensitivities', async () => {
  const found = await sensitivity(model, { threads: 1 });

  it('has a column for each width, and a row for each tensor that can have codes', () => {
    expect(found.settings.map(({ choices }) => choices.bits)).toEqual([2, 3, 4, 5, 6, 8, 16]);
    expect(new Set(found.tensors.map(({ role }) => role))).toEqual(
      new Set(['q_proj', 'k_proj', 'down_proj']),
    );
    expect(found.tensors.map(({ depth }) => depth)).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2]);
  });

  it('has in each cell what a run with that setting everywhere has', async () => {
    for (const [setting, { choices }] of found.settings.entries()) {
      const mode = choices.bits === 8 ? { mode: 'weights-only' as const } : {};
      const { report, ...result } = await quantize(model, { ...choices, ...mode, threads: 1 });
      await result.close?.();
      const expected = report.tensors
        .filter(({ name }) => /_proj/.test(name))
        .map(({ name, outputBytes, sqnrDb }) => [
          name,
          { bytes: outputBytes, error: errorOf(sqnrDb) },
        ]);
      expect(cellsOf(found, setting)).toEqual(Object.fromEntries(expected));
      const changing = Object.values(cellsOf(found, setting)).reduce(
        (sum, cell) => sum + (cell?.bytes ?? 0),
        0,
      );
      expect(found.fixedBytes + changing).toBeGreaterThanOrEqual(report.sizes.outputBytes);
    }
  });

  it('loses less with every bit', () => {
    for (const { cells } of found.tensors) {
      const errors = cells.map(({ error }) => error);
      expect(errors).toEqual(errors.toSorted((a, b) => b - a));
      expect(cells.map(({ bytes }) => bytes)).toEqual(
        cells.map(({ bytes }) => bytes).toSorted((a, b) => a - b),
      );
    }
  });

  it('has one set for what runtimes fuse', () => {
    const names = found.sets.map((members) => members.map((index) => found.tensors[index]?.role));
    expect(names).toHaveLength(2 * LAYERS);
    for (const roles of names) {
      expect(roles.toSorted()).toEqual(roles.length === 2 ? ['k_proj', 'q_proj'] : ['down_proj']);
    }
    for (const [index, { set }] of found.tensors.entries()) {
      expect(found.sets[set]).toContain(index);
    }
  });

  it('does not depend on threads', async () => {
    expect(await sensitivity(model, { threads: 2 })).toEqual(found);
  });

  it('is near to it from a sample of the weights', async () => {
    const sampled = await sensitivity(model, { threads: 1, sample: 4096 });
    expect(sampled.sample).toBe(4096);
    for (const [index, { cells }] of found.tensors.entries()) {
      for (const [setting, { bytes, error }] of cells.entries()) {
        const cell = sampled.tensors[index]?.cells[setting];
        expect(cell?.bytes).toBe(bytes);
        expect(Math.abs((cell?.error ?? 0) / error - 1)).toBeLessThan(0.1);
      }
    }
  });

  it('speaks of outputs where their inputs are known', async () => {
    const known = await sensitivity(model, { threads: 1, calibration: statistics });
    for (const [setting, { choices }] of known.settings.entries()) {
      const mode = choices.bits === 8 ? { mode: 'weights-only' as const } : {};
      const options = { ...choices, ...mode, threads: 1 };
      const { report, ...result } = await quantize(model, {
        ...options,
        ...(choices.bits === 16 ? {} : { calibration: statistics }),
      });
      await result.close?.();
      for (const { name, outputSqnrDb } of report.tensors) {
        const expected = outputSqnrDb === undefined ? undefined : errorOf(outputSqnrDb);
        expect(cellsOf(known, setting)[name]?.outputError).toBe(expected);
        expect(expected === undefined).toBe(choices.bits === 16);
      }
    }
  });

  it.each(['gptq', 'awq', 'mlx', 'bitsandbytes'] as const)('knows %s', async (format) => {
    const { settings, tensors } = await sensitivity(model, { threads: 1, format, sample: 4096 });
    const widths = { gptq: [2, 3, 4, 8], awq: [4], mlx: [2, 3, 4, 5, 6, 8], bitsandbytes: [4, 8] };
    expect(settings.map(({ choices }) => choices.bits)).toEqual([...widths[format], 16]);
    for (const { cells } of tensors) {
      for (const { error } of cells.slice(0, -1)) expect(error).toBeGreaterThan(0);
    }
  });

  it('leaves nothing behind, and refuses what it does not know', async () => {
    const before = readdirSync(folder.path);
    await expect(sensitivity(model, { sample: 0 })).rejects.toThrow(/whole number from 1/);
    await expect(sensitivity(model, { smaple: 4 } as object)).rejects.toMatchObject({
      code: 'invalid-options',
      suggestion: 'Did you mean "sample"?',
    });
    expect(readdirSync(folder.path)).toEqual(before);
  });
});

describe('the command', () => {
  it('shows kinds, depths and the most sensitive tensors, and what it does not measure', async () => {
    const { code, stdout: out, stderr: err } = await monoquant('sensitivity', model);
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/by kind/);
    expect(out).toMatch(/down_proj \(3\)/);
    expect(out).toMatch(/by depth/);
    expect(out).toMatch(/left open +what the model as a whole would lose/);
  });

  it('writes the same as JSON and as a page that needs nothing else', async () => {
    const json = folder.at('bits.json');
    const html = folder.at('bits.html');
    const { code, stdout: out } = await monoquant(
      'sensitivity',
      model,
      '--json',
      '--report',
      json,
      '--report',
      html,
      '--threads',
      '1',
    );
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual(await sensitivity(model, { threads: 1 }));
    expect(JSON.parse(readFileSync(json, 'utf8'))).toEqual(JSON.parse(out));
    const page = readFileSync(html, 'utf8');
    expect(page).toMatch(/--shade:\d+%/);
    expect(page).not.toMatch(/<script|https?:/);
  });

  it('wants one model', async () => {
    expect(await monoquant('sensitivity')).toMatchObject({ code: 2 });
  });
});
