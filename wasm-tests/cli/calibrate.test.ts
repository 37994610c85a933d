/**
 * `monoquant calibrate`, and `quantize` with what it makes.
 * It exists because this is how most people calibrate: two commands and a file between them.
 * A failed run leaves no file; warnings go to stderr, the exit code says what kind of failure it was.
 */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Calibration, Plan, Report } from '#package/node';
import { Folder, monoquant } from '../support/cli.js';
import { filled, weights } from '../support/models.js';
import { readSafetensors } from '../support/safetensors.js';

const FIXTURES = join(import.meta.dirname, '../fixtures/calibration');
const folder = new Folder();
for (const name of ['model.pt', 'inputs.pt', 'inputs.npz', 'inputs.safetensors']) {
  copyFileSync(join(FIXTURES, name), folder.at(name));
}
const model = folder.at('model.pt');
const inputs = folder.at('inputs.pt');
const safe = folder.at('inputs.safetensors');
const imatrix = (kind: string) => join(FIXTURES, `../statistics/tiny-imatrix.${kind}`);
/** A layer of the model that they are of. */
const LLAMA: Readonly<Record<string, readonly number[]>> = {
  'self_attn.q_proj': [32, 256],
  'self_attn.k_proj': [16, 256],
  'self_attn.v_proj': [16, 256],
  'self_attn.o_proj': [256, 32],
  'mlp.gate_proj': [16, 256],
  'mlp.up_proj': [16, 256],
  'mlp.down_proj': [256, 16],
};
const all = ['--min-elements', '0', '--no-default-ignore'];

const read = (name: string) => new Uint8Array(readFileSync(folder.at(name)));

describe('calibrate', () => {
  it('writes beside the model, and quantize takes it', async () => {
    const { code, stdout, stderr } = await monoquant('calibrate', model, inputs);
    expect({ code, warned: stderr.includes('warning') }).toEqual({ code: 0, warned: false });
    expect(stdout).toContain('5 layers');
    const path = folder.at('model_calibration.json');
    const calibration = JSON.parse(readFileSync(path, 'utf8')) as Calibration;
    expect(calibration.modules.fc?.samples).toBe(60);

    const outputs = ['direct.safetensors', 'stored.safetensors'];
    for (const [index, source] of [inputs, path].entries()) {
      const output = folder.at(outputs[index] ?? '');
      const words = ['quantize', model, '-c', source, '-o', output, '--json', ...all];
      const run = await monoquant(...words);
      expect(run.code, run.stderr).toBe(0);
      const report = JSON.parse(run.stdout) as Report;
      expect(report.configuration).toMatchObject({ mode: 'static', calibration: [source] });
    }
    expect(read('direct.safetensors')).toEqual(read('stored.safetensors'));
    const config = readSafetensors(read('direct.safetensors')).metadata.quantization_config;
    const groups = Object.values(JSON.parse(config ?? '').config_groups);
    expect(groups).toEqual([
      expect.objectContaining({ input_activations: expect.objectContaining({ dynamic: false }) }),
    ]);
  });

  it('takes several files, and prints the calibration on request', async () => {
    const { code, stdout } = await monoquant(
      ...['calibrate', model, folder.at('inputs.npz'), folder.at('inputs.safetensors')],
      ...['-o', folder.at('twice.json'), '--json'],
    );
    expect(code).toBe(0);
    const calibration = JSON.parse(stdout) as Calibration;
    expect(calibration).toEqual(JSON.parse(readFileSync(folder.at('twice.json'), 'utf8')));
    expect(calibration.modules.fc?.samples).toBe(120);
  });

  it('warns by name', async () => {
    const few = folder.write('few.safetensors', [
      filled('fc', 'F32', [10, 16], (index) => index),
      filled('decoder.1', 'F32', [10, 16], () => 1),
    ]);
    const { code, stderr } = await monoquant('calibrate', model, few, '-o', folder.at('few.json'));
    expect(code).toBe(0);
    for (const words of ['decoder.1', 'blocks.0', 'fewer than 50']) expect(stderr).toContain(words);
    const strict = ['calibrate', model, few, '-o', folder.at('strict.json'), '--strict'];
    expect((await monoquant(...strict)).code).toBe(4);
    expect(folder.has('strict.json')).toBe(false);
  });
});

describe('statistics', () => {
  const statistics = folder.at('statistics.safetensors');

  it('are kept by calibrate, and are worth as much as the inputs', async () => {
    const words = ['calibrate', model, '-o', statistics, '--second-moments', '--force'];
    const { code, stderr } = await monoquant(...words, inputs);
    expect(code, stderr).toBe(0);
    const kept = readSafetensors(read('statistics.safetensors'));
    expect(kept.tensors.get('fc.in_outer')?.shape).toEqual([16, 16]);
    for (const [index, source] of [inputs, statistics].entries()) {
      const run = await monoquant(
        ...['quantize', model, '-c', source, '-b', '4', '--method', 'gptq', ...all],
        ...['-o', folder.at(`gptq${index}.safetensors`)],
      );
      expect(run.code, run.stderr).toBe(0);
    }
    expect(read('gptq0.safetensors')).toEqual(read('gptq1.safetensors'));
    // What is made of them is what they are, and they are not in the place of their own output.
    const again = await monoquant(
      ...['calibrate', model, statistics, '-o', folder.at('again.safetensors')],
      '--second-moments',
    );
    expect(again.code, again.stderr).toBe(0);
    expect(read('again.safetensors')).toEqual(read('statistics.safetensors'));
    expect((await monoquant(...words, statistics)).code).toBe(2);
  });

  it.each(['gguf', 'dat'])('of llama-imatrix weight the search: .%s', async (kind) => {
    const llama = folder.write(
      'llama.safetensors',
      [0, 1].flatMap((layer) =>
        Object.entries(LLAMA).map(([name, shape], index) =>
          weights(`model.layers.${layer}.${name}.weight`, 'F32', shape, 10 * layer + index),
        ),
      ),
    );
    const words = ['quantize', llama, '-b', '4', '--min-elements', '0', '--force', '--json'];
    const plain = await monoquant(...words, '-o', folder.at('plain.safetensors'));
    const run = await monoquant(
      ...[...words, '-c', imatrix(kind), '-o', folder.at(`${kind}.safetensors`)],
    );
    expect(run.code, run.stderr).toBe(0);
    const report = JSON.parse(run.stdout) as Report;
    const { stdout } = await monoquant(...words, '-c', imatrix(kind), '--dry-run');
    const { tensors } = JSON.parse(stdout) as Plan;
    expect(tensors.map(({ explanation }) => explanation)).toEqual(
      Array.from({ length: 14 }, () => expect.stringContaining('by its inputs')),
    );
    const codes = report.warnings.map(({ code }) => code);
    expect(codes.filter((code) => code.startsWith('calibration'))).toEqual([]);
    expect(plain.code).toBe(0);
    expect(read(`${kind}.safetensors`)).not.toEqual(read('plain.safetensors'));
  });
});

describe('mistakes', () => {
  const none = folder.write('none.safetensors', [filled('other', 'F32', [8, 8], () => 1)]);
  writeFileSync(folder.at('broken.npz'), readFileSync(folder.at('inputs.npz')).subarray(0, 9000));
  writeFileSync(folder.at('broken.json'), '{"format": "monoquant-calibration"}');
  writeFileSync(folder.at('there.json'), 'precious');
  const header = Buffer.alloc(24);
  header.write('GGUF');
  header.writeUInt32LE(3, 4);
  writeFileSync(folder.at('other.gguf'), header);
  beforeAll(async () => {
    const { code } = await monoquant('calibrate', model, inputs, '-o', folder.at('stored.json'));
    expect(code).toBe(0);
  });
  const rows: readonly (readonly [code: number, says: string, words: readonly string[]])[] = [
    [2, 'captured inputs', ['calibrate', model]],
    [2, 'other', ['calibrate', model, none, '-o', folder.at('no.json')]],
    [2, 'exists already', ['calibrate', model, inputs, '-o', folder.at('there.json')]],
    [2, 'the inputs', ['calibrate', model, safe, '-o', safe, '--force']],
    [2, 'the inputs', ['quantize', model, '-c', inputs, '-o', inputs, '--force']],
    [2, 'kept as .json', ['calibrate', model, inputs, '-o', folder.at('no.txt')]],
    [
      2,
      '--second-moments',
      ['calibrate', model, inputs, '-o', folder.at('no.json'), '--second-moments'],
    ],
    [
      2,
      'has neither',
      [
        ...['calibrate', model, folder.at('stored.json'), inputs],
        ...['-o', folder.at('no.safetensors'), '--second-moments'],
      ],
    ],
    [5, 'GGUF', ['calibrate', model, folder.at('other.gguf'), '-o', folder.at('no.json')]],
    [5, 'statistics', ['info', imatrix('gguf')]],
    [2, 'blk.0', ['calibrate', model, imatrix('gguf'), '-o', folder.at('no.json')]],
    [2, 'README', ['quantize', model, '--static']],
    [2, 'Give one', ['quantize', model, '-c', inputs, '--static', '--dynamic']],
    [2, '--observer', ['quantize', model, '--observer', 'minmax']],
    [2, 'Did you mean', ['quantize', model, '-c', inputs, '--observer', 'min-max']],
    [2, '--percentile', ['quantize', model, '-c', inputs, '--percentile', '20']],
    [2, 'calibration', ['quantize', model, '-c', folder.at('broken.json')]],
    [5, 'inputs.pt', ['quantize', model, '-c', folder.at('input.pt')]],
    [5, 'zip', ['calibrate', model, folder.at('broken.npz'), '-o', folder.at('no.json')]],
  ];

  it.each(rows)('%i: %s, by %j', async (exitCode, says, words) => {
    const before = folder.list();
    const { code, stdout, stderr } = await monoquant(...words);
    expect({ code, stdout }, stderr).toEqual({ code: exitCode, stdout: '' });
    expect(stderr).toContain(says);
    expect(folder.list()).toEqual(before);
    expect(readFileSync(folder.at('there.json'), 'utf8')).toBe('precious');
  });
});

it('a report of a calibrated run repeats it', async () => {
  const words = ['quantize', model, '-c', inputs, '--observer', 'percentile', ...all];
  const report = folder.at('report.json');
  const first = await monoquant(...words, '-o', folder.at('first.safetensors'), '--report', report);
  expect(first.code, first.stderr).toBe(0);
  expect(first.stdout).toContain('static activations');
  expect(first.stdout).toContain('percentile');
  const second = folder.at('second.safetensors');
  const again = await monoquant('quantize', model, '--config', report, '-o', second);
  expect(again.code, again.stderr).toBe(0);
  expect(read('second.safetensors')).toEqual(read('first.safetensors'));
  const dynamic = await monoquant(
    ...['quantize', model, '--config', report, '--dynamic', '--dry-run', '--json'],
  );
  expect(dynamic.code, dynamic.stderr).toBe(0);
  expect(JSON.parse(dynamic.stdout).configuration.mode).toBe('dynamic');
});

it('without data the report says that activations are dynamic', async () => {
  const { stdout } = await monoquant('quantize', model, '--dry-run', ...all);
  expect(stdout).toContain('dynamic activations');
});
