/**
 * Files that are no models, that lie, or that change: a sentence in its place, and all else stays.
 * It exists because a page that forgets what was chosen, or breaks, after one bad file is used once.
 * What was open stays open, and a good model works afterwards.
 */
import {
  closeSync,
  copyFileSync,
  openSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Folder } from '../support/cli.js';
import { mixedModel } from '../support/models.js';
import { type Visit, visitors } from './visit.js';

const FIXTURES = join(import.meta.dirname, '../fixtures');
const visit = visitors();
const folder = new Folder();
const good = folder.write('good.safetensors', mixedModel('F32'));

function made(name: string, content: string | Uint8Array): string {
  writeFileSync(folder.at(name), content);
  return folder.at(name);
}

function truncated(): string {
  const path = folder.write('truncated.safetensors', mixedModel('F32'));
  truncateSync(path, 10_000);
  return path;
}

const WRONG: readonly (readonly [what: string, path: string, says: RegExp])[] = [
  ['a text', made('notes.txt', 'Weights are in the other folder.\n'), /Expected|Malformed/],
  ['a text with a telling name', made('model.safetensors', 'Not here.'), /Expected|Malformed/],
  ['an empty file', made('empty.pt', ''), /empty/],
  ['a model that ends too early', truncated(), /bytes/],
  [
    'a header longer than anything',
    join(FIXTURES, 'safetensors_bad/header_len_over_file.safetensors'),
    /header/,
  ],
  [
    'two tensors of one name',
    join(FIXTURES, 'safetensors_bad/duplicate_key.safetensors'),
    /twice|duplicate|more than once/i,
  ],
  [
    'a pickle that runs things',
    join(FIXTURES, 'torch/hostile/newobj_evil.pt'),
    /subprocess\.Popen/,
  ],
  [
    'a tensor of 8 GB out of 16 bytes',
    join(FIXTURES, 'torch/hostile/expand_bomb_8g.pt'),
    /8589934592/,
  ],
  ['an archive that miscounts', join(FIXTURES, 'torch/hostile/zip_count_lies.pt'), /60000/],
  ['a page instead of a model', join(FIXTURES, 'torch/container/html_error_page.pt'), /HTML|page/],
];

/** The sentence beside the way in. */
async function alertOf({ page }: Visit): Promise<string> {
  const alert = page.getByRole('region', { name: 'Model', exact: true }).getByRole('alert');
  await alert.waitFor();
  return alert.innerText();
}

describe('what cannot be opened', () => {
  it.each(WRONG)('%s', async (_, path, says) => {
    const visitor = await visit({ isolated: true });
    await visitor.pick(path);
    const first = await alertOf(visitor);
    expect(first).toMatch(says);
    expect(first).toMatch(/could not be opened\. .{10,}/s);
    expect(first).not.toMatch(/undefined|\[object|Error:/);

    await visitor.pick(good);
    await visitor.opened('good.safetensors');
    expect(await visitor.page.getByRole('alert').count()).toBe(0);
    await visitor.choose('INT4');
    await visitor.chooseFor('fc.weight', '8');
    await visitor.pick(path);
    expect(await alertOf(visitor)).toBe(first);
    // All is as it was: the model, the choices, the way on.
    await visitor.opened('good.safetensors');
    expect(await visitor.page.getByRole('radio', { name: 'INT4' }).isChecked()).toBe(true);
    const command = await visitor.copied('Copy as command');
    expect(command).toContain('good.safetensors --bits 4 --layer fc.weight=bits:8');
    await visitor.quantize();
  });

  it('a good model after a bad one', async () => {
    const visitor = await visit();
    await visitor.pick(WRONG[0]?.[1] ?? '');
    await alertOf(visitor);
    await visitor.pick(good);
    await visitor.opened('good.safetensors');
    expect(await visitor.page.getByRole('alert').count()).toBe(0);
    await visitor.choose('INT4');
    await visitor.pick(join(FIXTURES, 'calibration/model.pt'));
    await visitor.opened('model.pt');
    expect(await visitor.page.getByRole('radio', { name: 'INT4' }).isChecked()).toBe(true);
  });
});

it.each(['system_proto4.pt', 'eval_legacy.pt'])(
  'a pickle that is a trap is opened, and told: %s',
  async (name) => {
    const visitor = await visit({ isolated: true });
    await visitor.pick(join(FIXTURES, 'torch/hostile', name));
    const card = visitor.page.getByRole('region', { name, exact: true });
    await card.waitFor();
    const told = await card.innerText();
    expect(told).toMatch(/not safe to load in Python: it names (posix\.system|__builtin__\.eval)/);
    expect(told).toContain('Nothing of it was run');
  },
);

it('choices that do not fit are told where they are made, and can be mended', async () => {
  const visitor = await visit();
  await visitor.pick(good);
  await visitor.opened('good.safetensors');
  await visitor.moreOptions();
  const ignore = visitor.page.getByLabel('Leave alone', { exact: true });
  await ignore.fill('fcc.weight');
  const alert = visitor.card('Result').getByRole('alert');
  await alert.waitFor();
  expect(await alert.innerText()).toContain('fc.weight');
  await expect.poll(() => visitor.quantizeButton.isDisabled()).toBe(true);
  await ignore.fill('fc.weight');
  await alert.waitFor({ state: 'detached' });
  await visitor.quantize();
});

describe('a file that changes after it was opened', () => {
  const changes: readonly (readonly [what: string, change: (path: string) => void])[] = [
    ['is cut off', (path) => truncateSync(path, 1000)],
    ['is removed', (path) => rmSync(path)],
    [
      'is written to',
      (path) => {
        const file = openSync(path, 'r+');
        writeSync(file, Buffer.from('changed'), 0, 7, 30_000);
        closeSync(file);
      },
    ],
  ];

  it.each(changes)('%s', async (_, change) => {
    const visitor = await visit({ isolated: true });
    const path = folder.at('changing.safetensors');
    copyFileSync(good, path);
    await visitor.pick(path);
    await visitor.opened('changing.safetensors');
    await visitor.choose('INT4');
    await visitor.planned();
    change(path);
    await visitor.quantizeButton.click();
    const alert = visitor.card('Result').getByRole('alert');
    await alert.waitFor();
    const told = await alert.innerText();
    expect(told).toMatch(/The run failed\..+(changed|shorter|read)/s);
    expect(told).toMatch(/choose .+ again/i);
    expect(await visitor.card('What came out').count()).toBe(0);
    expect(await visitor.page.getByRole('radio', { name: 'INT4' }).isChecked()).toBe(true);
    expect(await visitor.privateFiles()).toEqual([]);
    copyFileSync(good, path);
    await visitor.pick(path);
    // What went wrong with one model is not told of the next.
    await alert.waitFor({ state: 'detached' });
    await visitor.opened('changing.safetensors');
    await visitor.quantize();
  });
});
