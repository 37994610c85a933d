/**
 * Weights that become zeros, as the command makes and shows them.
 * It exists because a pruned file looks like any other: what was lost has to stand in the plan, the report and the
 * validation alike.
 */
import { readFileSync, rmSync, statSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Validation } from '#package';
import { Folder, monoquant } from '../support/cli.js';
import { filled, weights } from '../support/models.js';
import { readSafetensors } from '../support/safetensors.js';
import { parsePlan, parseReport } from '../support/schema.js';

const folder = new Folder();
const WIDTH = 128;
const KEPT_BY_INPUTS = 8;
let model = '';
let inputs = '';

beforeEach(() => {
  for (const name of folder.list()) rmSync(folder.at(name), { recursive: true });
  model = folder.write('model.safetensors', [
    weights('fc1.weight', 'F32', [64, WIDTH], 1),
    weights('fc2.weight', 'F32', [96, WIDTH], 2),
    weights('embed_tokens.weight', 'F32', [64, WIDTH], 3),
    weights('norm.weight', 'F32', [WIDTH], 4),
  ]);
  // Some columns have inputs that are a thousand times as large as those of the others.
  inputs = folder.write('inputs.safetensors', [
    filled('fc1', 'F32', [64, WIDTH], (index) =>
      index % WIDTH < KEPT_BY_INPUTS ? 1000 : index % 2 === 0 ? 1 : -1,
    ),
  ]);
});

async function ok(
  ...words: string[]
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const { code, stdout, stderr } = await monoquant(...words);
  expect(code, stderr).toBe(0);
  return { stdout, stderr };
}

/** Zeros in each row of the codes of a tensor. */
function zerosOf(file: string, name: string): readonly (readonly number[])[] {
  const { bytes, shape } = readSafetensors(readFileSync(folder.at(file))).tensors.get(name) ?? {
    bytes: new Uint8Array(),
    shape: [0],
  };
  const codes = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: shape[0] ?? 0 }, (_, row) =>
    Array.from(codes.subarray(row * WIDTH, (row + 1) * WIDTH)).flatMap((code, column) =>
      code === 0 ? [column] : [],
    ),
  );
}

describe('--prune', () => {
  it('makes zeros of so many weights of each row, in a file that is as large as before', async () => {
    const dense = parseReport(
      (await ok('quantize', model, '-o', folder.at('dense.safetensors'), '--json')).stdout,
    );
    const { stdout } = await ok(
      'quantize',
      model,
      '--prune',
      '20%',
      '-o',
      folder.at('out.safetensors'),
      '--json',
    );
    const { sizes, tensors } = parseReport(stdout);
    const zeros = Math.floor(WIDTH / 5);
    expect(sizes.zeroWeights).toBe((64 + 96) * zeros);
    expect(sizes.bitsPerWeight).toBe(dense.sizes.bitsPerWeight);
    for (const { name, pruned, sqnrDb } of tensors) {
      expect(pruned).toEqual({
        zeros: zeros * (name === 'fc1.weight' ? 64 : 96),
        method: 'magnitude',
      });
      // What is lost with the weights is counted.
      expect(sqnrDb).toBeLessThan(dense.tensors.find((each) => each.name === name)?.sqnrDb ?? 0);
      for (const row of zerosOf('out.safetensors', name)) {
        expect(row.length).toBeGreaterThanOrEqual(zeros);
      }
    }
    const validated = await ok(
      'validate',
      folder.at('out.safetensors'),
      '--reference',
      model,
      '--json',
    );
    for (const { name, sqnrDb } of (JSON.parse(validated.stdout) as Validation).tensors) {
      expect(sqnrDb).toBeCloseTo(tensors.find((each) => each.name === name)?.sqnrDb ?? 0, 6);
    }
    expect(readFileSync(folder.at('out.safetensors')).toString('latin1')).not.toContain('sparsity');
  });

  it('says so in the plan and in the report', async () => {
    const plan = await ok('quantize', model, '--prune', '20', '--dry-run', '-v');
    expect(plan.stdout).toMatch(/25 of 128 weights a row to zero \(magnitude\)/);
    expect(plan.stdout).toMatch(/pruned +2 tensors, \d+(\.\d)? % of all parameters are zeros/);
    expect(plan.stdout).toContain('as large as without');
    const json = parsePlan(
      (await ok('quantize', model, '--prune', '20%', '--dry-run', '--json')).stdout,
    );
    expect(json.configuration.prune).toBe(20);
    const report = await ok('quantize', model, '--prune', '20%', '-o', folder.at('o.safetensors'));
    expect(report.stdout).toMatch(/pruned +2 tensors/);
  });

  it('makes the compressed file smaller', async () => {
    const size = async (...words: string[]) => {
      const to = folder.at('out.safetensors.zst');
      const { stdout } = await ok('quantize', model, ...words, '-o', to, '--force');
      return { bytes: statSync(to).size, stdout };
    };
    const dense = await size();
    const pruned = await size('--prune', '50%');
    expect(pruned.bytes).toBeLessThan(0.9 * dense.bytes);
    expect(pruned.stdout).toContain('only the compressed file is smaller for it');
  });

  it('keeps weights that meet large inputs, where there is data', async () => {
    const words = ['quantize', model, '--prune', '20%', '-c', inputs, '--dynamic', '--json'];
    const { stdout } = await ok(...words, '-o', folder.at('w.safetensors'));
    const { tensors, warnings } = parseReport(stdout);
    const method = (name: string) => tensors.find((each) => each.name === name)?.pruned?.method;
    expect(method('fc1.weight')).toBe('wanda');
    expect(method('fc2.weight')).toBe('magnitude');
    expect(warnings.find(({ message }) => message.includes('by magnitude alone'))?.tensors).toEqual(
      ['fc2.weight'],
    );
    const kept = zerosOf('w.safetensors', 'fc1.weight')
      .flat()
      .filter((at) => at < KEPT_BY_INPUTS);
    expect(kept.length).toBeLessThan(10); // of 64 rows: codes of tiny weights are zeros anyway
    await ok(...words, '--prune-method', 'magnitude', '-o', folder.at('m.safetensors'));
    const lost = zerosOf('m.safetensors', 'fc1.weight')
      .flat()
      .filter((at) => at < KEPT_BY_INPUTS);
    expect(lost.length).toBeGreaterThan(60);
  });

  it('changes floats, too, also those that have 16 bits', async () => {
    const half = folder.write('half.safetensors', [weights('fc.weight', 'F16', [16, 40])]);
    for (const from of [model, half]) {
      const to = folder.at('floats.safetensors');
      await ok('quantize', from, '--bits', '16', '--prune', '25%', '-o', to, '--force');
      const { tensors } = readSafetensors(readFileSync(to));
      const { bytes, shape } = tensors.get(from === half ? 'fc.weight' : 'fc1.weight') ?? {};
      const values = new Uint16Array(new Uint8Array(bytes ?? []).buffer);
      const zeros = values.filter((value) => value === 0).length;
      expect(zeros).toBe(((shape?.[0] ?? 0) * (shape?.[1] ?? 0)) / 4);
    }
  });

  const WRONG: readonly (readonly [words: readonly string[], message: RegExp])[] = [
    [['--prune', '0'], /percentage above 0 and below 100/],
    [['--prune', '100%'], /percentage above 0 and below 100/],
    [['--prune', 'most'], /percentage above 0 and below 100/],
    [['--prune', '20%', '--prune-method', 'wanda'], /needs captured inputs/],
    [['--prune-method', 'magnitude'], /--prune-method magnitude has no meaning without --prune/],
    [
      ['--prune', '20%', '--format', 'mlx'],
      /exactly 0, which pruning needs, found those of the format mlx/,
    ],
    [['--prune', '20%', '--format', 'Q4_1'], /exactly 0, which pruning needs, found those of Q4_1/],
  ];

  it.each(WRONG)('is refused: %j', async (words, message) => {
    const { code, stderr } = await monoquant('quantize', model, ...words, '--dry-run');
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});
