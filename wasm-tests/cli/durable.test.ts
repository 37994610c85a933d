/**
 * Outputs that outlive what happens to machines: power cuts, full and failing disks, and other runs.
 * It exists because a run of hours that says "done" must be believed.
 * What reaches the disk, and in which order, is seen at the calls themselves; disks fail where they are told to.
 */
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeEach, describe, expect, it } from 'vitest';
import { CLI, Folder, monoquant, start } from '../support/cli.js';
import { type DiskCall, faulty, traced } from '../support/faults.js';
import { mixedModel, weights } from '../support/models.js';
import { until } from '../support/poll.js';
import { writeSafetensors } from '../support/safetensors.js';

const folder = new Folder();
const large = folder.writeSparse('large.safetensors', 8, [8192, 4096]);
const model = folder.write('model.safetensors', mixedModel('F32'));
mkdirSync(folder.at('in'));
writeFileSync(folder.at('in/model.safetensors'), writeSafetensors(mixedModel('F32')));
writeFileSync(folder.at('in/config.json'), '{"model_type": "x"}');
writeFileSync(folder.at('in/tokenizer.json'), '{}');
const FILES = folder.list();

beforeEach(() => {
  for (const name of folder.list()) {
    if (!FILES.includes(name)) rmSync(folder.at(name), { recursive: true });
  }
});

/** Every file was whole on the disk before any of them got its name; names were on the disk at the end. */
function expectDurable(calls: readonly DiskCall[], paths: readonly string[]): void {
  const isNaming = ({ call, path }: DiskCall) =>
    /^(link|rename)Sync$/.test(call) && paths.includes(path);
  const first = calls.findIndex(isNaming);
  const last = calls.findLastIndex(isNaming);
  expect(new Set(calls.filter(isNaming).map(({ path }) => path))).toEqual(new Set(paths));
  for (const path of paths) {
    const begin = join(dirname(path), `.${basename(path)}.monoquant-`);
    const isItsOwn = (call: DiskCall) => call.path.startsWith(begin);
    const synced = calls.findIndex((call) => call.call === 'fdatasync' && isItsOwn(call));
    expect(synced, path).toBeGreaterThanOrEqual(0);
    expect(synced, path).toBeLessThan(first);
    expect(calls[synced]?.size, path).toBe(statSync(path).size);
    const written = calls.findLastIndex(
      (call) => /^write(File)?Sync$/.test(call.call) && isItsOwn(call),
    );
    expect(written, path).toBeLessThan(synced);
    const held = calls.findIndex(
      (call, index) => index > last && call.call === 'fsyncSync' && call.path === dirname(path),
    );
    expect(held, path).toBeGreaterThan(last);
  }
}

describe('a power cut after the end changes nothing', () => {
  it.each([
    [
      'quantize',
      ['quantize', model, '-o', folder.at('o.safetensors'), '--report', folder.at('r.json')],
      ['o.safetensors', 'r.json'],
    ],
    ['convert', ['convert', model, folder.at('o.pt')], ['o.pt']],
    [
      'a folder',
      [
        'quantize',
        folder.at('in'),
        '-o',
        `${folder.at('out')}/`,
        '--report',
        folder.at('out/r.json'),
      ],
      ['out/model.safetensors', 'out/config.json', 'out/tokenizer.json', 'out/r.json'],
    ],
    ['--dry-run', ['quantize', model, '--dry-run', '--report', folder.at('r.json')], ['r.json']],
  ])('%s', async (_, words, outputs) => {
    const { code, stderr, calls } = await faulty([], ...words);
    expect(code, stderr).toBe(0);
    expectDurable(
      calls,
      outputs.map((name) => folder.at(name)),
    );
  });

  it('a folder that is new lasts in its own folder', async () => {
    const { calls } = await faulty([], 'quantize', folder.at('in'), '-o', `${folder.at('out')}/`);
    expect(calls.some(({ call, path }) => call === 'fsyncSync' && path === folder.path)).toBe(true);
  });

  it('dequantize, calibrate, save', async () => {
    const quantized = folder.at('q.safetensors');
    const floats = folder.at('o.safetensors');
    expect((await monoquant('quantize', model, '-o', quantized)).code).toBe(0);
    const dequantized = await faulty([], 'dequantize', quantized, floats);
    expect(dequantized.code, dequantized.stderr).toBe(0);
    expectDurable(dequantized.calls, [floats]);
    const data = folder.write('data.safetensors', [weights('fc', 'F32', [8, 160])]);
    const calibration = folder.at('calibration.json');
    const calibrated = await faulty([], 'calibrate', model, data, '-o', calibration);
    expect(calibrated.code, calibrated.stderr).toBe(0);
    expectDurable(calibrated.calls, [calibration]);
    const entry = pathToFileURL(join(dirname(CLI), 'index.js')).href;
    const program = `import { quantize } from ${JSON.stringify(entry)};
      const result = await quantize(${JSON.stringify(model)});
      await result.save(${JSON.stringify(folder.at('s.safetensors'))});
      await result.save(${JSON.stringify(folder.at('t.safetensors'))});`;
    writeFileSync(folder.at('save.mjs'), program);
    const saved = await traced([folder.at('save.mjs')]);
    expect(saved.code, saved.stderr).toBe(0);
    expectDurable(saved.calls, [folder.at('s.safetensors')]);
    expectDurable(saved.calls, [folder.at('t.safetensors')]);
  });
});

describe('a disk that fails', () => {
  const whole = () => [
    'quantize',
    folder.at('in'),
    '-o',
    `${folder.at('out')}/`,
    '--report',
    folder.at('r.json'),
  ];

  it.each([
    [
      'the data cannot be flushed',
      [{ call: 'fdatasync', path: '.model.safetensors' }],
      'the disk reported an error',
    ],
    [
      'a file cannot be closed',
      [{ call: 'closeSync', path: '.model.safetensors' }],
      'the disk reported an error',
    ],
    ['the folder cannot be flushed', [{ call: 'fsyncSync' }], 'the disk reported an error'],
    [
      'the last file does not get its name',
      [
        { call: 'linkSync', path: '/model.safetensors' },
        { call: 'renameSync', path: '/model.safetensors' },
      ],
      'the disk reported an error',
    ],
    [
      'a quota',
      [{ call: 'writeSync', inThread: true, error: 'EDQUOT' }],
      'the disk quota is used up',
    ],
    ['a lost server', [{ call: 'writeSync', inThread: true, error: 'ESTALE' }], 'no longer has it'],
    [
      'its size cannot be told',
      [{ call: 'fstatSync', inThread: true }],
      'the disk reported an error',
    ],
    [
      'the report cannot be written',
      [{ call: 'writeFileSync', path: '.r.', error: 'ENOSPC' }],
      'no space is left',
    ],
  ])('%s: a sentence, exit code 5, and nothing of all files', async (_, faults, reason) => {
    const { code, stderr } = await faulty(faults, ...whole());
    expect(code, stderr).toBe(5);
    expect(stderr.replace(/\s+/g, ' ')).toContain(reason);
    expect(folder.list()).toEqual(FILES);
  });

  it('--force: what was there before is there again', async () => {
    expect((await monoquant(...whole())).code).toBe(0);
    const names = ['out/model.safetensors', 'out/config.json', 'out/tokenizer.json', 'r.json'];
    for (const name of names) writeFileSync(folder.at(name), `precious ${name}`);
    const before = [folder.list(), statSync(folder.at('out')).nlink];
    const faults = [{ call: 'renameSync', path: '/out/model.safetensors' }];
    const { code, stderr } = await faulty(faults, ...whole(), '--force');
    expect(code, stderr).toBe(5);
    for (const name of names)
      expect(readFileSync(folder.at(name), 'utf8')).toBe(`precious ${name}`);
    expect([folder.list(), statSync(folder.at('out')).nlink]).toEqual(before);
  });

  it('a full disk is told before anything is written', async () => {
    const answer = { blocks: 1000, bfree: 2, bavail: 2, bsize: 4096 };
    const faults = [{ call: 'statfsSync', answer }];
    const { code, stderr, calls } = await faulty(
      faults,
      'quantize',
      model,
      '-o',
      folder.at('o.safetensors'),
    );
    expect(code).toBe(5);
    expect(stderr.replace(/\s+/g, ' ')).toMatch(/\d+ bytes are needed, and 8192 are free/);
    expect(calls.filter(({ call }) => call === 'writeSync')).toEqual([]);
    expect(folder.list()).toEqual(FILES);
  });

  it('a read that a signal interrupts is tried again', async () => {
    const faults = [{ call: 'readSync', inThread: true, error: 'EINTR', times: 3 }];
    const { code, stderr } = await faulty(
      faults,
      'quantize',
      model,
      '-o',
      folder.at('o.safetensors'),
    );
    expect(code, stderr).toBe(0);
  });

  it('file systems that flush no folders are taken as they are', async () => {
    for (const error of ['EPERM', 'EISDIR', 'EINVAL']) {
      const faults = [{ call: 'fsyncSync', error }];
      const words = ['quantize', model, '-o', folder.at('o.safetensors'), '--force'];
      expect((await faulty(faults, ...words)).code, error).toBe(0);
    }
  });
});

describe('two runs for one output', () => {
  it('the second fails at once and names the first, which goes on', async () => {
    const words = [CLI, 'quantize', large, '-o', folder.at('o.safetensors')];
    const { child, finished } = start(process.execPath, words);
    await until('the first has begun', () => folder.partialOf('o.safetensors') !== undefined);
    for (const more of [[], ['--force']]) {
      const second = await monoquant('quantize', model, '-o', folder.at('o.safetensors'), ...more);
      expect(second.code).toBe(2);
      expect(second.stderr).toContain(`process ${child.pid}`);
    }
    expect((await finished).code).toBe(0);
    expect(folder.list()).toEqual([...FILES, 'o.safetensors'].sort());
    expect(statSync(folder.at('o.safetensors')).size).toBeGreaterThan(100 << 20);
  });

  it('of two that begin at the same moment one wins', async () => {
    for (let round = 0; round < 4; round += 1) {
      const run = () => monoquant('quantize', model, '-o', folder.at('o.safetensors'));
      const codes = (await Promise.all([run(), run()])).map(({ code }) => code);
      expect(codes.sort()).toEqual([0, 2]);
      expect(folder.list()).toEqual([...FILES, 'o.safetensors'].sort());
      rmSync(folder.at('o.safetensors'));
    }
  });

  it('a run on another machine is seen as long as it gives a sign of life', async () => {
    const foreign = folder.at('.o.safetensors.monoquant-1-00000000-ffffffff.partial');
    writeFileSync(foreign, '');
    const words = ['quantize', model, '-o', folder.at('o.safetensors')];
    const { code, stderr } = await monoquant(...words);
    expect(code).toBe(2);
    expect(stderr.replace(/\s+/g, ' ')).toContain('process 1 on another machine');
    const past = Date.now() / 1000 - 600;
    utimesSync(foreign, past, past);
    expect((await monoquant(...words)).code).toBe(0);
    expect(folder.list()).toEqual([...FILES, 'o.safetensors'].sort());
  });

  it('a process that has only the number of the dead one holds nothing', async () => {
    const { child, finished } = start(process.execPath, [
      CLI,
      'quantize',
      large,
      '-o',
      folder.at('o.safetensors'),
    ]);
    await until('it has begun', () => folder.partialOf('o.safetensors') !== undefined);
    child.kill('SIGKILL');
    await finished;
    const left = folder.partialOf('o.safetensors') ?? '';
    renameSync(left, left.replace(`monoquant-${child.pid}-`, `monoquant-${process.pid}-`));
    expect((await monoquant('quantize', model, '-o', folder.at('o.safetensors'))).code).toBe(0);
    expect(folder.list()).toEqual([...FILES, 'o.safetensors'].sort());
  });
});

it.each([`${'x'.repeat(243)}.safetensors`, `${'ü'.repeat(120)}.safetensors`])(
  'a name as long as names can be: %s',
  async (name) => {
    expect((await monoquant('quantize', model, '-o', folder.at(name))).code).toBe(0);
    expect(folder.list()).toEqual([...FILES, name].sort());
  },
);

it('what is replaced keeps its permissions, what is new gets the usual ones', async () => {
  const modeOf = (name: string) => statSync(folder.at(name)).mode & 0o777;
  expect((await monoquant('quantize', model, '-o', folder.at('o.safetensors'))).code).toBe(0);
  expect(modeOf('o.safetensors')).toBe(0o666 & ~process.umask());
  for (const mode of [0o600, 0o640, 0o444]) {
    chmodSync(folder.at('o.safetensors'), mode);
    expect(
      (await monoquant('quantize', model, '-o', folder.at('o.safetensors'), '--force')).code,
    ).toBe(0);
    expect(modeOf('o.safetensors')).toBe(mode);
  }
});
