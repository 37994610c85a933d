/**
 * What a pickle names, told by every command, and the end of each of them with `--strict`.
 * It exists because whoever converts a stranger's file has to hear what the original would do elsewhere.
 */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { convert } from '#package/node';
import { Folder, monoquant } from '../support/cli.js';
import { caseCalled, writeCase } from '../support/hidden-calls.js';
import { filled } from '../support/models.js';
import { parseCatalog, parsePlan } from '../support/schema.js';

const FIXTURES = join(import.meta.dirname, '../fixtures/torch');
const folder = new Folder();

/** Beside tensors: an object of a class that nobody knows, a function that runs code, nothing but layers. */
const MODELS = {
  unknown: join(FIXTURES, 'modules/lstm_custom_class.pt'),
  dangerous: join(FIXTURES, 'hostile/system_proto4.pt'),
  safe: join(FIXTURES, 'modules/lstm_builtin.pt'),
};
const NAMES = { unknown: '__main__.TinyLSTM', dangerous: 'posix.system' };

describe.each(['unknown', 'dangerous'] as const)('a name that is %s', (verdict) => {
  const model = MODELS[verdict];
  const name = NAMES[verdict];
  const commands: readonly (readonly [string[], pickles: number])[] = [
    [['quantize', model, '--dry-run', '--bits', '16'], 1],
    [['quantize', model, '-o', folder.at(`${verdict}.quantized.safetensors`), '--bits', '16'], 1],
    [['convert', model, folder.at(`${verdict}.converted.safetensors`)], 1],
    [['compare', model, model], 2],
  ];

  it.each(commands)(
    'is told once for each file, and stops %j with --strict',
    async (words, pickles) => {
      const strict = await monoquant(...words, '--strict');
      expect(strict.code).toBe(4);
      expect(strict.stderr).toContain(name);
      const quiet = await monoquant(...words);
      expect(quiet.code).toBe(0);
      expect(quiet.stderr.split(name).length - 1).toBe(pickles);
    },
  );

  it('stops info with --strict, is told by validate, and has a code of its own in plans', async () => {
    const strict = await monoquant('info', model, '--strict');
    expect(strict.code).toBe(4);
    expect(strict.stderr).toContain(name);
    expect((await monoquant('validate', model)).stderr).toContain(name);
    const plan = await monoquant('quantize', model, '--dry-run', '--bits', '16', '--json');
    const { warnings } = parsePlan(plan.stdout);
    expect(warnings.map(({ code }) => code)).toContain(`pickle-${verdict}`);
  });
});

it('ordinary modules are quiet', async () => {
  expect(await monoquant('info', MODELS.safe, '--strict')).toMatchObject({ code: 0, stderr: '' });
  const { stdout } = await monoquant('info', MODELS.safe, '--json');
  expect(parseCatalog(stdout).opaque).toEqual([]);
  const out = folder.at('safe.safetensors');
  expect(await monoquant('convert', MODELS.safe, out, '--strict')).toMatchObject({ code: 0 });
});

describe('a file that nothing can be made of', () => {
  const NAME = 'os.system';

  it.each([
    'no opcode behind the call',
    'no end behind the call',
    'an empty stack behind the call, in a stream',
    'a storage that is not there, behind the call',
    'a call and no tensor',
    'an array of objects',
    'a checkpoint in another archive',
  ])('says what it would have run: %s', async (name) => {
    const path = writeCase(caseCalled(name), folder);
    for (const words of [
      ['info'],
      ['validate'],
      ['convert', path, folder.at('none.safetensors')],
    ]) {
      const run = await monoquant(...(words.length > 1 ? words : [...words, path]));
      expect(run.code, run.stderr).not.toBe(0);
      // What validate finds is its result.
      const told = words[0] === 'validate' ? run.stdout : run.stderr;
      expect(told).toContain(NAME);
    }
    expect(folder.has('none.safetensors')).toBe(false);
  });

  it.each([['quantize', '--bits', '8'], ['dequantize']])(
    'has nothing to %s, and the name is told',
    async (command, ...more) => {
      const out = folder.at('nothing.safetensors');
      const { code, stderr } = await monoquant(command, MODELS.dangerous, '-o', out, ...more);
      expect(code, stderr).toBe(3);
      expect(stderr).toContain(NAMES.dangerous);
    },
  );
});

describe('captured inputs', () => {
  const model = folder.write('model.safetensors', [
    filled('fc.weight', 'F32', [16, 64], (index) => (index % 13) - 6),
  ]);
  const out = folder.at('calibration.json');

  it('of a pickle that calls a function: told, and an error with --strict', async () => {
    const inputs = writeCase(
      caseCalled('captured inputs of a layer called fc'),
      folder,
      'inputs.pt',
    );
    const words = ['calibrate', model, inputs, '-o', out, '--force'];
    const told = await monoquant(...words);
    expect(told.code, told.stderr).toBe(0);
    expect(told.stderr).toContain('os.system');
    const strict = await monoquant(...words, '--strict');
    expect(strict.code).toBe(4);
    expect(strict.stderr).toContain('os.system');
    const plan = ['quantize', model, '-c', inputs, '-o', folder.at('static.safetensors')];
    const run = await monoquant(...plan, '--strict', '--min-elements', '0');
    expect(run.code, run.stderr).toBe(4);
    expect(run.stderr).toContain('os.system');
  });

  it('with an array of objects: refused, and what its pickle names is told', async () => {
    const arrays = caseCalled('an array of objects in an archive of arrays');
    const inputs = writeCase(arrays, folder, 'inputs.npz');
    const { code, stderr } = await monoquant('calibrate', model, inputs, '-o', out, '--force');
    expect(code).not.toBe(0);
    expect(stderr).toContain('os.system');
  });
});

it('the API has the names in the warnings of a report', async () => {
  const result = await convert(MODELS.dangerous, { threads: 1 });
  await result.close();
  const [warning] = result.report.warnings;
  expect(warning).toMatchObject({ code: 'pickle-dangerous' });
  expect(warning?.message).toContain(NAMES.dangerous);
});

it('programs of TorchScript are named, and ordinary ones are quiet', async () => {
  const model = join(FIXTURES, 'script/traced_cnn.pt');
  const info = await monoquant('info', model, '--strict');
  expect(info, info.stderr).toMatchObject({ code: 0, stderr: '' });
  expect(info.stdout).toMatch(/program +\d+ modules? of TorchScript: .*code\/__torch__/);
  const { stdout } = await monoquant('info', model, '--json');
  expect(parseCatalog(stdout).code.length).toBeGreaterThan(0);
});
