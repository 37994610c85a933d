/**
 * `monoquant runs`: logged runs are found, compared and done again.
 * It exists because "the same bytes" is a promise: what breaks it is named, down to the tensor.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { compareRuns, quantize, type Repetition, type RunRecord, readRuns } from '#package/node';
import { CLI, Folder, monoquant, start } from '../support/cli.js';
import { mixedModel, weights } from '../support/models.js';

const folder = new Folder();
const model = folder.write('model.safetensors', mixedModel('F32'));

async function runsOf(name: string): Promise<readonly RunRecord[]> {
  return (await readRuns(folder.at(name))).runs;
}

function runs(log: string, ...words: string[]) {
  return monoquant('runs', ...words, '--log', folder.at(log));
}

/** A run of the command that is logged; answers its line. */
async function logged(log: string, ...words: string[]): Promise<RunRecord> {
  const { code, stderr } = await monoquant(...words, '--log', folder.at(log));
  expect(code, stderr).toBe(0);
  return (await runsOf(log)).at(-1) as RunRecord;
}

async function repeated(log: string, id: string, ...words: string[]) {
  const { code, stdout, stderr } = await runs(log, 'repeat', id, '--json', ...words);
  return { code, stderr, repetition: JSON.parse(stdout) as Repetition };
}

/** The log with its last line changed. */
function forge(log: string, change: (run: RunRecord) => object): void {
  const path = join(folder.at(log), 'runs.jsonl');
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  const last = JSON.parse(lines.pop() ?? '') as RunRecord;
  writeFileSync(path, [...lines, JSON.stringify({ ...last, ...change(last) }), ''].join('\n'));
}

describe('runs that are looked at', () => {
  let ids: readonly string[];
  beforeAll(async () => {
    const to = (name: string) => ['-o', folder.at(name)];
    await logged('look', 'quantize', model, '-b', '4', ...to('a.safetensors'));
    await logged('look', 'quantize', model, '-b', '4', '-g', '32', ...to('b.safetensors'));
    await monoquant('quantize', model, '--fail-under', '99', '--log', folder.at('look'));
    ids = (await runsOf('look')).map(({ id }) => id);
    expect(ids.length).toBe(3);
  });

  it('are listed, with the failure of those that failed', async () => {
    const { stdout } = await runs('look');
    const rows = stdout.trimEnd().split('\n').slice(1);
    expect(rows.map((row) => row.split(' ')[0])).toEqual(ids);
    expect(rows[0]).toMatch(/INT4 group 128 .* ok$/);
    expect(rows[2]).toMatch(/quality-gate$/);
    expect((await runs('look', 'list', '--json')).stdout).toBe(
      `${JSON.stringify(await runsOf('look'), null, 2)}\n`,
    );
    expect((await runs('look', 'list', '-q')).stdout).toBe(ids.map((id) => `${id}\n`).join(''));
  });

  it('are shown by an id, its beginning, its end, and as the last', async () => {
    const [, second = '', last = ''] = ids;
    for (const [word, id] of [
      [second, second],
      [second.slice(-6), second],
      ['last', last],
    ] as const) {
      const { stdout } = await runs('look', 'show', word, '--json');
      expect(JSON.parse(stdout).id, word).toBe(id);
    }
    const mistaken = await runs('look', 'show', '20');
    expect(mistaken).toMatchObject({ code: 2, stdout: '' });
    expect(mistaken.stderr).toContain('any of 3 runs');
    expect((await runs('look', 'show', 'nothing')).code).toBe(2);
    expect((await runs('empty', 'show', 'last')).code).toBe(5);
  });

  it('are compared by what differs alone, and by a baseline that is pinned', async () => {
    const [first = '', second = ''] = ids;
    const { stdout } = await runs('look', 'compare', first, second);
    const labels = stdout.split('\n').map((line) => line.split(/ {2,}/)[0]);
    expect(labels).toContain('groupSize');
    for (const same of ['bits', 'scheme', 'source', 'version']) expect(labels).not.toContain(same);

    const all = await runsOf('look');
    const [base, other] = all as [RunRecord, RunRecord];
    const json = await runs('look', 'compare', second, '--baseline', first, '--json');
    const comparison = JSON.parse(json.stdout);
    expect(comparison).toEqual(JSON.parse(JSON.stringify(compareRuns(base, [base, other]))));
    expect(comparison.options).toEqual([{ option: 'groupSize', values: [128, 32] }]);
    const bytes = comparison.measures.find(
      ({ measure }: { measure: string }) => measure === 'outputBytes',
    );
    const [a = 0, b = 0] = [base, other].map(({ totals }) => totals?.outputBytes);
    expect(bytes).toEqual({ measure: 'outputBytes', values: [a, b], deltas: [0, b - a] });
    expect(b).not.toBe(a);

    expect((await runs('look', 'compare', second)).code).toBe(2);
    expect((await runs('look', 'pin', second)).code).toBe(0);
    const pinned = JSON.parse((await runs('look', 'compare', first, '--json')).stdout);
    expect(pinned).toMatchObject({ baseline: second, runs: [second, first] });
    expect((await runs('look')).stdout).toMatch(/ baseline$/m);
    expect((await runs('look', 'pin', 'none')).code).toBe(0);
    expect((await runs('look', 'compare', first)).code).toBe(2);
  });

  it('are exported with a row each, in which no name is a formula', async () => {
    const odd = folder.write('=1+1.safetensors', [
      weights('=cmd|calc,"x"\n.weight', 'F32', [16, 64]),
      weights('lm_head.weight', 'F32', [4, 64]),
    ]);
    await quantize(odd, { log: folder.at('odd'), output: folder.at('odd.safetensors') });
    const { stdout } = await runs('odd', 'export');
    expect(stdout.split('\r\n').length).toBe(3);
    expect(stdout).toContain(`,"'=cmd|calc,""x""\\n.weight",`);
    expect(stdout).not.toMatch(/(^|,)"?[=+@]/m);

    const many = (await runs('look', 'export')).stdout.trimEnd().split('\r\n');
    expect(many.length).toBe(4);
    const columns = many[0]?.split(',') ?? [];
    const cells = many[1]?.split(',') ?? [];
    const [first] = await runsOf('look');
    expect(cells[columns.indexOf('outputBytes')]).toBe(String(first?.totals?.outputBytes));
    expect(cells[columns.indexOf('bits')]).toBe('4');
    const some = await runs('look', 'export', 'last', '--format', 'json');
    expect(JSON.parse(some.stdout).map(({ id }: RunRecord) => id)).toEqual([ids[2]]);
  });

  it('become files for DVC, which are replaced only by request', async () => {
    const place = folder.at('dvc');
    const words = ['export', ids[0] ?? '', '--format', 'dvc', '-o', place];
    expect((await runs('look', ...words)).code).toBe(0);
    expect((await runs('look', ...words)).code).toBe(2);
    expect((await runs('look', ...words, '--force')).code).toBe(0);
    const [run] = await runsOf('look');
    const metrics = JSON.parse(readFileSync(join(place, 'metrics.json'), 'utf8'));
    expect(metrics).toMatchObject({
      bitsPerWeight: run?.totals?.bitsPerWeight,
      sqnrDb: run?.quality?.sqnrDb,
    });
    const lines = readFileSync(join(place, 'params.yaml'), 'utf8').trimEnd().split('\n');
    const params = Object.fromEntries(
      lines.map((line) => {
        const [, key = '', value = ''] = /^("(?:[^"\\]|\\.)*"): (.*)$/.exec(line) ?? [];
        return [JSON.parse(key), JSON.parse(value)];
      }),
    );
    expect(params).toMatchObject({ ...run?.options, source: [run?.inputs[0]?.sha256] });
  });

  it('know which flags go with which action', async () => {
    for (const words of [
      ['list', '--format', 'csv'],
      ['show', 'last', '-o', 'x'],
      ['lst'],
      ['repeat'],
      ['export', '--format', 'xml'],
    ]) {
      expect((await runs('look', ...words)).code, words.join(' ')).toBe(2);
    }
  });
});

describe('a run that is repeated', () => {
  const data = folder.write('data.safetensors', [weights('fc', 'F32', [64, 160])]);
  const KINDS: readonly (readonly [kind: string, words: string[]])[] = [
    ['file', ['quantize', model, '-b', '4', '-o', folder.at('r.safetensors')]],
    ['pickle', ['quantize', model, '-o', folder.at('r.pt')]],
    ['zst', ['quantize', model, '-o', folder.at('r.safetensors.zst'), '--zstd-level', '5']],
    ['folder', ['quantize', model, '-o', folder.at('r/'), '--max-shard-size', '20kB']],
    ['part', ['quantize', model, '-o', folder.at('p.safetensors'), '--part', '1/2']],
    ['data', ['quantize', model, '-c', data, '-o', folder.at('d.safetensors')]],
    ['copy', ['convert', model, folder.at('c.pt')]],
  ];

  it.each(KINDS)('has the same bytes: %s', async (kind, words) => {
    const { id } = await logged(`repeat-${kind}`, ...words);
    const before = folder.list();
    const { code, stderr, repetition } = await repeated(`repeat-${kind}`, id);
    expect(code, stderr).toBe(0);
    expect(repetition).toMatchObject({ same: true, reasons: [], again: { parent: id } });
    expect(repetition.again.outputs.length).toBe(repetition.first.outputs.length);
    expect(repetition.again.outputs.map(({ sha256 }) => sha256)).toEqual(
      repetition.first.outputs.map(({ sha256 }) => sha256),
    );
    expect(folder.list()).toEqual(before);
  });

  it('has the same bytes when floats are made of codes', async () => {
    const codes = folder.at('codes.safetensors');
    await logged('repeat-floats', 'quantize', model, '-o', codes);
    const floats = ['dequantize', codes, folder.at('floats.safetensors'), '--dtype', 'f16'];
    const { id } = await logged('repeat-floats', ...floats);
    expect((await repeated('repeat-floats', id)).repetition.same).toBe(true);
  });

  it('finds its files from another folder, and keeps the output that was asked for', async () => {
    const home = folder.at('home');
    mkdirSync(home);
    const here = (cwd: string, ...words: string[]) =>
      start(process.execPath, [CLI, ...words], { cwd }).finished;
    writeFileSync(join(home, 'm.safetensors'), readFileSync(model));
    writeFileSync(join(home, 'd.safetensors'), readFileSync(data));
    const words = ['m.safetensors', '-c', 'd.safetensors', '--log', 'log'];
    expect((await here(home, 'quantize', ...words)).code).toBe(0);
    const again = folder.at('kept.safetensors');
    const log = join(home, 'log');
    const run = await here(folder.path, 'runs', 'repeat', 'last', '--log', log, '-o', again);
    expect(run).toMatchObject({ code: 0 });
    expect(run.stdout).toContain('the same bytes');
    expect(readFileSync(again)).toEqual(readFileSync(join(home, 'm-int8.safetensors')));
  });

  it('names the first tensor if the source has changed, although the output is gone', async () => {
    const path = folder.write('source.safetensors', mixedModel('F32'));
    const output = folder.at('source-int8.safetensors');
    const { id } = await logged('source', 'quantize', path, '-o', output);
    rmSync(output);
    const other = mixedModel('F32', '', 8);
    const changed = mixedModel('F32').map((tensor) =>
      ['image.weight', 'video.weight'].includes(tensor.name)
        ? (other.find(({ name }) => name === tensor.name) ?? tensor)
        : tensor,
    );
    folder.write('source.safetensors', changed);
    const { code, stderr, repetition } = await repeated('source', id);
    expect({ code, same: repetition.same }).toEqual({ code: 4, same: false });
    expect(repetition.reasons).toEqual(['source-changed']);
    // Scales have more bytes than codes and come first; of both tensors, the names are in order.
    expect(repetition.tensor).toBe('image.weight_scale');
    expect(stderr).toContain('The source has changed');
  });

  it('names what else has changed: calibration, version, or nothing', async () => {
    const inputs = folder.write('changing.safetensors', [weights('fc', 'F32', [64, 160], 1)]);
    const words = ['quantize', model, '-c', inputs, '-o', folder.at('changing-int8.safetensors')];
    const { id } = await logged('changing', ...words);
    folder.write('changing.safetensors', [weights('fc', 'F32', [64, 160], 2)]);
    const calibrated = await repeated('changing', id);
    expect(calibrated.repetition).toMatchObject({ same: false, reasons: ['calibration-changed'] });
    expect(calibrated.repetition.tensor).toMatch(/^fc\./);

    const output = folder.at('version.safetensors');
    const run = await logged('version', 'quantize', model, '-o', output);
    const marks = run.outputs[0]?.marks ?? '';
    const forged = `${marks.slice(0, 16)}${'0'.repeat(marks.length - 16)}`;
    forge('version', ({ outputs: [file] }) => ({
      version: '0.0.9',
      outputs: [{ ...file, sha256: '0'.repeat(64), marks: forged }],
    }));
    const versioned = await repeated('version', run.id);
    expect(versioned.repetition.reasons).toEqual(['version-changed']);
    // The first two marks are right: those of the header and of the first tensor.
    const bytes = readFileSync(output);
    const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE())).toString());
    const second = Object.keys(header)
      .filter((name) => name !== '__metadata__')
      .sort((a, b) => header[a].data_offsets[1] - header[b].data_offsets[1])[1];
    expect(versioned.repetition.tensor).toBe(second);

    await logged('nothing', 'quantize', model, '-o', folder.at('nothing.safetensors'));
    forge('nothing', ({ outputs: [file] }) => ({ outputs: [{ ...file, sha256: '0'.repeat(64) }] }));
    const unknown = await runs('nothing', 'repeat', 'last');
    expect(unknown.code).toBe(4);
    expect(unknown.stderr.replace(/\s+/g, ' ')).toContain('a fault of monoquant');
  });

  it('looks at values if there are no marks', async () => {
    const path = folder.write('values.safetensors', mixedModel('F32'));
    const { id } = await logged('values', 'quantize', path, '-o', folder.at('values.pt'));
    const tensors = mixedModel('F32').map((tensor) =>
      tensor.name === 'gru.weight_ih_l0' ? weights(tensor.name, 'F32', tensor.shape, 99) : tensor,
    );
    folder.write('values.safetensors', tensors);
    expect((await repeated('values', id)).repetition).toMatchObject({
      same: false,
      tensor: 'gru.weight_ih_l0',
    });
  });

  it('is refused if there is nothing to compare with, and fails if its model is gone', async () => {
    await monoquant('quantize', model, '--fail-under', '99', '--log', folder.at('refused'));
    const refused = await runs('refused', 'repeat', 'last');
    expect(refused.code).toBe(2);
    expect(refused.stderr.replace(/\s+/g, ' ')).toContain('no output to compare with');

    const path = folder.write('gone.safetensors', mixedModel('F32'));
    const { id } = await logged('gone', 'quantize', path, '-o', folder.at('gone-int8.safetensors'));
    renameSync(path, folder.at('moved.safetensors'));
    expect((await runs('gone', 'repeat', id)).code).toBe(5);
    const last = (await runsOf('gone')).at(-1);
    expect(last).toMatchObject({ parent: id, exit: 5, error: { code: 'file-not-found' } });
  });
});
