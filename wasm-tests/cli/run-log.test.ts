/**
 * `--log`: one line of JSON for each run, whatever became of it, in a file that many processes share.
 * It exists because a log is believed months later: no line may be lost, torn or untrue.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { calibrate, quantize, type RunRecord, readRuns } from '#package/node';
import { CLI, Folder, monoquant, start } from '../support/cli.js';
import { faulty, traced } from '../support/faults.js';
import { mixedModel, weights } from '../support/models.js';

const folder = new Folder();
const model = folder.write('model.safetensors', mixedModel('F32'));

function log(name: string): string {
  return folder.at(name);
}

function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

async function onlyRun(name: string): Promise<RunRecord> {
  const { runs, unread } = await readRuns(log(name));
  expect({ runs: runs.length, unread }).toEqual({ runs: 1, unread: 0 });
  return runs[0] as RunRecord;
}

describe('a line', () => {
  it('says what was done, with digests of all files', async () => {
    const output = folder.at('small.safetensors');
    const words = ['quantize', model, '-b', '4', '--threads', '1', '-o', output];
    const { stdout } = await monoquant(...words, '--json', '--log', log('one'));
    const report = JSON.parse(stdout);
    const run = await onlyRun('one');
    expect(run).toMatchObject({
      format: 1,
      parent: null,
      command: 'quantize',
      exit: 0,
      model,
      output,
      version: report.version,
      engine: report.engine,
      options: { ...report.configuration, threads: 1, strict: false },
      inputs: [{ name: model, sha256: sha256(model) }],
      calibration: [],
      outputs: [{ name: output, sha256: sha256(output) }],
      totals: {
        sourceBytes: report.sizes.sourceBytes,
        outputBytes: report.sizes.outputBytes,
        bitsPerWeight: report.sizes.bitsPerWeight,
        changed: report.tensors.length,
      },
      quality: { sqnrDb: report.sqnrDb, worst: { tensor: report.tensors[0].name } },
      warnings: report.warnings.length,
    });
    expect(Date.parse(run.started)).toBeGreaterThan(Date.now() - 60_000);
    expect(run.id).toMatch(/^\d{8}-\d{6}-[0-9a-z]{7}$/);
  });

  it('has marks behind the header and behind each tensor', async () => {
    const output = folder.at('marked.safetensors');
    await quantize(model, { output, log: log('marks'), threads: 1 });
    const [file] = (await onlyRun('marks')).outputs;
    const bytes = readFileSync(output);
    const header = 8 + Number(bytes.readBigUInt64LE());
    const entries = JSON.parse(bytes.subarray(8, header).toString());
    delete entries.__metadata__;
    const ends = Object.values<{ data_offsets: number[] }>(entries)
      .map(({ data_offsets: [, end = 0] }) => header + end)
      .sort((a, b) => a - b);
    const marks = [header, ...ends].map((end) =>
      createHash('sha256').update(bytes.subarray(0, end)).digest('hex').slice(0, 8),
    );
    expect(file?.marks).toBe(marks.join(''));
    expect(marks.at(-1)).toBe(file?.sha256?.slice(0, 8));
  });

  it('is there for captured inputs, conversions and calibrations, too', async () => {
    const data = folder.write('inputs.safetensors', [weights('fc', 'F32', [64, 160])]);
    const calibration = folder.at('calibration.json');
    const to = (name: string) => ['--log', log('all'), '-o', folder.at(name)];
    const codes = folder.at('all-int8.safetensors');
    for (const words of [
      ['calibrate', model, data, '--log', log('all'), '-o', calibration],
      ['quantize', model, '-c', calibration, ...to('all-int8.safetensors')],
      ['dequantize', codes, ...to('all-floats.safetensors')],
      ['convert', model, ...to('all.pt')],
    ]) {
      const { code, stderr } = await monoquant(...words);
      expect(code, stderr).toBe(0);
    }
    const { runs } = await readRuns(log('all'));
    expect(runs.map(({ command }) => command)).toEqual([
      'calibrate',
      'quantize',
      'dequantize',
      'convert',
    ]);
    const [first, second, third] = runs;
    expect(first).toMatchObject({
      inputs: [{ name: model, sha256: sha256(model) }],
      calibration: [{ name: data, sha256: sha256(data) }],
      outputs: [{ sha256: sha256(calibration) }],
    });
    expect(second?.calibration).toMatchObject([{ name: calibration, sha256: sha256(calibration) }]);
    expect(third?.inputs).toMatchObject([{ sha256: sha256(codes) }]);
    expect(runs[3]?.outputs).toMatchObject([{ sha256: sha256(folder.at('all.pt')) }]);
  });

  it('has every file of an output in several files', async () => {
    const place = folder.at('shards/');
    const words = ['-o', place, '--max-shard-size', '20kB', '--log', log('shards')];
    expect((await monoquant('quantize', model, ...words)).code).toBe(0);
    const { outputs } = await onlyRun('shards');
    expect(outputs.length).toBeGreaterThan(2);
    for (const { name, sha256: digest } of outputs) expect(digest).toBe(sha256(name ?? ''));
  });
});

describe('a run that fails', () => {
  const norms = folder.write('norms.safetensors', [weights('norm.weight', 'F32', [600])]);
  const FAILURES: readonly (readonly [code: string, exit: number, words: string[]])[] = [
    ['quality-gate', 4, [model, '--fail-under', '100']],
    ['nothing-to-quantize', 3, [norms]],
    ['file-not-found', 5, [folder.at('nowhere.safetensors')]],
    ['invalid-options', 2, [model, '--static']],
    ['pattern-unmatched', 2, [model, '--ignore', 'decoder']],
    ['output-exists', 2, [model, '-o', norms]],
  ];

  it.each(FAILURES)('has one line with the error %s', async (code, exit, words) => {
    const run = await monoquant('quantize', ...words, '--log', log(code));
    expect(run.code).toBe(exit);
    expect(await onlyRun(code)).toMatchObject({ exit, error: { code }, outputs: [] });
  });

  it('has the digests and the quality of work that was done', async () => {
    const run = await onlyRun('quality-gate');
    expect(run.inputs).toMatchObject([{ sha256: sha256(model) }]);
    expect(run.quality?.sqnrDb).toBeGreaterThan(20);
  });

  it('is told also if its caller aborts it', async () => {
    const controller = new AbortController();
    const aborted = quantize(model, {
      log: log('aborted'),
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await expect(aborted).rejects.toMatchObject({ code: 'aborted' });
    expect(await onlyRun('aborted')).toMatchObject({ exit: 130, error: { code: 'aborted' } });
  });
});

describe('where it is', () => {
  it('is monoquant-runs here, or what the variable says, and the flag wins', async () => {
    const run = (words: string[], variable?: string) =>
      start(process.execPath, [CLI, 'quantize', model, '--force', '-q', ...words], {
        cwd: place,
        env: { ...process.env, MONOQUANT_LOG: variable },
      }).finished;
    const place = folder.at('where');
    mkdirSync(place);
    expect((await run(['--log'])).code).toBe(0);
    expect((await run(['--log', '-b', '4'])).code).toBe(0);
    expect((await run([], 'variable')).code).toBe(0);
    expect((await run(['--log', 'flag'], 'variable')).code).toBe(0);
    expect((await run(['--log=flag'], '')).code).toBe(0);
    expect((await run([], '')).code).toBe(0);
    expect((await run(['--dry-run', '--log', 'dry'])).code).toBe(0);
    const counted = async (name: string) => (await readRuns(join(place, name))).runs.length;
    expect(await counted('monoquant-runs')).toBe(2);
    expect(await counted('variable')).toBe(1);
    expect(await counted('flag')).toBe(2);
    expect(await counted('dry')).toBe(0);
  });

  it('may stand before the model', async () => {
    const words = ['quantize', '--log', model, '-q', '-o', folder.at('before.safetensors')];
    const { code, stderr } = await start(process.execPath, [CLI, ...words], { cwd: folder.path })
      .finished;
    expect(code, stderr).toBe(0);
  });

  it('is refused before the work if it cannot be written', async () => {
    writeFileSync(folder.at('file'), '');
    const output = folder.at('refused.safetensors');
    const words = ['quantize', model, '-o', output, '--log', `${folder.at('file')}/log`];
    const { code, stderr } = await monoquant(...words);
    expect({ code, made: folder.has('refused.safetensors') }).toEqual({ code: 5, made: false });
    expect(stderr).toContain(`${folder.at('file')}/log`);
  });
});

describe('a file that many write', () => {
  let large: string;
  beforeAll(() => {
    // Lines of some 50 kB: more than a pipe or a page takes at once.
    const tensors = Array.from({ length: 3000 }, (_, index) =>
      weights(`layers.${index}.norm.weight`, 'F32', [2], index),
    );
    large = folder.write('large.safetensors', [...tensors, weights('fc.weight', 'F32', [16, 64])]);
  });

  it('loses no line of processes that write at once', async () => {
    const runs = Array.from({ length: 24 }, (_, index) => index);
    const batch = (some: readonly number[]) =>
      Promise.all(
        some.map(async (index) => {
          const output = folder.at(`many-${index}.safetensors`);
          const words = ['quantize', large, '-q', '--threads', '1', '-o', output];
          const { code, stderr } = await monoquant(...words, '--log', log('many'));
          expect(code, stderr).toBe(0);
        }),
      );
    for (let begin = 0; begin < runs.length; begin += 6) await batch(runs.slice(begin, begin + 6));
    const { runs: found, unread } = await readRuns(log('many'));
    expect({ found: found.length, unread }).toEqual({ found: 24, unread: 0 });
    expect(new Set(found.map(({ id }) => id)).size).toBe(24);
    expect(found[0]?.outputs[0]?.marks?.length).toBeGreaterThan(20_000);
  });

  it('keeps a line whose process is killed right behind it', async () => {
    const output = folder.at('killed.safetensors');
    const script = `
      import { quantize } from ${JSON.stringify(join(CLI, '../index.js'))};
      await quantize(${JSON.stringify(model)}, {
        output: ${JSON.stringify(output)}, log: ${JSON.stringify(log('killed'))} });
      process.kill(process.pid, 'SIGKILL');`;
    const { child, finished } = start(process.execPath, ['--input-type=module', '-e', script]);
    const [, signal] = await once(child, 'exit');
    expect({ signal, ...(await finished) }).toMatchObject({ signal: 'SIGKILL' });
    expect(await onlyRun('killed')).toMatchObject({ outputs: [{ sha256: sha256(output) }] });
  });

  it('is read past what a kill has left of a line, and goes on on a new one', async () => {
    const place = log('torn');
    const words = (name: string) => [
      'quantize',
      model,
      '-q',
      '-o',
      folder.at(name),
      '--log',
      place,
    ];
    await monoquant(...words('torn-1.safetensors'));
    const path = join(place, 'runs.jsonl');
    const [line = ''] = readFileSync(path, 'utf8').split('\n');
    for (const length of [1, 100, line.length - 1]) {
      appendFileSync(path, line.slice(0, length));
      await monoquant(...words(`torn-${length}.pt`));
    }
    const { runs, unread } = await readRuns(place);
    expect({ runs: runs.length, unread }).toEqual({ runs: 4, unread: 3 });
  });
});

it('is one write, behind the name of the output, and on the disk before the command ends', async () => {
  const words = ['quantize', model, '-q', '-o', folder.at('traced.safetensors')];
  const { code, calls } = await traced([CLI, ...words, '--log', log('traced')]);
  expect(code).toBe(0);
  const ofLog = calls
    .map(({ call, path }, index) => ({ call, path, index }))
    .filter(({ call, path }) => path.endsWith('runs.jsonl') && /write|fsync/.test(call));
  expect(ofLog.map(({ call }) => call)).toEqual(['writeSync', 'fsyncSync']);
  expect(
    calls.findIndex(({ call, path }) => call === 'linkSync' && path.endsWith('traced.safetensors')),
  ).toBeLessThan(ofLog[0]?.index ?? 0);
});

it('does not spoil a run that went well if its line finds no room', async () => {
  const output = folder.at('room.safetensors');
  const words = ['quantize', model, '-q', '-o', output, '--log', log('room')];
  const faults = [
    { call: 'writeSync', path: 'runs.jsonl', error: 'ENOSPC' },
    { call: 'writeSync', path: 'runs.jsonl', answer: 10 },
  ];
  for (const fault of faults) {
    const { code, stderr } = await faulty([fault], ...words, '--force');
    expect({ code, made: folder.has('room.safetensors') }).toEqual({ code: 0, made: true });
    expect(stderr).toContain('The run was not recorded');
  }
});

it('takes the digest of a file that did not change from the log, and of no other', async () => {
  const place = log('known');
  const path = folder.write('known.safetensors', mixedModel('F32', '', 3));
  const run = async () => {
    await (await quantize(path, { log: place })).close();
    return (await readRuns(place)).runs.at(-1)?.inputs[0];
  };
  const first = await run();
  // What was written a moment ago may be written again within one tick of the clock.
  const text = readFileSync(join(place, 'runs.jsonl'), 'utf8');
  const later = { started: new Date(Date.now() + 3_600_000).toISOString() };
  const forged = { ...JSON.parse(text), ...later, inputs: [{ ...first, sha256: 'f'.repeat(64) }] };
  appendFileSync(join(place, 'runs.jsonl'), `${JSON.stringify(forged)}\n`);
  expect((await run())?.sha256).toBe('f'.repeat(64));
  // Of a long log, only the end is looked at.
  appendFileSync(join(place, 'runs.jsonl'), `${JSON.stringify({ long: 'x'.repeat(5e6) })}\n`);
  expect((await run())?.sha256).toBe(sha256(path));
  folder.write('known.safetensors', mixedModel('F32', '', 4));
  expect((await run())?.sha256).toBe(sha256(path));
});

it('keeps no calibration, no bytes and no passwords among options', async () => {
  const calibration = await calibrate(
    model,
    folder.write('secret.safetensors', [weights('fc', 'F32', [64, 160])]),
  );
  const url = 'http://somebody:password@127.0.0.1:9/model.safetensors?token=secret';
  const failing = { calibration, log: log('secrets'), failUnder: 99 };
  await expect(quantize(model, failing)).rejects.toThrow();
  await expect(
    quantize(model, { ...failing, static: false, dynamic: false, mode: 'dynamic' }),
  ).rejects.toThrow();
  await expect(quantize(url, { log: log('secrets') })).rejects.toThrow();
  const { runs } = await readRuns(log('secrets'));
  expect(runs.length).toBe(3);
  const text = readFileSync(join(log('secrets'), 'runs.jsonl'), 'utf8');
  expect(text).not.toMatch(/password|token|secret\b|squares/);
  expect(runs[0]?.calibration).toMatchObject([{ name: null }]);
  expect(runs[2]?.model).toBe('http://127.0.0.1:9/model.safetensors');
});
