/**
 * Models compressed with zstd: read whatever compressed them, written so that anything unpacks them.
 * It exists because a compressed model passes through more hands, and damage in it must be told, never read.
 * Debian's zstd, where it is installed, compresses and unpacks; Node's own reads are not used.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CLI, Folder, monoquant, start } from '../support/cli.js';
import { DEEP } from '../support/deep.js';
import { mixedModel, weights } from '../support/models.js';
import { parseCatalog, parseReport } from '../support/schema.js';

const folder = new Folder();
const HAS_ZSTD = spawnSync('zstd', ['--version']).status === 0;
const FRAME_BYTES = 4 << 20;
let model = '';

beforeAll(() => {
  expect(HAS_ZSTD, 'Debian: apt-get install zstd').toBe(true);
});

beforeEach(() => {
  for (const name of folder.list()) rmSync(folder.at(name), { recursive: true });
  model = folder.write('model.safetensors', mixedModel('F32'));
});

/** Several frames, of which no two are alike, and the last one is not full. */
function largeModel(name: string): string {
  const tensors = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((letter, index) =>
    weights(`${letter}.weight`, 'F32', [640, 1024], index + 1),
  );
  return folder.write(name, tensors);
}

function zstd(...words: string[]): Buffer {
  return execFileSync('zstd', ['-q', ...words], { cwd: folder.path, maxBuffer: 1 << 30 });
}

async function ok(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await monoquant(...words);
  expect(code, stderr).toBe(0);
  return stdout;
}

describe('written', () => {
  it('any zstd unpacks it to what would have been written without', async () => {
    const large = largeModel('large.safetensors');
    for (const ending of ['safetensors', 'pt']) {
      await ok('convert', large, folder.at(`plain.${ending}`));
      const words = ['convert', large, folder.at(`packed.${ending}.zst`), '--json'];
      const { sizes, configuration } = parseReport(await ok(...words));
      const packed = statSync(folder.at(`packed.${ending}.zst`)).size;
      expect(sizes.packedBytes).toBe(packed);
      expect(sizes.outputBytes).toBe(statSync(folder.at(`plain.${ending}`)).size);
      expect(configuration.zstdLevel).toBe(3);
      zstd('-t', `packed.${ending}.zst`);
      const unpacked = zstd('-dc', `packed.${ending}.zst`);
      expect(unpacked.equals(readFileSync(folder.at(`plain.${ending}`)))).toBe(true);
    }
  });

  it('is the same for any number of threads, and nothing else is left', async () => {
    const large = largeModel('large.safetensors');
    const outputs: Buffer[] = [];
    for (const threads of ['1', '2', '8']) {
      const output = folder.at(`${threads}.safetensors.zst`);
      await ok('quantize', large, '--bits', '16', '--threads', threads, '-o', output);
      outputs.push(readFileSync(output));
    }
    const [first = Buffer.of()] = outputs;
    expect(outputs.every((output) => output.equals(first))).toBe(true);
    expect(first.readUInt32LE(first.length - 9), 'frames').toBeGreaterThan(2);
    expect(folder.list()).toHaveLength(5);
  });

  it('is smaller with a higher level, and says what it saved', async () => {
    const sizeOf = async (level: string) => {
      const output = folder.at(`${level}.safetensors.zst`);
      const stdout = await ok('quantize', model, '--zstd-level', level, '-o', output);
      const bytes = statSync(output).size;
      expect(stdout).toMatch(new RegExp(`compressed .* with zstd level ${level}, .* % saved`));
      return bytes;
    };
    expect(await sizeOf('19')).toBeLessThanOrEqual(await sizeOf('1'));
  });

  it('is named after the model where only the level is given', async () => {
    await ok('quantize', model, '--zstd-level', '1');
    expect(folder.list()).toEqual(['model-int8.safetensors.zst', 'model.safetensors']);
  });

  it.each([
    [['--zstd-level', '3', '-o', 'plain.safetensors'], /does not end in \.zst/],
    [['--zstd-level', '3', '-o', 'out/'], /does not end in \.zst/],
    [['--zstd-level', '20', '-o', 'o.safetensors.zst'], /19/],
    [['--zstd-level', '0', '-o', 'o.safetensors.zst'], /1/],
    [['-o', 'o.zst'], /ends in \.safetensors/],
  ])('%j is a mistake', async (words, message) => {
    const placed = words.map((word) => (/^o|^plain/.test(word) ? folder.at(word) : word));
    const { code, stderr } = await monoquant('quantize', model, ...placed);
    expect(code, stderr).toBe(2);
    expect(stderr).toMatch(message);
    expect(folder.list()).toEqual(['model.safetensors']);
  });

  it('leaves nothing after a failure, and what was there before stays', async () => {
    writeFileSync(folder.at('o.safetensors.zst'), 'mine');
    const { code } = await monoquant('quantize', model, '-o', folder.at('o.safetensors.zst'));
    expect(code).toBe(2);
    const gate = ['--force', '--fail-under', '90'];
    const failed = await monoquant(
      'quantize',
      model,
      ...gate,
      '-o',
      folder.at('o.safetensors.zst'),
    );
    expect(failed.code).toBe(4);
    expect(readFileSync(folder.at('o.safetensors.zst'), 'utf8')).toBe('mine');
    expect(folder.list()).toEqual(['model.safetensors', 'o.safetensors.zst']);
  });
});

describe('read', () => {
  const ways: [string, (name: string) => unknown][] = [
    [
      'one frame of unknown size',
      (name: string) =>
        writeFileSync(
          folder.at(`${name}.zst`),
          execFileSync('zstd', ['-q'], {
            input: readFileSync(folder.at(name)),
            maxBuffer: 1 << 30,
          }),
        ),
    ],
    [
      'the longest window',
      (name: string) =>
        zstd('--ultra', DEEP ? '-22' : '-12', '--long=27', name, '-o', `${name}.zst`),
    ],
    [
      'many frames',
      (name: string) => {
        const whole = readFileSync(folder.at(name));
        const parts: Buffer[] = [];
        for (let at = 0; at < whole.length; at += 1_000_000) {
          const input = whole.subarray(at, at + 1_000_000);
          writeFileSync(folder.at('part'), input);
          parts.push(zstd('-c', 'part'));
        }
        rmSync(folder.at('part'));
        writeFileSync(folder.at(`${name}.zst`), Buffer.concat(parts));
      },
    ],
  ];
  if (DEEP) {
    ways.push(
      ['one frame', (name) => zstd('-3', name, '-o', `${name}.zst`)],
      ['no checksums', (name) => zstd('--no-check', name, '-o', `${name}.zst`)],
    );
  }
  it.each(ways)('as if it were not compressed: %s', async (_, pack) => {
    largeModel('large.safetensors');
    pack('large.safetensors');
    const words = ['--bits', '4', '-o'];
    await ok('quantize', folder.at('large.safetensors'), ...words, folder.at('a.safetensors'));
    for (const threads of ['1', '3']) {
      const output = folder.at(`b${threads}.safetensors`);
      const packed = folder.at('large.safetensors.zst');
      await ok('quantize', packed, '--threads', threads, ...words, output);
      expect(readFileSync(output).equals(readFileSync(folder.at('a.safetensors')))).toBe(true);
    }
    const catalog = parseCatalog(await ok('info', folder.at('large.safetensors.zst'), '--json'));
    expect(catalog.packedBytes).toBe(statSync(folder.at('large.safetensors.zst')).size);
    expect(catalog.bytes).toBe(statSync(folder.at('large.safetensors')).size);
  });

  it('by every command, whatever the file is called', async () => {
    await ok('quantize', model, '-o', folder.at('q.safetensors.zst'));
    zstd('model.safetensors', '-o', 'noname');
    expect(await ok('info', folder.at('q.safetensors.zst'))).toMatch(
      /format +safetensors in zstd\n/,
    );
    expect(await ok('validate', folder.at('q.safetensors.zst'), '-r', folder.at('noname'))).toMatch(
      /verdict +valid/,
    );
    await ok('compare', folder.at('noname'), folder.at('q.safetensors.zst'));
    await ok('dequantize', folder.at('q.safetensors.zst'), folder.at('back.pt.zst'));
    await ok('convert', folder.at('back.pt.zst'), folder.at('back.safetensors'));
    await ok('compare', folder.at('q.safetensors.zst'), folder.at('back.safetensors'));
  });

  it('shards of a folder, some of them compressed', async () => {
    mkdirSync(folder.at('m'));
    const names = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    names.forEach((name, index) => {
      folder.write(`m/${name}`, [weights(`${index}.weight`, 'F32', [64, 128], index + 1)]);
    });
    await ok('convert', folder.at('m'), folder.at('a.safetensors'));
    zstd(`m/${names[1]}`, '-o', 'second');
    writeFileSync(folder.at(`m/${names[1]}`), readFileSync(folder.at('second')));
    await ok('convert', folder.at('m'), folder.at('b.safetensors'));
    expect(readFileSync(folder.at('b.safetensors'))).toEqual(
      readFileSync(folder.at('a.safetensors')),
    );
  });

  it('leaves no unpacked file, and changes nothing', async () => {
    zstd('model.safetensors', '-o', 'one.zst');
    mkdirSync(folder.at('tmp'));
    const before = readFileSync(folder.at('one.zst'));
    const env = { ...process.env, TMPDIR: folder.at('tmp') };
    const words = [CLI, 'convert', folder.at('one.zst'), folder.at('o.safetensors')];
    const { code, stderr } = await start(process.execPath, words, { env }).finished;
    expect(code, stderr).toBe(0);
    expect(readdirSync(folder.at('tmp'))).toEqual([]);
    expect(readFileSync(folder.at('one.zst'))).toEqual(before);
  });
});

describe('damaged', () => {
  /** Frames with a table, and one frame without. */
  async function packed(): Promise<readonly string[]> {
    largeModel('large.safetensors');
    await ok('convert', folder.at('large.safetensors'), folder.at('table.zst.safetensors.zst'));
    zstd('large.safetensors', '-o', 'whole.zst');
    return ['table.zst.safetensors.zst', 'whole.zst'];
  }

  async function refused(bytes: Uint8Array, message: RegExp): Promise<void> {
    writeFileSync(folder.at('bad.zst'), bytes);
    const output = folder.at('never.safetensors');
    const { code, stderr } = await monoquant('convert', folder.at('bad.zst'), output);
    expect(code, stderr).toBe(5);
    expect(stderr.replace(/\s+/g, ' ')).toMatch(message);
    expect(existsSync(output)).toBe(false);
  }

  it('bytes are never read as a model', async () => {
    for (const name of await packed()) {
      const good = readFileSync(folder.at(name));
      for (const part of DEEP ? [0.1, 0.3, 0.6, 0.8, 0.95] : [0.3, 0.95]) {
        const bad = Buffer.from(good);
        const at = Math.floor(good.length * part);
        bad[at] = (bad[at] ?? 0) ^ 0x10;
        await refused(bad, /checksum|no sound zstd file|zstd frame|frames of a zstd file/);
      }
    }
  });

  it('files that are cut off are told so', async () => {
    for (const name of await packed()) {
      const good = readFileSync(folder.at(name));
      for (const length of [3, ...(DEEP ? [17, 1_000_000] : []), good.length - 10_000]) {
        const cut = good.subarray(0, length);
        await refused(cut, length < 4 ? /safetensors/ : /within a frame/);
      }
    }
  });

  it('tables that lie are found out', async () => {
    const [name = ''] = await packed();
    const good = readFileSync(folder.at(name));
    const frames = good.readUInt32LE(good.length - 9);
    expect(frames).toBeGreaterThan(2);
    const first = good.length - 9 - 8 * frames;
    const lie = async (change: (bytes: Buffer) => void, message: RegExp) => {
      const bad = Buffer.from(good);
      change(bad);
      await refused(bad, message);
    };
    await lie((bad) => bad.writeUInt32LE(FRAME_BYTES - 1, first + 4), /holds|zstd/);
    await lie((bad) => bad.writeUInt32LE(FRAME_BYTES + 1, first + 4), /holds|zstd/);
    await lie((bad) => bad.writeUInt32LE(bad.readUInt32LE(first) + 1, first), /seek table/);
  });

  it('bombs are refused before they go off', async () => {
    // A frame that says it holds 2^50 bytes in blocks for as many.
    const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xc0, 0x38, 0, 0, 0, 0, 0, 0, 4, 0]);
    await refused(Buffer.concat([head, Buffer.from([3, 0, 16, 42])]), /says it holds/);
    // Tables are believed only as far as their frames go.
    const table = Buffer.alloc(8 + 8 + 9);
    table.writeUInt32LE(0x184d2a5e, 0);
    table.writeUInt32LE(17, 4);
    const frame = zstd('-c', 'model.safetensors');
    table.writeUInt32LE(frame.length, 8);
    table.writeUInt32LE(0xffffffff, 12);
    table.writeUInt32LE(1, 16);
    table.writeUInt32LE(0x8f92eab1, 21);
    await refused(Buffer.concat([frame, table]), /room|free|holds|safetensors|ends/);
  });

  it('a dictionary that is not there is named', async () => {
    writeFileSync(folder.at('dictionary'), readFileSync(model).subarray(0, 100_000));
    zstd('-D', 'dictionary', 'model.safetensors', '-o', 'with.zst');
    const bytes = readFileSync(folder.at('with.zst'));
    // A raw dictionary has no number: only its content is missed.
    await refused(bytes, /dictionary|no sound zstd file|checksum/);
  });
});

describe('archives', () => {
  it.each([
    ['tar', ['tar', '-cf'], /tar archive with "m\/model\.safetensors" in it.*tar -xf/],
    [
      'tar.zst',
      ['tar', '--zstd', '-cf'],
      /tar archive with "m\/model\.safetensors" in it.*tar -xf/,
    ],
    ['tar.gz', ['tar', '-czf'], /gzip file.*tar -xzf/],
  ] as const)('a .%s is named, with what unpacks it', async (ending, [tar, ...flags], message) => {
    mkdirSync(folder.at('m'));
    writeFileSync(folder.at('m/model.safetensors'), readFileSync(model));
    writeFileSync(folder.at('m/config.json'), '{}');
    const archive = folder.at(`a.${ending}`);
    execFileSync(tar, [...flags, archive, 'm'], { cwd: folder.path });
    const { code, stderr } = await monoquant('info', archive);
    expect(code, stderr).toBe(5);
    expect(stderr.replace(/\s+/g, ' ')).toMatch(message);
  });
});
