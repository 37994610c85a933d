/**
 * The command that the page shows, for any choice and any name: it means to the command line what the choice means
 * to the package.
 * It exists because the page's own tests reach only a few choices, and shells have many signs.
 * A shell splits the words; both sides only plan.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { open } from '#package/node';
import { commandOf, type Options, outputName } from '../../web/page/command.js';
import { CLI, Folder, start } from '../support/cli.js';
import { DEEP } from '../support/deep.js';
import { weights } from '../support/models.js';
import { Random } from '../support/random.js';
import { writeSafetensors } from '../support/safetensors.js';

const folder = new Folder();
/** Names that shells and the command's own little languages read as something else. */
const TENSORS = [
  'layers.0.fc.weight',
  "it's a.weight",
  '-b.weight',
  '--layer=x.weight',
  '$HOME `id`.weight',
  'a=b,c:d.weight',
  'star*.weight',
  '"quoted" \\ back.weight',
  'ünï ☃.weight',
  '#!;&|<>().weight',
];
const MODELS = [
  'model.safetensors',
  "my model's.safetensors",
  '-b.safetensors',
  '--force',
  '$(touch x) & *.safetensors',
  'folder of/-c=4.bin',
];
const bytes = writeSafetensors(TENSORS.map((name) => weights(name, 'F32', [32, 64])));
for (const name of MODELS) {
  mkdirSync(dirname(folder.at(name)), { recursive: true });
  writeFileSync(folder.at(name), bytes);
}

const CASES = DEEP ? 40 : 25;

function optionsFrom(random: Random): Options {
  const one = <const Values extends readonly unknown[]>(...values: Values): Values[number] =>
    values[random.below(values.length)] as Values[number];
  const some = <Value extends object>(value: Value): Partial<Value> =>
    random.below(3) === 0 ? value : {};
  const pattern = () => {
    const name = one(...TENSORS);
    return name.includes('*') ? `re:${name.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')}$` : name;
  };
  const bits = one(4, 8, 16, undefined);
  const grouped =
    bits === 4 ? { groupSize: one(-1, 32, 64) } : { mode: 'weights-only', groupSize: 32 };
  const scaled = {
    ...some({ scheme: one('symmetric', 'asymmetric') }),
    ...some({ method: one('rtn', 'mse') }),
    ...some({ scaleType: one('F32', 'F16', 'BF16') }),
    ...some(bits === 4 ? grouped : one(grouped, { strategy: one('tensor', 'channel') })),
  };
  const override = one(
    { bits: one(4, 8, 'none') },
    { bits: 4, groupSize: one(-1, 32), method: one('rtn', 'mse') },
    { scheme: 'asymmetric' },
  );
  return {
    ...(bits === undefined ? {} : { bits }),
    ...(bits === 16 ? some({ floatType: one('F16', 'BF16') }) : scaled),
    ...some({ ignore: [pattern(), ...one([], [pattern()])] }),
    ...(bits === 16 ? {} : some({ overrides: [{ pattern: pattern(), ...override }] })),
    ...some({ layers: ['linear', 'other', 'embedding'] }),
    ...some({ minElements: one(0, 100) }),
    ...some({ defaultIgnore: one(true, false) }),
    ...some({ duplicateTies: one(true, false) }),
    ...some({ container: one('pt', 'safetensors') }),
  } as Options;
}

async function plannedBy(command: string): Promise<unknown> {
  const npx = `npx() { shift; '${process.execPath}' '${CLI}' "$@" --dry-run --json; }`;
  const running = start('bash', ['-c', `${npx}; ${command}`], { cwd: folder.path });
  const { code, stdout, stderr } = await running.finished;
  expect(code, `${command}\n${stderr}`).toBe(0);
  return JSON.parse(stdout).configuration;
}

it(`${CASES} choices mean the same as a command`, async () => {
  const random = new Random(11);
  const before = folder.list();
  let refused = 0;
  for (let index = 0; index < CASES; index++) {
    const options = optionsFrom(random);
    const model = MODELS[index % MODELS.length] ?? '';
    const handle = await open(join(folder.path, model));
    const plan = await handle.plan(options).catch(() => undefined);
    await handle.close();
    // Choices that the package refuses are never a command: the page shows none.
    if (plan === undefined) refused++;
    else {
      const command = commandOf(options, {
        model,
        output: outputName(basename(model), plan.configuration),
        calibration: [],
      });
      expect(await plannedBy(command), `${JSON.stringify(options)}\n${command}`).toEqual(
        plan.configuration,
      );
    }
  }
  expect(refused).toBeLessThan(CASES / 4);
  // Nothing in a name was run.
  expect(folder.list()).toEqual(before);
});
