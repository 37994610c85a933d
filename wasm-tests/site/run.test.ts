/**
 * From a dropped model to a saved file, and the command that writes the same bytes.
 * It exists because the page promises exactly that: what is copied is what was done.
 * The command runs in a shell, word by word as it was copied.
 */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CLI, type Finished, Folder, start } from '../support/cli.js';
import { mixedModel } from '../support/models.js';
import { type SaveTo, sha256Of, type Visit, type VisitOptions, visitors } from './visit.js';

const FIXTURES = join(import.meta.dirname, '../fixtures');
const visit = visitors();
const folder = new Folder();
folder.write('model.safetensors', mixedModel('F32'));

/** Runs a line as a shell does that has `npx monoquant`. */
function shellIn(path: string, line: string): Promise<Finished> {
  const npx = `npx() { [ "$1" = monoquant ] && shift && '${process.execPath}' '${CLI}' "$@"; }`;
  return start('bash', ['-c', `${npx}; ${line}`], { cwd: path }).finished;
}

/** The one file that a line writes in a folder of its own, with these inputs in it. */
async function writtenBy(line: string, inputs: Readonly<Record<string, string | Uint8Array>>) {
  const path = folder.at('work');
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path);
  for (const [name, content] of Object.entries(inputs)) {
    if (typeof content === 'string') copyFileSync(content, join(path, name));
    else writeFileSync(join(path, name), content);
  }
  const { code, stderr } = await shellIn(path, line);
  expect(code, `${line}\n${stderr}`).toBe(0);
  const written = readdirSync(path).filter((name) => !Object.hasOwn(inputs, name));
  expect(written, line).toHaveLength(1);
  const [name = ''] = written;
  return { name, sha256: sha256Of(readFileSync(join(path, name))) };
}

interface Case {
  readonly what: string;
  /** Without it the mixed model. */
  readonly model?: { readonly name: string; readonly path: string };
  readonly calibration?: string;
  readonly saveTo?: SaveTo;
  /** Words that the command must contain. */
  readonly words: readonly string[];
  readonly choose: (visit: Visit) => Promise<void>;
}

const MIXED = { name: 'model.safetensors', path: folder.at('model.safetensors') };
const fixture = (path: string) => ({
  name: path.split('/').at(-1) ?? '',
  path: join(FIXTURES, path),
});

/** Opens the further options and sets some, each by its label. */
function options(
  set: Readonly<Record<string, string | boolean>>,
  preset: 'INT8' | 'INT4' | 'FP16' = 'INT8',
) {
  return async (visit: Visit) => {
    await visit.choose(preset);
    await visit.moreOptions();
    for (const [label, value] of Object.entries(set)) {
      const field = visit.card('Choose').getByLabel(label, { exact: true });
      if (typeof value === 'boolean') await field.setChecked(value);
      else if (await field.evaluate((element) => element.tagName === 'SELECT')) {
        await field.selectOption(value);
      } else await field.fill(value);
    }
  };
}

const PRESETS: readonly Case[] = [
  { what: 'INT8', words: [], choose: (visit) => visit.choose('INT8') },
  { what: 'INT4', words: ['--bits 4'], choose: (visit) => visit.choose('INT4') },
  { what: 'FP16', words: ['--bits 16'], choose: (visit) => visit.choose('FP16') },
];

const MORE: readonly Case[] = [
  {
    what: 'zero points',
    words: ['--scheme asymmetric'],
    choose: options({ Scheme: 'asymmetric' }),
  },
  {
    what: 'INT4 in small groups without a search',
    words: ['--bits 4', '--group-size 32', '--method rtn'],
    choose: options({ 'One scale for': '32', 'Scales from': 'rtn' }, 'INT4'),
  },
  {
    what: 'weights alone, in groups',
    words: ['--weights-only', '--group-size 32'],
    choose: options({ 'Inputs of layers': 'weights-only', 'One scale for': '32' }),
  },
  {
    what: 'one scale for a tensor, searched',
    words: ['--strategy tensor', '--method mse'],
    choose: options({ 'One scale for': 'tensor', 'Scales from': 'mse' }),
  },
  { what: 'BF16', words: ['--dtype BF16'], choose: options({ '16-bit floats': 'BF16' }, 'FP16') },
  {
    what: 'some kinds, of some size, heads too',
    words: ['--layers', '--no-default-ignore', '--min-elements 2000'],
    choose: options({
      conv3d: false,
      'Also embeddings, heads and routers': true,
      'Smallest tensor to quantize, in weights': '2000',
    }),
  },
  {
    what: 'patterns to leave alone',
    words: ["--ignore 're:^gru.*_l0$'", "--ignore 'lstm.*hh*'"],
    choose: options({ 'Leave alone': 're:^gru.*_l0$\n\n lstm.*hh* ' }),
  },
  {
    what: 'a choice of its own for a tensor',
    words: ['--layer fc.weight=bits:4', '--layer image.weight=bits:none', '--dtype BF16'],
    choose: async (visit) => {
      await visit.chooseFor('fc.weight', '4');
      await visit.chooseFor('image.weight', 'none');
      await visit.chooseFor('audio.weight', '16');
      await options({ '16-bit floats': 'BF16' })(visit);
    },
  },
  {
    what: 'a file for PyTorch',
    words: ['--output model-int8.pt'],
    choose: options({ File: 'pt' }),
  },
  {
    what: 'a name with everything in it',
    model: { name: `-a 'model' of "$1" & *.safetensors`, path: MIXED.path },
    words: ["'./-a '\\''model'\\''"],
    // Downloads are not called just anything.
    saveTo: 'picker',
    choose: options({ File: 'pt' }, 'INT4'),
  },
  {
    what: 'a PyTorch file with ties, every name of them',
    model: fixture('torch/hf/gpt2_tied/pytorch_model.bin'),
    words: ['--duplicate-ties'],
    choose: options({ 'Write tied tensors once a name': true, File: 'pt' }, 'FP16'),
  },
  {
    what: 'names without the prefix of a wrapper',
    model: fixture('torch/zip/dataparallel_prefix.pth.tar'),
    words: ['--strip-prefix module.'],
    choose: async (visit) => {
      await visit.page.getByRole('button', { name: 'Take it off' }).click();
      await visit.page.getByRole('button', { name: 'Take it off' }).waitFor({ state: 'detached' });
      await options({ 'Smallest tensor to quantize, in weights': '0' })(visit);
    },
  },
  {
    what: 'stored scales of inputs',
    model: fixture('calibration/model.pt'),
    calibration: join(FIXTURES, 'calibration/inputs.npz'),
    words: ['--calibration inputs.npz', '--static', '--observer percentile', '--percentile 99.5'],
    choose: async (visit) => {
      await visit.moreOptions();
      const card = visit.card('Choose');
      await card
        .locator('input[type=file]')
        .setInputFiles(join(FIXTURES, 'calibration/inputs.npz'));
      await card.getByText(/^inputs\.npz: \d+ layers/).waitFor();
      await card.getByLabel('Inputs of layers').selectOption('static');
      await card.getByLabel('Range of inputs').selectOption('percentile');
      await card.getByLabel('Percentile').fill('99.5');
      await card.getByLabel('Smallest tensor to quantize, in weights').fill('0');
    },
  },
];

async function proves(
  { model = MIXED, calibration, saveTo, words, choose }: Case,
  how: VisitOptions & { readonly dropped?: boolean },
): Promise<void> {
  const visitor = await visit({ ...how, ...(saveTo === undefined ? {} : { saveTo }) });
  // Pickers keep the file's name, so one that is to have another name is dropped.
  if (how.dropped === true || !model.path.endsWith(`/${model.name}`)) {
    await visitor.drop(model.name, model.path);
  } else await visitor.pick(model.path);
  await visitor.opened(model.name);
  await choose(visitor);
  await visitor.quantize();
  const saved = await visitor.save();
  const inputs = {
    [model.name]: model.path,
    ...(calibration === undefined ? {} : { 'inputs.npz': calibration }),
  };
  const command = await visitor.copied('Copy as command');
  for (const word of words) expect(command).toContain(word);
  expect(await writtenBy(command, inputs)).toEqual(saved);
  const repeat = `npx monoquant quantize ${quoted(`./${model.name}`)} --config config.json`;
  const config = await visitor.copied('Copy as config');
  expect(await writtenBy(repeat, { ...inputs, 'config.json': Buffer.from(config) })).toEqual(saved);
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

describe.each([true, false])('isolated: %s', (isolated) => {
  it.each(PRESETS)('$what, picked', (one) => proves(one, { isolated }));
});

it.each(PRESETS)('$what, dropped, and saved where the visitor says', (one) =>
  proves(one, { dropped: true, saveTo: 'picker' }),
);

it.each(MORE)('$what', (one) => proves(one, { isolated: true }));
