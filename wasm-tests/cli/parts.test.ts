/**
 * Parts of an output, each made by a process of its own, and merged: the same bytes as one run, or a reason.
 */
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { convert, merge } from '#package/node';
import { Folder, monoquant, shell } from '../support/cli.js';
import { DEEP, samples } from '../support/deep.js';
import { failureOf } from '../support/failures.js';
import { weights } from '../support/models.js';
import { type Tensor, writeSafetensors } from '../support/safetensors.js';
import { parseReport } from '../support/schema.js';
import { dealt, INDEX, shardsOf } from '../support/shards.js';

/** Some layers of several bands, some of one; every part has something of its own, and shares a layer with the next. */
const ROWS = DEEP ? 3072 : 2048;
const TENSORS: readonly Tensor[] = [
  weights('model.embed_tokens.weight', 'F32', [3000, 512], 1),
  weights('layers.0.weight', 'F32', [ROWS, 4096], 2),
  weights('layers.0.bias', 'F32', [ROWS], 3),
  weights('layers.1.weight', 'F32', [1024, 2048], 4),
  weights('norm.weight', 'F32', [2048], 5),
];

const root = new Folder();
const MODEL = root.at('model.safetensors');
const FOLDER = root.at('model');
const place = root.at('place');
const OUT = `${place}/out.safetensors`;

beforeAll(() => {
  writeFileSync(MODEL, writeSafetensors(TENSORS, { format: 'pt' }));
  mkdirSync(FOLDER);
  const shards = shardsOf(dealt(TENSORS, 2));
  for (const { name, bytes } of shards) writeFileSync(join(FOLDER, name), bytes);
  writeFileSync(join(FOLDER, 'config.json'), '{"model_type":"test"}');
  writeFileSync(join(FOLDER, 'tokenizer.json'), '{}');
});

beforeEach(() => {
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place);
});

const partName = (index: number, count: number, output = OUT) =>
  `${output}.part-${index}-of-${count}`;
const partsOf = (count: number, output = OUT) =>
  Array.from({ length: count }, (_, index) => partName(index + 1, count, output));

async function makePart(index: number, count: number, ...words: string[]) {
  const given = words.includes('-o') ? [] : ['-o', OUT];
  const model = words.includes(FOLDER) ? [] : [MODEL];
  return monoquant('quantize', ...model, ...given, '--part', `${index}/${count}`, ...words);
}

async function makeParts(count: number, ...words: string[]): Promise<void> {
  for (let index = 1; index <= count; index++) {
    // Machines differ.
    const done = await makePart(index, count, '--threads', String(1 + (index % 2)), ...words);
    expect(done).toMatchObject({ code: 0 });
  }
}

async function wholeOf(...words: string[]): Promise<Buffer> {
  const output = root.at('whole.safetensors');
  const done = await monoquant('quantize', MODEL, '-o', output, '--force', ...words);
  expect(done).toMatchObject({ code: 0 });
  return readFileSync(output);
}

describe('parts, merged', () => {
  const divisions: [number, string[]][] = [
    [2, ['-b', '8']],
    [3, ['-b', '8', '--strategy', 'tensor']],
    [2, ['-b', '16']],
    [DEEP ? 9 : 4, ['-b', '4', '--scheme', 'asymmetric', '--group-size', '32']],
  ];
  if (DEEP) divisions.push([5, ['-b', '4']]);
  it.each(divisions)('%i of them are one run: %j', async (count, words) => {
    await makeParts(count, ...words);
    const parts = partsOf(count);
    // In any order.
    const done = await monoquant('merge', ...parts.reverse(), '-o', OUT);
    expect(done).toMatchObject({ code: 0, stderr: expect.not.stringMatching(/warning/) });
    expect(readFileSync(OUT).equals(await wholeOf(...words))).toBe(true);
    expect(readdirSync(place).sort()).toEqual(
      ['out.safetensors', ...parts.map((p) => basename(p))].sort(),
    );
  });

  it('are the loop that a cluster runs', async () => {
    const run = `for i in 1 2 3; do monoquant quantize '${MODEL}' -b 4 --part $i/3 -o '${OUT}' -q || exit 1; done`;
    const done = await shell(`${run}; monoquant merge '${OUT}'.part-*-of-3 -o '${OUT}' -q`);
    expect(done.stdout.trim().split('\n')).toEqual([...partsOf(3), OUT]);
    expect(readFileSync(OUT).equals(await wholeOf('-b', '4'))).toBe(true);
  });

  it('are measured as one run', async () => {
    await makeParts(3, '-b', '4');
    const { stdout } = await monoquant('merge', ...partsOf(3), '-o', OUT, '--json');
    const merged = parseReport(stdout);
    const whole = await monoquant(
      'quantize',
      MODEL,
      '-o',
      root.at('w.safetensors'),
      '-b',
      '4',
      '--json',
      '--force',
    );
    const { timings, engine, ...same } = parseReport(whole.stdout);
    expect(merged).toMatchObject(same);
  });

  it('have a report of the whole, of a failed gate, too', async () => {
    await makeParts(2, '-b', '4');
    const reports = ['r.json', 'r.md', 'r.html'].map((name) => join(place, name));
    const words = ['merge', ...partsOf(2), '-o', OUT, '-q'];
    const flags = reports.flatMap((path) => ['--report', path]);
    const failed = await monoquant(...words, ...flags, '--fail-under', '60');
    expect(failed.code, failed.stderr).toBe(4);
    expect(existsSync(OUT)).toBe(false);
    expect(readFileSync(reports[1] ?? '', 'utf8')).toContain('60 dB');
    const done = await monoquant(...words, ...flags, '--force');
    expect(done.code, done.stderr).toBe(0);
    const report = parseReport(readFileSync(reports[0] ?? '', 'utf8'));
    expect(report.tensors).not.toHaveLength(0);
    expect(readFileSync(reports[1] ?? '', 'utf8')).toContain(report.tensors[0]?.name);
    // Neither a part nor the output.
    for (const path of [partsOf(2)[0] ?? '', OUT]) {
      expect((await monoquant(...words, '--force', '--report', path)).code).toBe(2);
    }
  });

  it('have together about the bytes of the output, each its share of them', async () => {
    await makeParts(4, '-b', '8');
    const whole = (await wholeOf('-b', '8')).length;
    const sizes = partsOf(4).map((path) => statSync(path).size);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(whole * 1.02);
    // Bands are not cut: the largest here is the embedding, which is copied.
    expect(Math.max(...sizes)).toBeLessThan(whole / 4 + 3000 * 512 * 4 + 50_000);
  });

  it('do not depend on threads', async () => {
    await makePart(2, 3, '-b', '4', '--threads', '1');
    const alone = readFileSync(partName(2, 3));
    await makePart(2, 3, '-b', '4', '--threads', '3', '--force');
    expect(readFileSync(partName(2, 3)).equals(alone)).toBe(true);
  });

  it('of a folder are a folder again', async () => {
    const folder = `${place}/out/`;
    await makeParts(3, FOLDER, '-o', folder, '-b', '4');
    const weightsIn = join(place, 'out', 'model.safetensors');
    const done = await monoquant('merge', ...partsOf(3, weightsIn), '-o', folder);
    expect(done).toMatchObject({ code: 0 });
    for (const path of partsOf(3, weightsIn)) rmSync(path);
    const single = `${place}/single/`;
    await monoquant('quantize', FOLDER, '-o', single, '-b', '4');
    expect(readdirSync(folder).sort()).toEqual(readdirSync(single).sort());
    expect(readdirSync(folder)).toContain(INDEX);
    for (const name of readdirSync(single)) {
      expect(readFileSync(join(folder, name)).equals(readFileSync(join(single, name))), name).toBe(
        true,
      );
    }
    const file = await monoquant('merge', ...partsOf(3, weightsIn), '-o', OUT);
    expect(file.code).not.toBe(0);
  });

  it('of a checkpoint of PyTorch compare its checksums', async () => {
    const checkpoint = root.at('model.pt');
    await convert(MODEL, { output: checkpoint, force: true });
    for (const index of [1, 2, 3]) {
      const done = await monoquant(
        'quantize',
        checkpoint,
        '-o',
        OUT,
        '-b',
        '4',
        '--part',
        `${index}/3`,
      );
      expect(done).toMatchObject({ code: 0 });
    }
    expect(await monoquant('merge', ...partsOf(3), '-o', OUT)).toMatchObject({ code: 0 });
    expect(readFileSync(OUT).equals(await wholeOf('-b', '4'))).toBe(true);
    // A bit of a large tensor, in the middle of the file: no sample sees it.
    const descriptor = openSync(checkpoint, 'r+');
    const byte = Buffer.alloc(1);
    const at = Math.floor(statSync(checkpoint).size * 0.41);
    readSync(descriptor, byte, 0, 1, at);
    byte[0] = (byte[0] ?? 0) ^ 1;
    writeSync(descriptor, byte, 0, 1, at);
    closeSync(descriptor);
    rmSync(OUT);
    for (const index of [1, 2, 3]) {
      await monoquant(
        'quantize',
        checkpoint,
        '-o',
        OUT,
        '-b',
        '4',
        '--part',
        `${index}/3`,
        '--force',
      );
    }
    const merged = await monoquant('merge', ...partsOf(3), '-o', OUT);
    expect(merged.code).toBe(5);
    expect(merged.stderr).toMatch(/checksum/);
    expect(readdirSync(place)).not.toContain('out.safetensors');
  });

  it('can be gone on with', async () => {
    await makeParts(2, '-b', '4', '--resume');
    expect(await monoquant('merge', ...partsOf(2), '-o', OUT)).toMatchObject({ code: 0 });
    expect(readFileSync(OUT).equals(await wholeOf('-b', '4'))).toBe(true);
  });

  it('by a program', async () => {
    await makeParts(2, '-b', '8');
    const result = await merge(partsOf(2), { output: OUT });
    expect(result.output).toBe(OUT);
    expect(result.report.tensors.length).toBeGreaterThan(0);
    expect((await result.validate()).problems).toEqual([]);
    expect(readFileSync(OUT).equals(await wholeOf('-b', '8'))).toBe(true);
  });
});

describe('merge refuses', () => {
  async function expectRefused(parts: readonly string[], message: RegExp, code = 2) {
    const done = await monoquant('merge', ...parts, '-o', OUT);
    expect(done.stderr).toMatch(message);
    expect(done).toMatchObject({ code, stdout: '' });
    expect(readdirSync(place)).not.toContain('out.safetensors');
    expect(readdirSync(place).filter((name) => name.startsWith('.'))).toEqual([]);
  }

  beforeEach(async () => {
    await makeParts(3, '-b', '8');
  });

  it('one too few, and one twice', async () => {
    const [first = '', , third = ''] = partsOf(3);
    await expectRefused([first, third], /part 2 is missing/);
    await expectRefused([first], /parts 2 and 3 are missing/);
    await expectRefused([...partsOf(3), third], /part 3 twice/);
  });

  it('parts of another run', async () => {
    const [first = '', second = '', third = ''] = partsOf(3);
    const other = root.at('other.part');
    await makePart(2, 3, '-b', '4', '--force');
    copyFileSync(second, other);
    await expectRefused([first, other, third], /bits/);
    // Of the same shapes.
    const tuned = root.at('tuned.safetensors');
    writeFileSync(
      tuned,
      writeSafetensors(
        TENSORS.map(({ name, shape }, seed) => weights(name, 'F32', shape, seed + 50)),
        { format: 'pt' },
      ),
    );
    await monoquant('quantize', tuned, '-o', OUT, '-b', '8', '--part', '2/3', '--force');
    await expectRefused(partsOf(3), /another model/);
    await makePart(2, 4, '-b', '8');
    await expectRefused([first, partName(2, 4), third], /4 parts/);
  });

  it('what is no part, or no whole one', async () => {
    const [first = '', second = '', third = ''] = partsOf(3);
    await expectRefused([MODEL], /Expected a part/, 5);
    await expectRefused([first, root.at('nothing'), third], /There is no file/, 5);
    const whole = readFileSync(second);
    truncateSync(second, whole.length - 1);
    await expectRefused(partsOf(3), /Expected a part/, 5);
    writeFileSync(second, Buffer.concat([whole.subarray(0, 10_000), whole.subarray(20_000)]));
    await expectRefused(partsOf(3), /is damaged/, 5);
    writeFileSync(second, whole);
    appendFileSync(second, 'x');
    await expectRefused(partsOf(3), /Expected a part/, 5);
    // Somewhere in its bytes, then in what it says of itself.
    for (const at of [1000, whole.length - 300]) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ 4;
      writeFileSync(second, damaged);
      await expectRefused(partsOf(3), at === 1000 ? /part 2/ : /is damaged/, 5);
    }
  });

  it('a place that is taken, or that is one of them', async () => {
    writeFileSync(OUT, 'mine');
    const taken = await monoquant('merge', ...partsOf(3), '-o', OUT);
    expect(taken.stderr).toMatch(/exists already/);
    expect(readFileSync(OUT, 'utf8')).toBe('mine');
    const [first = ''] = partsOf(3);
    const copy = `${place}/copy.safetensors`;
    copyFileSync(first, copy);
    const itself = await monoquant('merge', copy, ...partsOf(3).slice(1), '-o', copy, '--force');
    expect(itself.code).not.toBe(0);
    expect(readFileSync(copy).equals(readFileSync(first))).toBe(true);
    for (const name of ['x.pt', 'x.safetensors.zst']) {
      const other = await monoquant('merge', ...partsOf(3), '-o', `${place}/${name}`);
      expect(other).toMatchObject({ code: 2 });
    }
  });

  it('what is not good enough', async () => {
    await expect(merge(partsOf(3), { output: OUT, failUnder: 90 })).rejects.toMatchObject({
      code: 'quality-gate',
      report: { version: expect.any(String) },
    });
    await expectRefused([...partsOf(3), '--fail-under', '90', '-q'], /90/, 4);
  });
});

describe('a part', () => {
  it('is one of some', async () => {
    const texts = ['0/2', '3/2', '1/1', '1', '1/2/3', 'a/b', '-1/2', '1/10001'];
    for (const text of samples(texts, 3)) {
      const done = await makePart(0, 0, `--part=${text}`);
      expect(done.code, text).toBe(2);
    }
  });

  it('cannot be judged, nor be of another kind', async () => {
    for (const [words, message] of [
      [['--fail-under', '20'], /merge/],
      [['--report', root.at('r.json')], /merge/],
      [['-o', `${place}/x.pt`], /safetensors/],
      [['-o', `${place}/x.safetensors.zst`], /safetensors/],
    ] as const) {
      const done = await makePart(1, 2, '-b', '8', ...words);
      expect(done).toMatchObject({ code: 2 });
      expect(done.stderr).toMatch(message);
    }
    expect(readdirSync(place)).toEqual([]);
  });

  it('of weights that cannot be quantized says what all parts have to leave out', async () => {
    const broken = root.at('broken.safetensors');
    const tensors = TENSORS.map((tensor) => ({ ...tensor, bytes: tensor.bytes.slice() }));
    const last = tensors.find(({ name }) => name === 'layers.1.weight');
    new DataView(last?.bytes.buffer ?? new ArrayBuffer(8)).setFloat32(4, Number.NaN, true);
    writeFileSync(broken, writeSafetensors(tensors, { format: 'pt' }));
    const words = ['-o', OUT, '-b', '8'];
    const first = await monoquant('quantize', broken, ...words, '--part', '1/2');
    expect(first).toMatchObject({ code: 0 });
    const second = await monoquant('quantize', broken, ...words, '--part', '2/2');
    expect(second).toMatchObject({ code: 2 });
    expect(second.stderr).toMatch(/--ignore layers\.1\.weight/);
    const ignoring = [...words, '--ignore', 'layers.1.weight', '--force'];
    for (const index of [1, 2]) {
      const part = await monoquant('quantize', broken, ...ignoring, '--part', `${index}/2`);
      expect(part).toMatchObject({ code: 0 });
    }
    expect(await monoquant('merge', ...partsOf(2), '-o', OUT)).toMatchObject({ code: 0 });
    const whole = root.at('w.safetensors');
    await monoquant(
      'quantize',
      broken,
      '-o',
      whole,
      '-b',
      '8',
      '--ignore',
      'layers.1.weight',
      '--force',
    );
    expect(readFileSync(OUT).equals(readFileSync(whole))).toBe(true);
  });

  it('has no meaning without a place', async () => {
    const { quantize } = await import('#package/node');
    expect(await failureOf(quantize(MODEL, { part: '1/2' }))).toMatchObject({
      code: 'invalid-options',
    });
  });
});
