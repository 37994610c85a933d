/**
 * What a pickle names, told by every command, and the end of each of them with `--strict`.
 * It exists because whoever converts a stranger's file has to hear what the original would do elsewhere.
 */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Folder, monoquant } from '../support/cli.js';
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
