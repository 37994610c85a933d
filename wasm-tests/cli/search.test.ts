/**
 * `monoquant search`: a point of the front is what a run by it makes, and one seed is one front.
 * It exists because a front is chosen from by looking at it: a wrong point is a worse model.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Front, type SearchProgress, search } from '#package/node';
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
]);
const FEW = { population: 20, generations: 10, threads: 1 } as const;
const ALL = ['error', 'worst', 'bytes'] as const;

describe('a front', async () => {
  const steps: SearchProgress[] = [];
  const front = await search(model, {
    ...FEW,
    objectives: ALL,
    onGeneration: (step) => steps.push(step),
  });

  it('has one decision for what runtimes fuse, and every setting for all tensors beside it', () => {
    expect(front.sets.map((names) => names.length).sort()).toEqual([1, 1, 1, 2, 2, 2]);
    expect(front.presets.map(({ label }) => label)).toEqual(
      front.settings.map(({ label }) => label),
    );
    for (const { choice } of front.points) expect(choice).toHaveLength(front.sets.length);
  });

  it('has no point that another one beats', () => {
    expect(front.points.length).toBeGreaterThan(5);
    const isBeaten = (index: number) =>
      front.points.some((other, at) => {
        const point = front.points[index];
        if (point === undefined || at === index) return false;
        const keys = ['bytes', 'error', 'worst'] as const;
        return (
          keys.every((key) => other[key] <= point[key]) &&
          keys.some((key) => other[key] < point[key])
        );
      });
    for (const index of front.points.keys()) expect(isBeaten(index)).toBe(false);
    const sizes = front.points.map(({ bytes }) => bytes);
    expect(sizes).toEqual(sizes.toSorted((a, b) => a - b));
    for (const { error, hullError } of front.points) {
      // The hull may be better at equal bytes only where another objective is.
      expect(Number.isFinite(error) && Number.isFinite(hullError)).toBe(true);
    }
  });

  it('says how it came about', () => {
    expect(front.generations).toHaveLength(11);
    expect(steps).toEqual(front.generations.slice(1));
    expect(steps.map(({ generation }) => generation)).toEqual(
      Array.from({ length: 10 }, (_, index) => index + 1),
    );
    for (const { hypervolume } of steps) {
      expect(hypervolume).toBeGreaterThan(0);
      expect(hypervolume).toBeLessThanOrEqual(1);
    }
  });

  it('is the same for a seed, whatever the threads, and another for another seed', async () => {
    const options = { ...FEW, objectives: ALL, measure: false } as const;
    const same = await search(model, { ...options, threads: 2 });
    const choices = ({ points }: Front) => points.map(({ choice }) => choice);
    expect(choices(same)).toEqual(choices(front));
    expect(same.points.some(({ measured }) => measured)).toBe(false);
    expect(choices(await search(model, { ...options, seed: 5 }))).not.toEqual(choices(front));
  });

  it('has told what encoding shows', () => {
    const measured = front.points.filter((point) => point.measured !== undefined);
    expect(measured.length).toBeGreaterThanOrEqual(5);
    for (const point of measured) {
      // All weights were looked at: tensors are smaller than the sample.
      expect((point.measured?.error ?? 0) / point.error).toBeCloseTo(1, 9);
      expect((point.measured?.worst ?? 0) / point.worst).toBeCloseTo(1, 9);
    }
    expect(front.agreement?.points).toBe(measured.length);
    expect(front.agreement?.spearman).toBeCloseTo(1, 9);
    expect(front.agreement?.bytesDiffer).toBeLessThan(4096);
  });

  it('keeps a method that was asked for, in the table and in its points', async () => {
    const found = await search(model, { ...FEW, method: 'rtn' });
    for (const { error, measured } of found.points) {
      if (measured !== undefined && error > 0) expect(measured.error / error).toBeCloseTo(1, 9);
    }
    const searched = await search(model, FEW);
    expect(found.presets[0]?.error).toBeGreaterThan(searched.presets[0]?.error ?? 0);
  });

  it('refuses what it cannot do', async () => {
    await expect(search(model, { objectives: ['error'] })).rejects.toThrow(/at least two/);
    await expect(search(model, { objectives: ['time', 'bytes'], ...FEW })).rejects.toThrow(
      /nothing has measured times/,
    );
    await expect(search(model, { populaton: 4 } as object)).rejects.toMatchObject({
      suggestion: 'Did you mean "population"?',
    });
  });
});

describe('the command', () => {
  const json = folder.at('front.json');
  const html = folder.at('front.html');
  const flags = ['--population', '20', '--generations', '10', '--seed', '3', '--threads', '1'];

  it('shows points, what the search was worth, and writes the front', async () => {
    const { code, stdout, stderr } = await monoquant(
      'search',
      model,
      ...flags,
      '-o',
      json,
      '-o',
      html,
    );
    expect([code, stderr.split('\n').length]).toEqual([0, 11]);
    expect(stderr).toMatch(/generation 10 of 10: \d+ choices, hypervolume 0\.\d+, front \d+/);
    expect(stdout).toMatch(/rank correlation 1\.000/);
    expect(stdout).toMatch(
      /adds nothing to the error at equal bytes: two sums need no search|up to [\d.]+ % less/,
    );
    const front = JSON.parse(readFileSync(json, 'utf8')) as Front;
    expect(front).toMatchObject({ format: 'monoquant-front', formatVersion: 1, seed: 3 });
    const rows = stdout.match(/^ *#\d+ /gm) ?? [];
    expect(rows.length).toBeGreaterThan(5);
    const page = readFileSync(html, 'utf8');
    expect(page).toMatch(/<svg class="front"/);
    expect(page).toMatch(/class="preset"/);
    expect(page).not.toMatch(/<script|https?:|NaN|undefined/);
  });

  it('has points that quantize makes', async () => {
    const { points } = JSON.parse(readFileSync(json, 'utf8')) as Front;
    const point = points.find(({ choice, measured }) => measured && new Set(choice).size > 1);
    const made = await monoquant(
      'quantize',
      model,
      '--config',
      `${json}#${point?.number}`,
      '-o',
      folder.at('made.safetensors'),
      '--json',
    );
    expect(made.code, made.stderr).toBe(0);
    expect(JSON.parse(made.stdout).sizes.outputBytes).toBe(point?.measured?.bytes);
  });

  it('names a point that is none, and a file that is no front', async () => {
    const { points } = JSON.parse(readFileSync(json, 'utf8')) as Front;
    const config = async (value: string) => {
      const { code, stderr } = await monoquant('quantize', model, '--dry-run', '--config', value);
      return `${code} ${stderr}`;
    };
    expect(await config(`${json}#0`)).toMatch(
      new RegExp(`2 .*Expected a point from #1 to #${points.length} in .* but received #0`, 's'),
    );
    expect(await config(json)).toMatch(/2 .*Expected the number of a point/s);
    writeFileSync(folder.at('plain.json'), '{"bits": 4}');
    expect(await config(`${folder.at('plain.json')}#1`)).toMatch(/2 .*but it is none/s);
    writeFileSync(folder.at('torn.json'), '{"format": "monoquant-front", "points": [{}]}');
    expect(await config(`${folder.at('torn.json')}#1`)).toMatch(/2 .*do not fit together/s);
    writeFileSync(folder.at('a#1'), '{"bits": 8}');
    expect(await config(folder.at('a#1'))).toMatch(/^0 /);
  });

  it('wants one model, and files that it can write', async () => {
    expect(await monoquant('search')).toMatchObject({ code: 2 });
    expect(await monoquant('search', model, '-o', folder.at('front.txt'))).toMatchObject({
      code: 2,
    });
  });
});
