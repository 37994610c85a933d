/**
 * Weights of several files in an output folder, and the index beside them.
 * What they hold is judged by the one file that they stand for; loaders go by the index.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { dequantize, open, quantize, validate } from '#package/node';
import { Folder, monoquant } from '../support/cli.js';
import { failureOf } from '../support/failures.js';
import { mixedModel, weights } from '../support/models.js';
import { readSafetensors } from '../support/safetensors.js';
import { parseCatalog, parsePlan, parseReport } from '../support/schema.js';
import { dealt, INDEX, indexOf, joined, shardName, shardsOf } from '../support/shards.js';

const QKV = ['q_proj', 'k_proj', 'v_proj'].map((name, index) =>
  weights(`layers.0.attn.${name}.weight`, 'F32', [16, 64 + 0 * index], index),
);
const PARTS = dealt([...mixedModel('F32'), ...QKV], 3);
const SHARDS = shardsOf(PARTS);
const CONFIG = '{\n  "model_type": "test"\n}\n';

const root = new Folder();
const model = root.at('model');

beforeEach(() => {
  for (const name of root.list()) rmSync(root.at(name), { recursive: true });
  mkdirSync(model);
  for (const { name, bytes } of SHARDS) writeFileSync(join(model, name), bytes);
  writeFileSync(join(model, 'config.json'), CONFIG);
  writeFileSync(root.at('one.safetensors'), joined(PARTS));
});

const inFolder = (name = 'out') => readdirSync(root.at(name)).sort();
const names = (count: number) =>
  Array.from({ length: count }, (_, index) => shardName(index + 1, count));

interface Index {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly weight_map: Readonly<Record<string, string>>;
}
const indexIn = (name = 'out'): Index =>
  JSON.parse(readFileSync(root.at(`${name}/${INDEX}`), 'utf8'));

/** Every tensor with its bytes, from the file that the index has it in, and nothing besides. */
function tensorsBy(index: Index, folder: string) {
  const found = new Map<string, { dtype: string; shape: readonly number[]; bytes: Uint8Array }>();
  for (const file of new Set(Object.values(index.weight_map))) {
    const { tensors } = readSafetensors(new Uint8Array(readFileSync(root.at(`${folder}/${file}`))));
    for (const { name, dtype, shape, bytes } of tensors.values()) {
      expect(index.weight_map[name], name).toBe(file);
      found.set(name, { dtype, shape, bytes });
    }
  }
  expect([...found.keys()].sort()).toEqual(Object.keys(index.weight_map).sort());
  return found;
}

/** What one file of the same choices holds. */
async function inOneFile(...words: string[]) {
  const output = root.at('whole.safetensors');
  expect(
    (await monoquant('quantize', root.at('one.safetensors'), '-o', output, ...words)).code,
  ).toBe(0);
  const { tensors } = readSafetensors(new Uint8Array(readFileSync(output)));
  return new Map(
    [...tensors.values()].map(({ name, dtype, shape, bytes }) => [name, { dtype, shape, bytes }]),
  );
}

const run = (...words: string[]) =>
  monoquant('quantize', model, '-o', `${root.at('out')}/`, ...words);

describe('by default', () => {
  it.each([[], ['-b', '4', '--group-size', '32'], ['-b', '16']])(
    'as the model is divided: %j',
    async (...words) => {
      const { code, stderr } = await run(...words);
      expect({ code, stderr }).toMatchObject({ code: 0 });
      expect(inFolder()).toEqual(['config.json', ...names(3), INDEX].sort());
      const index = indexIn();
      expect(tensorsBy(index, 'out')).toEqual(await inOneFile(...words));
      // Each tensor is in the file of the same number.
      for (const [at, { tensors }] of PARTS.entries()) {
        for (const { name } of tensors) {
          const held = Object.keys(index.weight_map).filter(
            (each) => each === name || each.startsWith(`${name}_`),
          );
          for (const each of held) expect(index.weight_map[each]).toBe(shardName(at + 1, 3));
        }
      }
    },
  );

  it('what runs together is decided together, in whichever files it lies', async () => {
    const { stdout } = await run('--json', '-b', '4');
    const siblings = parseReport(stdout).tensors.filter(({ name }) => name.includes('_proj'));
    expect(siblings).toHaveLength(3);
    expect(new Set(siblings.map(({ quantization }) => JSON.stringify(quantization))).size).toBe(1);
    const files = new Set(
      Object.entries(indexIn().weight_map).flatMap(([name, file]) =>
        name.includes('_proj') ? [file] : [],
      ),
    );
    expect(files.size).toBe(3);
  });

  it('the index tells the bytes of all tensors, and keeps what else the model said', async () => {
    const { name, bytes } = indexOf(PARTS, SHARDS);
    const given = {
      ...JSON.parse(new TextDecoder().decode(bytes)),
      metadata: { total_size: 1, who: 'me' },
    };
    writeFileSync(join(model, name), JSON.stringify(given));
    expect((await run()).code).toBe(0);
    const index = indexIn();
    const size = [...tensorsBy(index, 'out').values()].reduce(
      (sum, { bytes }) => sum + bytes.length,
      0,
    );
    expect(index.metadata).toEqual({ total_size: size, who: 'me' });
    expect(Object.keys(index.weight_map)).toEqual(Object.keys(index.weight_map).sort());
  });

  it.each(['convert', 'dequantize'])('%s does so, too', async (command) => {
    expect((await run()).code).toBe(0);
    const { code, stderr } = await monoquant(command, root.at('out'), '-o', `${root.at('back')}/`);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(inFolder('back')).toEqual(['config.json', ...names(3), INDEX].sort());
    if (command === 'convert') {
      expect(tensorsBy(indexIn('back'), 'back')).toEqual(tensorsBy(indexIn(), 'out'));
    }
  });

  it('the bytes do not depend on threads', async () => {
    expect((await run('--threads', '1')).code).toBe(0);
    const first = new Map(inFolder().map((name) => [name, readFileSync(root.at(`out/${name}`))]));
    for (const threads of ['2', '8']) {
      expect((await run('--threads', threads, '--force')).code).toBe(0);
      for (const [name, bytes] of first)
        expect(readFileSync(root.at(`out/${name}`)).equals(bytes), name).toBe(true);
    }
  });
});

describe('--max-shard-size', () => {
  const MOST = 3000;

  it('divides a model of one file', async () => {
    const from = root.at('single');
    mkdirSync(from);
    copyFileSync(root.at('one.safetensors'), join(from, 'model.safetensors'));
    writeFileSync(join(from, 'config.json'), CONFIG);
    const words = ['quantize', from, '-o', `${root.at('out')}/`, '--max-shard-size', '3kB'];
    const report = parseReport((await monoquant(...words, '--json')).stdout);
    expect(report.files.length).toBeGreaterThan(3);
    const index = indexIn();
    expect(tensorsBy(index, 'out')).toEqual(await inOneFile());
    for (const [at, name] of names(report.files.length).entries()) {
      const content = readFileSync(root.at(`out/${name}`));
      expect(content.length).toBe(report.files[at]);
      const { tensors } = readSafetensors(new Uint8Array(content));
      const bytes = [...tensors.values()].reduce((sum, tensor) => sum + tensor.bytes.length, 0);
      const sources = new Set(
        [...tensors.values()].map((tensor) =>
          tensor.name.replace(/_(scale|shape|packed|zero_point)$/, ''),
        ),
      );
      expect(bytes <= MOST || sources.size === 1, name).toBe(true);
    }
  });

  it('none: one file of several', async () => {
    expect((await run('--max-shard-size', 'none')).code).toBe(0);
    expect(inFolder()).toEqual(['config.json', 'model.safetensors']);
    const whole = await inOneFile();
    const { tensors } = readSafetensors(
      new Uint8Array(readFileSync(root.at('out/model.safetensors'))),
    );
    expect(new Set(tensors.keys())).toEqual(new Set(whole.keys()));
  });

  it.each([
    [['--max-shard-size', '0'], 'size'],
    [['--max-shard-size', '5 parsecs'], '5 parsecs'],
    [['--max-shard-size', '-1GB'], 'size'],
    [['--max-shard-size', '1e3'], '1e3'],
  ])('%j is refused', async (words, told) => {
    const { code, stderr } = await run(...words);
    expect(code).toBe(2);
    expect(stderr).toContain(told);
    expect(root.has('out')).toBe(false);
  });

  it('means nothing to an output that is one file', async () => {
    const output = root.at('out.safetensors');
    const { code, stderr } = await monoquant(
      'quantize',
      model,
      '-o',
      output,
      '--max-shard-size',
      '5GB',
    );
    expect({ code, isThere: existsSync(output) }).toEqual({ code: 2, isThere: false });
    expect(stderr).toContain('--max-shard-size');
    expect((await monoquant('quantize', model, '-o', output)).code).toBe(0);
  });

  it('too many files are refused before any work', async () => {
    const from = root.at('many');
    mkdirSync(from);
    const many = Array.from({ length: 1001 }, (_, index) =>
      weights(`layers.${index}.weight`, 'F32', [8, 64]),
    );
    root.write('many/model.safetensors', many);
    const { code, stderr } = await monoquant(
      'quantize',
      from,
      '-o',
      `${root.at('out')}/`,
      '--max-shard-size',
      '1',
    );
    expect(code).toBe(5);
    expect(stderr).toContain('found 1001');
    expect(root.has('out')).toBe(false);
  });
});

describe('a compressed output', () => {
  const packed = root.at('all.safetensors.zst');
  const toPacked = (...words: string[]) => monoquant('quantize', model, '-o', packed, ...words);

  it('is one file, whatever the model is', async () => {
    const whole = root.at('all.safetensors');
    expect((await monoquant('quantize', model, '-o', whole)).code).toBe(0);
    for (const size of ['source', 'none']) {
      const { code, stdout } = await toPacked('--max-shard-size', size, '--force', '--json');
      expect(code).toBe(0);
      expect(parseReport(stdout).files).toEqual([statSync(whole).size]);
      const back = root.at('back.safetensors');
      expect((await monoquant('convert', packed, '-o', back, '--force')).code).toBe(0);
      expect(readFileSync(back).equals(readFileSync(whole)), size).toBe(true);
    }
    const there = ['all.safetensors', 'all.safetensors.zst', 'back.safetensors'];
    expect(root.list().sort()).toEqual([...there, 'model', 'one.safetensors'].sort());
  });

  it('cannot be divided', async () => {
    const divided = ['--max-shard-size', '5GB'];
    const converted = ['convert', model, '-o', packed, ...divided];
    const runs = [toPacked(...divided), toPacked(...divided, '--dry-run'), monoquant(...converted)];
    for (const { code, stderr } of await Promise.all(runs)) {
      expect(code, stderr).toBe(2);
      expect(stderr).toMatch(/--max-shard-size divides.*one file/);
    }
    expect(root.list()).not.toContain('all.safetensors.zst');
    const opened = await open(model);
    const options = { zstdLevel: 3, maxShardSize: '5GB' };
    const failure = await failureOf(opened.plan(options));
    expect(failure.code).toBe('invalid-options');
    expect((await opened.plan({ zstdLevel: 3 })).files).toHaveLength(1);
    await opened.close();
  });

  it('is no folder', async () => {
    const { code, stderr } = await run('--zstd-level', '3');
    expect(code, stderr).toBe(2);
    expect(stderr).toContain('.zst');
    expect(root.has('out')).toBe(false);
  });
});

describe('a PyTorch model in parts', () => {
  const torch = root.at('torch');
  const part = (number: number) =>
    shardName(number, 3).replace('model', 'pytorch_model').replace('safetensors', 'bin');
  const TIED = weights('fc.weight', 'F32', [16, 64], 4);

  beforeEach(async () => {
    mkdirSync(torch);
    for (const [at, { tensors }] of PARTS.entries()) {
      const from = root.write('part.safetensors', tensors);
      const { code } = await monoquant('convert', from, '-o', join(torch, part(at + 1)));
      expect(code).toBe(0);
    }
    writeFileSync(join(torch, 'config.json'), CONFIG);
  });

  const index = () => {
    const map = PARTS.flatMap(({ tensors }, at) => tensors.map(({ name }) => [name, part(at + 1)]));
    const path = join(torch, 'pytorch_model.bin.index.json');
    writeFileSync(path, JSON.stringify({ metadata: {}, weight_map: Object.fromEntries(map) }));
    return path;
  };

  it.each(['folder', 'part', 'index'] as const)(
    'is read as one, named by its %s',
    async (named) => {
      const place = { folder: () => torch, part: () => join(torch, part(2)), index }[named]();
      const { code, stderr } = await monoquant('quantize', place, '-o', `${root.at('out')}/`);
      expect({ code, stderr }).toMatchObject({ code: 0 });
      expect(inFolder()).toEqual(['config.json', ...names(3), INDEX].sort());
      expect(tensorsBy(indexIn(), 'out')).toEqual(await inOneFile());
    },
  );

  it('is what loaders take only if there are no safetensors files', async () => {
    index();
    root.write('torch/model.safetensors', [TIED]);
    const { stdout } = await monoquant('info', torch, '--json');
    expect(parseCatalog(stdout).tensors.map(({ name }) => name)).toEqual([TIED.name]);
  });

  it('that lacks a part is told as such', async () => {
    rmSync(join(torch, part(3)));
    for (const place of [torch, join(torch, part(1))]) {
      const { code, stderr } = await monoquant('quantize', place, '-o', `${root.at('out')}/`);
      expect(code).not.toBe(0);
      expect(stderr).toContain(part(3));
    }
    expect(root.has('out')).toBe(false);
  });

  it('tells what each pickle names', async () => {
    const fixture = join(import.meta.dirname, '../fixtures/torch/hostile_os_system.pt');
    if (existsSync(fixture)) copyFileSync(fixture, join(torch, part(3)));
    const { stdout } = await monoquant('info', torch, '--json');
    const catalog = parseCatalog(stdout);
    expect(catalog.format).toBe('torch-zip');
    expect(catalog.globals.map(({ name }) => name)).toContain('_rebuild_tensor_v2');
  });
});

describe('around it', () => {
  it('validates as a whole, and beside the model', async () => {
    expect((await run('-b', '4')).code).toBe(0);
    const validation = await validate(root.at('out'), { reference: model });
    expect(validation.problems).toEqual([]);
    expect((await monoquant('validate', root.at('out'))).code).toBe(0);
    expect((await monoquant('validate', root.at(`out/${shardName(2, 3)}`))).code).toBe(0);
  });

  it('prints what to load', async () => {
    expect((await run('-q')).stdout).toBe(`${root.at(`out/${INDEX}`)}\n`);
    const { stdout } = await run('--force');
    expect(stdout).toContain('3 and their index');
  });

  it('a dry run tells of them and leaves nothing', async () => {
    const plan = parsePlan((await run('--dry-run', '--json')).stdout);
    expect(plan.files).toHaveLength(3);
    expect(plan.files.reduce((sum, bytes) => sum + bytes, 0)).toBe(plan.sizes.outputBytes);
    expect(root.has('out')).toBe(false);
    const report = parseReport((await run('--json')).stdout);
    expect(report.files).toEqual(plan.files);
  });

  it.each([shardName(2, 3), INDEX])(
    '%s that is there is overwritten only with --force',
    async (name) => {
      mkdirSync(root.at('out'));
      writeFileSync(root.at(`out/${name}`), 'precious');
      for (const words of [[], ['--dry-run']]) {
        expect((await run(...words)).code).toBe(2);
        expect(inFolder()).toEqual([name]);
        expect(readFileSync(root.at(`out/${name}`), 'utf8')).toBe('precious');
      }
      expect((await run('--force')).code).toBe(0);
      expect(indexIn().metadata.total_size).toBeGreaterThan(0);
    },
  );

  it.each([shardName(1, 2), shardName(4, 4), 'model.safetensors'])(
    '%s of an earlier output is no part of this one',
    async (name) => {
      mkdirSync(root.at('out'));
      writeFileSync(root.at(`out/${name}`), 'old');
      const { code, stderr } = await run('--force');
      expect(code).toBe(2);
      expect(stderr).toContain(name);
      expect(inFolder()).toEqual([name]);
    },
  );

  it('in programs: the index is the output, and several files are no bytes of one', async () => {
    const result = await quantize(model, { output: `${root.at('out')}/`, bits: 4 });
    expect(result.output).toBe(root.at(`out/${INDEX}`));
    await failureOf(result.bytes(), 'invalid-options');
    await failureOf(result.blob(), 'invalid-options');
    await result.save(root.at('copy.safetensors'));
    const { tensors } = readSafetensors(new Uint8Array(readFileSync(root.at('copy.safetensors'))));
    expect(new Set(tensors.keys())).toEqual(new Set(tensorsBy(indexIn(), 'out').keys()));
    await result.save(`${root.at('copy')}/`);
    expect(inFolder('copy')).toEqual(inFolder());
    const floats = await dequantize(result.output ?? '', { output: `${root.at('floats')}/` });
    expect(floats.report.files).toHaveLength(3);
  });
});
