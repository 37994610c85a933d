/**
 * A gate that is asked for passes only what was measured and is good enough, tensor by tensor.
 * It exists because pipelines ship what a gate lets through: one that had nothing to look at must be closed.
 * Each case is told in one sentence that names the tensor, and the document is there all the same.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Comparison, Validation } from '#package';
import { Folder, monoquant } from '../support/cli.js';
import { filled, weights } from '../support/models.js';
import type { Tensor } from '../support/safetensors.js';
import { checkComparison, checkValidation, parseReport } from '../support/schema.js';

const folder = new Folder();
const FIXTURES = join(import.meta.dirname, '../fixtures/torch');

const A = weights('a.weight', 'F32', [32, 128], 1);
const B = weights('b.weight', 'F32', [32, 128], 2);
const positions: Tensor = { name: 'ids', dtype: 'I64', shape: [2], bytes: new Uint8Array(16) };
const others = { ...positions, bytes: new Uint8Array(16).fill(1) };
const constant = (value: number, name = 'b.weight', dtype: 'F32' | 'F16' = 'F32') =>
  filled(name, dtype, [32, 128], () => value);
/** B with one value instead of its first. */
const spoilt = (value: number): Tensor => {
  const bytes = B.bytes.slice();
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return { ...B, bytes };
};

let files = 0;
const file = (...tensors: readonly Tensor[]) => {
  files += 1;
  return folder.write(`${files}.safetensors`, tensors);
};

describe('compare --fail-under', () => {
  it.each<readonly [string, readonly Tensor[], readonly Tensor[], RegExp]>([
    ['a missing tensor', [A, B], [A], /"b\.weight" is only in the first file\. /],
    ['a tensor too many', [A], [A, B], /"b\.weight" is only in the second file\. /],
    [
      'no common tensor',
      [A],
      [{ ...A, name: 'model.a.weight' }],
      /"a\.weight" is only in the first file \(and 1 more\)\. /,
    ],
    ['no tensors', [], [], /found none to measure\. /],
    ['another shape', [A], [{ ...A, shape: [128, 32] }], /"a\.weight" is \[32, 128\] in the first/],
    [
      'a type that is not compared',
      [positions],
      [{ ...positions, dtype: 'I32', shape: [2], bytes: new Uint8Array(8) }],
      /"ids" is I64 in the first file and I32 in the second\. /,
    ],
    ['other integers', [A, positions], [A, others], /"ids" has 2 other elements/],
    ['NaN for a number', [A, B], [A, spoilt(Number.NaN)], /"b\.weight" is NaN or infinite/],
    ['a number for NaN', [A, spoilt(Number.NaN)], [A, B], /"b\.weight" is NaN or infinite/],
    ['infinity for a number', [B], [spoilt(Number.NEGATIVE_INFINITY)], /"b\.weight" is NaN or inf/],
    ['zeros for numbers', [A, B], [A, constant(0)], /found 0\.00 dB in "b\.weight"\. /],
    ['numbers for zeros', [constant(0)], [constant(1)], /found -3240\.00 dB in "b\.weight"\. /],
  ])('is closed for %s', async (_, first, second, told) => {
    const words = ['compare', file(...first), file(...second)];
    // Without a gate the same is shown, and nobody is told that nothing differs.
    const shown = await monoquant(...words);
    expect(shown.code, shown.stderr).toBe(0);
    expect(shown.stdout).toMatch(/^quality /m);
    expect(shown.stdout).not.toMatch(/no value differs$/m);
    // What was not measured is below any number.
    const failUnder = told.source.includes('dB') ? '30' : '-4000';
    const closed = await monoquant(...words, '--fail-under', failUnder);
    expect(closed.code, closed.stderr).toBe(4);
    expect(closed.stderr.replaceAll(/\n +/g, ' ')).toMatch(told);
    expect(closed.stderr.replaceAll(/\n +/g, ' ')).toContain('in each tensor');
    expect(closed.stdout).toBe(shown.stdout);
  });

  it('holds for each tensor, and not for their mean', async () => {
    const many = Array.from({ length: 11 }, (_, i) => weights(`${i}.weight`, 'F32', [64, 64], i));
    const nearly = many.map((tensor) => {
      const bytes = tensor.bytes.slice();
      const view = new DataView(bytes.buffer);
      for (let at = 0; at < bytes.length; at += 4) {
        view.setFloat32(at, view.getFloat32(at, true) * 1.001, true); // 60 dB
      }
      return { ...tensor, bytes };
    });
    const words = [file(...many, B), file(...nearly, constant(0)), '--fail-under', '35'];
    const { code, stdout } = await monoquant('compare', ...words);
    expect(code).toBe(4);
    expect(stdout).toMatch(/^quality +SQNR 5\d\.\d dB, of the worst tensor 0\.0 dB$/m);
    const without = [file(...many), file(...nearly), '--fail-under', '35'];
    expect((await monoquant('compare', ...without)).code).toBe(0);
  });

  it('is open for equal files, and for NaN at equal places', async () => {
    const inHalves = { ...constant(0.5, 'h', 'F16') };
    for (const tensors of [
      [A, positions, inHalves],
      [A, spoilt(Number.NaN)],
      [spoilt(Number.POSITIVE_INFINITY)],
      [constant(0)],
    ]) {
      const words = ['compare', file(...tensors), file(...tensors), '--fail-under', '1000'];
      const { code, stdout, stderr } = await monoquant(...words);
      expect(code, stderr).toBe(0);
      expect(stdout).toMatch(/^quality +no value differs$/m);
    }
  });

  it('says in the document what was compared, and what was not', async () => {
    const words = [file(A, B), file(A, { ...spoilt(Number.NaN) }), '--json'];
    const { stdout } = await monoquant('compare', ...words);
    const { compared, sqnrDb, tensors } = checkComparison(JSON.parse(stdout) as Comparison);
    expect(compared).toBe(2);
    expect(tensors[0]).toMatchObject({ name: 'b.weight', notFinite: 1, sqnrDb: -3240 });
    expect(sqnrDb).toBe(-3240);
    const apart = await monoquant('compare', file(A), file(B), '--json');
    expect(JSON.parse(apart.stdout)).toMatchObject({ compared: 0, sqnrDb: null });
    const text = await monoquant('compare', file(A), file(B));
    expect(text.stdout).toMatch(/^quality +nothing was compared; 2 tensors not compared$/m);
    const half = await monoquant('compare', file(A, B), file(A));
    expect(half.stdout).toMatch(/^quality +no value differs; 1 tensor not compared$/m);
  });
});

describe('quantize --fail-under', () => {
  const model = file(A, weights('lm_head.weight', 'F32', [4, 128]), {
    ...filled('spread.weight', 'F32', [1, 1024], (i) => (i === 0 ? 1000 : 1)),
  });
  it('holds for each tensor; the report is printed and written, and nothing else', async () => {
    const output = folder.at('out/');
    const report = folder.at('report.json');
    const words = ['quantize', model, '-o', output, '--report', report, '--fail-under'];
    const before = folder.list();
    const closed = await monoquant(...words, '35');
    expect(closed.code).toBe(4);
    expect(closed.stderr.replaceAll(/\n +/g, ' ')).toMatch(
      /in each tensor, found .* "spread\.weight"/,
    );
    expect(closed.stdout).toMatch(/^output +nothing was written$/m);
    expect(closed.stdout).toMatch(/^quality +SQNR/m);
    expect(existsSync(output)).toBe(false);
    expect(folder.list()).toEqual([...before, 'report.json'].sort());
    const { tensors, sqnrDb } = parseReport(readFileSync(report, 'utf8'));
    expect(tensors[0]?.name).toBe('spread.weight');
    expect(sqnrDb).toBeGreaterThan(tensors[0]?.sqnrDb ?? 0);
    const json = await monoquant(...words, '35', '--json', '--force');
    expect(json.code).toBe(4);
    expect(parseReport(json.stdout).tensors).toEqual(tensors);
    const quiet = await monoquant(...words, '35', '--quiet', '--force');
    expect(quiet).toMatchObject({ code: 4, stdout: '' });
    const open = await monoquant(...words, String((tensors[0]?.sqnrDb ?? 0) - 0.01), '--force');
    expect(open.code, open.stderr).toBe(0);
  });
});

describe('validate --fail-under', () => {
  it('names each tensor that has less, whatever their mean', async () => {
    const model = file(A, { ...filled('spread.weight', 'F32', [1, 1024], (i) => (i ? 1 : 1000)) });
    const small = folder.at('small.safetensors');
    expect((await monoquant('quantize', model, '-o', small)).code).toBe(0);
    const words = ['validate', small, '-r', model, '--no-run', '--json', '--fail-under', '35'];
    const { code, stdout } = await monoquant(...words);
    expect(code).toBe(4);
    const { problems, sqnrDb } = checkValidation(JSON.parse(stdout) as Validation);
    expect(sqnrDb).toBeGreaterThan(35);
    expect(problems).toMatchObject([{ code: 'low-quality', tensor: 'spread.weight' }]);
  });

  it('is closed for a reference of a type that nobody can compare', async () => {
    const small = folder.at('typed.safetensors');
    expect((await monoquant('quantize', file(A), '-o', small)).code).toBe(0);
    const reference = file({ ...A, dtype: 'I32' });
    const words = ['validate', small, '-r', reference, '--no-run', '--fail-under', '-4000'];
    const { code, stdout } = await monoquant(...words);
    expect(code).toBe(4);
    expect(stdout.replaceAll(/\n +/g, ' ')).toMatch(/"a\.weight" is I32 in the reference/);
  });

  it('looks at floats that were only converted, too', async () => {
    const small = folder.at('converted.safetensors');
    const words = ['--layer', 'b=bits:16', '-o', small];
    const model = file(A, B);
    expect((await monoquant('quantize', model, ...words)).code).toBe(0);
    const gate = ['--no-run', '--fail-under', '35'];
    expect((await monoquant('validate', small, '-r', model, ...gate)).code).toBe(0);
    const another = file(A, { ...A, name: 'b.weight' });
    const { stdout } = await monoquant('validate', small, '-r', another, ...gate);
    expect(stdout.replaceAll(/\n +/g, ' ')).toMatch(/found .* dB in "b\.weight"/);
  });
});

describe('tensors that cannot be read', () => {
  const checkpoint = join(FIXTURES, 'zip/raw_storage.pt');

  it.each([
    ['quantize', ['--bits', '16', '--force', '-o', folder.at('left.safetensors')]],
    ['quantize', ['--bits', '16', '--dry-run']],
    ['convert', [folder.at('left.safetensors'), '--force']],
    ['compare', [checkpoint]],
  ] as const)('are a warning of %s %j, and an error with --strict', async (command, words) => {
    const warned = await monoquant(command, checkpoint, ...words);
    expect(warned.code, warned.stderr).toBe(0);
    expect(warned.stderr).toMatch(/^warning: .* cannot be read/m);
    const strict = await monoquant(command, checkpoint, ...words, '--strict');
    expect(strict.code).toBe(4);
    expect(strict.stderr).toMatch(/^monoquant: .* cannot be read/m);
  });

  it('close the gate of compare', async () => {
    const { code, stderr } = await monoquant(
      'compare',
      checkpoint,
      checkpoint,
      '--fail-under',
      '1',
    );
    expect(code).toBe(4);
    expect(stderr.replaceAll(/\n +/g, ' ')).toMatch(/of the first file cannot be read/);
  });

  it('are no news where they were only not chosen', async () => {
    const nested = join(FIXTURES, 'zip/checkpoint_nested.pt');
    const output = folder.at('chosen.safetensors');
    const { code, stderr } = await monoquant('convert', nested, output, '--strict');
    expect({ code, warned: /warning/.test(stderr) }).toEqual({ code: 0, warned: false });
    const { stdout } = await monoquant('info', nested);
    expect(stdout).toMatch(/left out +optimizer: optimizer state/);
  });
});
