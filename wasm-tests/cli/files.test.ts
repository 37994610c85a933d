/**
 * Files: what is written, what is never written, and what is never lost.
 * It exists because a program that writes gigabytes over the wrong file is not used twice.
 * After a failure the folder is exactly what it was before.
 */
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { Folder, monoquant, shell } from '../support/cli.js';
import { mixedModel } from '../support/models.js';
import { parsePlan, parseReport } from '../support/schema.js';

const folder = new Folder();
const IS_ROOT = process.getuid?.() === 0;
let model = '';

beforeEach(() => {
  for (const name of folder.list()) rmSync(folder.at(name), { recursive: true });
  model = folder.write('model.safetensors', mixedModel('F32'));
});

it('is named after the model where nobody names it', async () => {
  expect((await monoquant('quantize', model)).code).toBe(0);
  expect(folder.list()).toEqual(['model-int8.safetensors', 'model.safetensors']);
});

it('takes the model as a flag as well', async () => {
  expect(
    (await monoquant('quantize', '--model', model, '-o', folder.at('o.safetensors'))).code,
  ).toBe(0);
  expect(folder.list()).toEqual(['model.safetensors', 'o.safetensors']);
});

it.each([{ words: [] }, { words: ['--bits', '4'] }, { words: ['--bits', '16'] }])(
  '--dry-run writes nothing and knows the sizes: $words',
  async ({ words }) => {
    const dry = await monoquant('quantize', model, ...words, '--dry-run', '--json');
    expect(folder.list()).toEqual(['model.safetensors']);
    const run = await monoquant(
      'quantize',
      model,
      ...words,
      '--json',
      '-o',
      folder.at('o.safetensors'),
    );
    expect(parsePlan(dry.stdout).sizes).toEqual(parseReport(run.stdout).sizes);
    expect(readFileSync(folder.at('o.safetensors')).length).toBe(
      parsePlan(dry.stdout).sizes.outputBytes,
    );
  },
);

describe('an existing file', () => {
  beforeEach(() => writeFileSync(folder.at('o.safetensors'), 'precious'));

  it('is overwritten only with --force', async () => {
    expect((await monoquant('quantize', model, '-o', folder.at('o.safetensors'))).code).toBe(2);
    expect(readFileSync(folder.at('o.safetensors'), 'utf8')).toBe('precious');
    expect(
      (await monoquant('quantize', model, '-o', folder.at('o.safetensors'), '--force')).code,
    ).toBe(0);
    expect(readFileSync(folder.at('o.safetensors')).length).toBeGreaterThan(1000);
  });

  it('stays what it was when a run with --force fails', async () => {
    const words = [
      'quantize',
      model,
      '-o',
      folder.at('o.safetensors'),
      '--force',
      '--fail-under',
      '100',
    ];
    expect((await monoquant(...words)).code).toBe(4);
    expect(readFileSync(folder.at('o.safetensors'), 'utf8')).toBe('precious');
    expect(folder.list()).toEqual(['model.safetensors', 'o.safetensors']);
  });

  it('is not taken for a report either', async () => {
    const words = [
      'quantize',
      model,
      '-o',
      folder.at('new.safetensors'),
      '--report',
      folder.at('o.safetensors'),
    ];
    expect((await monoquant(...words)).code).toBe(2);
    expect(folder.list()).toEqual(['model.safetensors', 'o.safetensors']);
    expect(readFileSync(folder.at('o.safetensors'), 'utf8')).toBe('precious');
  });

  it('is replaced behind a link, and the link stays', async () => {
    symlinkSync('o.safetensors', folder.at('link.safetensors'));
    expect(
      (await monoquant('quantize', model, '-o', folder.at('link.safetensors'), '--force')).code,
    ).toBe(0);
    expect(lstatSync(folder.at('link.safetensors')).isSymbolicLink()).toBe(true);
    expect(readFileSync(folder.at('o.safetensors')).length).toBeGreaterThan(1000);
  });
});

describe('the model itself', () => {
  it.each(['itself', 'a link', 'a hard link', 'another spelling'])(
    'is never overwritten: %s',
    async (way) => {
      const before = readFileSync(model);
      for (const ending of ['safetensors', 'json']) {
        symlinkSync('model.safetensors', folder.at(`link.${ending}`));
        linkSync(model, folder.at(`hard.${ending}`));
      }
      const path = {
        itself: model,
        'a link': folder.at('link.safetensors'),
        'a hard link': folder.at('hard.safetensors'),
        'another spelling': `${folder.path}/./x/../model.safetensors`,
      }[way];
      mkdirSync(folder.at('x'));
      for (const flag of ['-o', '--report']) {
        // What its ending refuses already is no proof.
        const name = flag === '-o' ? path : path?.replace(/(link|hard)\.safetensors$/, '$1.json');
        const { code, stderr } = await monoquant('quantize', model, flag, name ?? '', '--force');
        expect({ code, stderr }).toMatchObject({
          code: 2,
          stderr: expect.stringContaining('model'),
        });
      }
      expect(readFileSync(model).equals(before)).toBe(true);
    },
  );

  it('is not the output and the report at once', async () => {
    const words = [
      'quantize',
      model,
      '-o',
      folder.at('o.safetensors'),
      '--report',
      folder.at('o.safetensors'),
    ];
    expect((await monoquant(...words)).code).toBe(2);
    expect(folder.list()).toEqual(['model.safetensors']);
  });
});

describe('a failure leaves nothing behind', () => {
  const files = () => `-o '${folder.at('o.safetensors')}' --report '${folder.at('r.json')}'`;

  it('a gate leaves the report, and no output', async () => {
    const { code } = await shell(`monoquant quantize '${model}' --fail-under 100 ${files()}`);
    expect(code).toBe(4);
    expect(folder.list()).toEqual(['model.safetensors', 'r.json']);
  });

  it.each([
    ['--strict --bits 4 --layers conv2d', 4],
    ['--ignore nothing', 2],
  ])('%s', async (words, exitCode) => {
    const { code } = await shell(`monoquant quantize '${model}' ${words} ${files()}`);
    expect(code).toBe(exitCode);
    expect(folder.list()).toEqual(['model.safetensors']);
  });

  // Blocks of 1024 bytes: the first is reached within the output, the second by nothing but the report.
  it.each([16, 48])('a disk that takes %i kB of each file', async (blocks) => {
    const line = `ulimit -f ${blocks}; monoquant quantize '${model}' ${files()}`;
    const { code, stderr } = await shell(line);
    expect(code, stderr).toBe(5);
    expect(stderr).toContain('files of this size');
    expect(folder.list()).toEqual(['model.safetensors']);
  });

  it('a disk that takes the output but not the report', async () => {
    // A plan of long names: its document is larger than the output.
    const many = mixedModel('F32')
      .slice(0, 1)
      .concat(
        Array.from({ length: 300 }, (_, index) => ({
          name: `a_rather_long_name_of_a_bias_${index}.bias`,
          dtype: 'F32' as const,
          shape: [1],
          bytes: new Uint8Array(4),
        })),
      );
    folder.write('model.safetensors', many);
    const sizes = await monoquant(
      'quantize',
      model,
      '--json',
      '-o',
      folder.at('o.safetensors'),
      '--report',
      folder.at('r.json'),
    );
    const outputBytes = readFileSync(folder.at('o.safetensors')).length;
    const reportBytes = readFileSync(folder.at('r.json')).length;
    expect(sizes.code).toBe(0);
    expect(reportBytes).toBeGreaterThan(outputBytes + 2048);
    rmSync(folder.at('o.safetensors'));
    rmSync(folder.at('r.json'));
    const blocks = Math.ceil(outputBytes / 1024) + 1;
    const { code } = await shell(`ulimit -f ${blocks}; monoquant quantize '${model}' ${files()}`);
    expect(code).toBe(5);
    expect(folder.list()).toEqual(['model.safetensors']);
  });

  it.skipIf(IS_ROOT)('a folder that may not be written to', async () => {
    mkdirSync(folder.at('closed'));
    chmodSync(folder.at('closed'), 0o500);
    const { code } = await monoquant('quantize', model, '-o', folder.at('closed/o'));
    expect(code).toBe(5);
  });

  it('a name that is a folder', async () => {
    mkdirSync(folder.at('o.pt'));
    const words = ['convert', model, folder.at('o.pt'), '--force'];
    expect((await monoquant(...words)).code).toBe(2);
    expect(folder.list()).toEqual(['model.safetensors', 'o.pt']);
  });

  it('a device that is always full', async () => {
    const { code } = await shell(`monoquant quantize '${model}' -o /dev/full --force`);
    expect(code).toBe(2);
    expect(folder.list()).toEqual(['model.safetensors']);
  });
});

it('files that are called as if they were unfinished are not touched', async () => {
  writeFileSync(folder.at('o.partial'), 'precious');
  writeFileSync(folder.at('.o.monoquant.partial'), 'precious');
  symlinkSync('o.partial', folder.at('link.partial'));
  const before = folder.list();
  for (const output of ['o.safetensors', 'link.safetensors']) {
    expect((await monoquant('quantize', model, '-o', folder.at(output))).code).toBe(0);
    rmSync(folder.at(output));
  }
  expect(folder.list()).toEqual(before);
  expect(readFileSync(folder.at('o.partial'), 'utf8')).toBe('precious');
});
