/**
 * What the name of an output says, and how many outputs a line of the command can have.
 * One rule for every door: nothing is written under a name that promises something else; a rehearsal ends as the run.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeEach, describe, expect, it } from 'vitest';
import { convert, dequantize, open, quantize } from '#package/node';
import { Folder, shell } from '../support/cli.js';
import { samples } from '../support/deep.js';
import { failureOf } from '../support/failures.js';
import { filled, weights } from '../support/models.js';
import { writeSafetensors } from '../support/safetensors.js';
import { INDEX } from '../support/shards.js';

const UP = weights('model.layers.0.mlp.up_proj.weight', 'BF16', [64, 128]);
const DOWN = weights('model.layers.0.mlp.down_proj.weight', 'BF16', [128, 64]);
const MODEL = writeSafetensors([UP, DOWN]);
const CONFIG = '{"a": 1.0}\n';
const SHARDS = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'] as const;

const root = new Folder();
const write = (files: Readonly<Record<string, string | Uint8Array>>) => {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(root.at(name)), { recursive: true });
    writeFileSync(root.at(name), content);
  }
};
const run = (line: string) => shell(`cd '${root.path}' && monoquant ${line}`);
const all = () =>
  readdirSync(root.path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => `${parentPath}/${name}`.slice(root.path.length + 1))
    .sort();
const bytes = (name: string) => readFileSync(root.at(name));
/** A safetensors file begins with the length of its header, a PyTorch file is a zip archive. */
const isZip = (name: string) => bytes(name).subarray(0, 2).toString() === 'PK';

/** Every tensor as it is stored. */
async function contentOf(name: string): Promise<readonly string[]> {
  const model = await open(root.at(name));
  const lines: string[] = [];
  for await (const { name, dtype, shape, bytes } of model) {
    lines.push(`${name} ${dtype} ${shape} ${Buffer.from(bytes).toString('base64')}`);
  }
  await model.close();
  return lines.sort();
}

beforeEach(() => {
  for (const name of root.list()) rmSync(root.at(name), { recursive: true });
  write({ 'one.safetensors': MODEL });
});

describe('a name that is none of a file of weights', () => {
  const before = ['one.safetensors', 'q.safetensors'];
  beforeEach(async () => {
    await quantize(root.at('one.safetensors'), { output: root.at('q.safetensors') });
  });

  const names = [
    'x.onnx',
    'x',
    'x.gguf.txt',
    '-',
    'x.json',
    'a.b/x',
    'x.tar.gz',
    'x.safetensors.bak',
  ];
  it.each(samples(names, 3))('%s is refused by every command and call', async (name) => {
    for (const line of [
      `quantize one.safetensors -o ${name}`,
      `quantize one.safetensors --output=${name} --dry-run`,
      `convert one.safetensors ${name}`,
      `convert one.safetensors -o ${name}`,
      `dequantize q.safetensors ${name}`,
    ]) {
      const { code, stdout, stderr } = await run(line);
      expect({ code, stdout, files: all() }, line).toEqual({
        code: 2,
        stdout: '',
        files: before,
      });
      expect(stderr, line).toMatch(/\.safetensors|Name a file/);
    }
    const output = name === '-' ? name : root.at(name);
    const model = root.at('one.safetensors');
    await failureOf(quantize(model, { output }), 'invalid-options');
    await failureOf(convert(model, { output }), 'invalid-options');
    await failureOf(dequantize(root.at('q.safetensors'), { output }), 'invalid-options');
    const result = await quantize(model);
    await failureOf(result.save(output), 'invalid-options');
    await result.close();
    expect(all()).toEqual(before);
  });
});

it.each([
  ['x.safetensors', false],
  ['x.SafeTensors', false],
  ['x.pt', true],
  ['x.pth', true],
  ['x.bin', true],
  ['x.ckpt', true],
])('%s decides what is written, at once and when it is saved', async (name, zip) => {
  const model = root.at('one.safetensors');
  await quantize(model, { output: root.at(name), container: zip ? 'safetensors' : 'pt' });
  expect(isZip(name)).toBe(zip);
  const result = await quantize(model);
  await result.save(root.at(`saved/${name}`));
  await result.save(pathToFileURL(root.at(`url/${name}`)));
  await result.close();
  expect(bytes(`saved/${name}`)).toEqual(bytes(`url/${name}`));
  // Of the same kind it is a copy. Converted, it has the same tensors, whatever their order in the file.
  if (!zip) expect(bytes(`saved/${name}`)).toEqual(bytes(name));
  expect(await contentOf(`saved/${name}`)).toEqual(await contentOf(name));
});

it('is a file: URL as well, wherever a path is', async () => {
  const model = pathToFileURL(root.at('one.safetensors'));
  await quantize(model, { output: pathToFileURL(root.at('a b.safetensors')) });
  await quantize(model.href, { output: root.at('c.safetensors') });
  expect(bytes('a b.safetensors')).toEqual(bytes('c.safetensors'));
  await failureOf(quantize('file://elsewhere/x.safetensors'), 'invalid-options');
  await failureOf(quantize(new URL('ftp://example.org/x.safetensors')), 'invalid-options');
});

it('may be in folders that are not there; they go if the run fails', async () => {
  expect((await run('quantize one.safetensors -o a/b/c.safetensors')).code).toBe(0);
  expect((await run('quantize one.safetensors -o d/e/')).code).toBe(0);
  const made = ['a/b/c.safetensors', 'd/e/model.safetensors', 'one.safetensors'];
  expect(all()).toEqual(made);
  expect((await run('quantize one.safetensors --fail-under 200 -o f/g/c.safetensors')).code).toBe(
    4,
  );
  expect((await run('quantize one.safetensors --fail-under 200 -o f/g/')).code).toBe(4);
  expect((await run('quantize one.safetensors -o h/i.safetensors --dry-run')).code).toBe(0);
  expect(root.list()).toEqual(['a', 'd', 'one.safetensors']);
});

describe('a model that is a folder becomes one', () => {
  const inside = ['config.json', 'generation_config.json', 'model.safetensors'];
  beforeEach(() => {
    write({
      'm/model.safetensors': MODEL,
      'm/config.json': CONFIG,
      'm/generation_config.json': '{}',
    });
  });

  it.each(['m', 'm/', 'm/model.safetensors'])('named as %s', async (model) => {
    for (const output of ['out', 'out/']) {
      for (const [line, target] of [
        [`quantize ${model} -o ${output}`, 'out'],
        [`convert ${model} ${output}`, 'out'],
        ...(model.startsWith('m/m') ? [] : [[`quantize ${model}`, 'm-int8'] as const]),
      ] as const) {
        const { code, stderr } = await run(line);
        expect(code, stderr).toBe(0);
        expect(readdirSync(root.at(target)).sort(), line).toEqual(inside);
        rmSync(root.at(target), { recursive: true });
      }
    }
    await quantize(root.at(model), { output: root.at('api') });
    expect(readdirSync(root.at('api')).sort()).toEqual(inside);
    const result = await quantize(root.at(model));
    await result.save(root.at('saved'));
    await failureOf(result.save(root.at('saved/')), 'output-exists');
    await result.close();
    for (const name of inside) expect(bytes(`saved/${name}`)).toEqual(bytes(`api/${name}`));
  });

  it('also when its codes become floats again', async () => {
    expect((await run('quantize m -o q')).code).toBe(0);
    for (const model of ['q', 'q/model.safetensors']) {
      const { code, stderr } = await run(`dequantize ${model} f`);
      expect(code, stderr).toBe(0);
      expect(readdirSync(root.at('f')).sort()).toEqual(inside);
      rmSync(root.at('f'), { recursive: true });
    }
  });
});

describe('one of numbered files', () => {
  beforeEach(() => {
    write({
      [`m/${SHARDS[0]}`]: writeSafetensors([UP]),
      [`m/${SHARDS[1]}`]: writeSafetensors([DOWN]),
    });
  });

  it.each([
    ['alone', {}],
    ['beside an index', { [`m/${INDEX}`]: index() }],
    ['beside a configuration', { 'm/config.json': CONFIG }],
  ])('stands for all of them: %s', async (_what, files) => {
    write(files);
    for (const shard of SHARDS) {
      const output = root.at(`${shard}.out/`);
      const { report } = await quantize(root.at(`m/${shard}`), { output });
      expect(report.tensors.map(({ name }) => name).sort()).toEqual([DOWN.name, UP.name]);
    }
  });

  it('is no model without the others, but can be looked at', async () => {
    rmSync(root.at(`m/${SHARDS[1]}`));
    for (const line of [`quantize m/${SHARDS[0]}`, `convert m/${SHARDS[0]} o.safetensors`]) {
      const { code, stderr } = await run(line);
      expect(code, line).toBe(5);
      expect(stderr).toContain(SHARDS[1]);
    }
    expect((await run(`info m/${SHARDS[0]}`)).code).toBe(0);
    const model = await open(root.at(`m/${SHARDS[0]}`));
    expect(model.catalog.tensors.map(({ name }) => name)).toEqual([UP.name]);
    await failureOf(model.plan(), 'file-not-found');
    await model.close();
  });

  it('of a PyTorch model is not written alone', async () => {
    write({ 'm/whole.safetensors': writeSafetensors([UP]) });
    const part = root.at('m/pytorch_model-00001-of-00002.bin');
    const only = root.at('m/pytorch_model-00001-of-00001.bin');
    for (const output of [part, only]) await convert(root.at('m/whole.safetensors'), { output });
    const failure = await failureOf(quantize(part, { output: root.at('q.pt') }), 'file-not-found');
    expect(failure.message).toContain('pytorch_model-00002-of-00002.bin');
    const model = await open(part);
    expect(model.names).toEqual([UP.name]);
    await failureOf(model.plan(), 'file-not-found');
    await failureOf(model.convert({ output: root.at('part.safetensors') }), 'file-not-found');
    await model.close();
    await quantize(only, { output: root.at('only.pt') });
  });

  function index(): string {
    return JSON.stringify({ weight_map: { [UP.name]: SHARDS[0], [DOWN.name]: SHARDS[1] } });
  }
});

describe('several outputs of one line', () => {
  it('of several bits stand beside the model, or in a folder', async () => {
    expect((await run('quantize one.safetensors -b 4,8 -b 16')).code).toBe(0);
    const names = ['one-f16.safetensors', 'one-int4.safetensors', 'one-int8.safetensors'];
    expect(all()).toEqual([...names, 'one.safetensors']);
    const quiet = await run('quantize one.safetensors -b 16,4,8 -o out/ -q');
    expect(quiet.stdout.split('\n').sort()).toEqual(['', ...names.map((name) => `out/${name}`)]);
    for (const name of names) expect(bytes(`out/${name}`)).toEqual(bytes(name));
  });

  it('of several models, files and folders, are those of a line each', async () => {
    write({ 'm/model.safetensors': MODEL, 'm/config.json': CONFIG, 'two.safetensors': MODEL });
    const { code, stdout } = await run('quantize one.safetensors m two.safetensors -o out/ --json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toHaveLength(3);
    expect(readdirSync(root.at('out')).sort()).toEqual([
      'm-int8',
      'one-int8.safetensors',
      'two-int8.safetensors',
    ]);
    expect((await run('quantize m -o alone/')).code).toBe(0);
    for (const name of ['config.json', 'model.safetensors']) {
      expect(bytes(`out/m-int8/${name}`)).toEqual(bytes(`alone/${name}`));
    }
  });

  it('do not keep each other from being made', async () => {
    write({ 'bad.safetensors': 'no model', 'two.safetensors': MODEL });
    const { code, stderr, stdout } = await run(
      'quantize bad.safetensors one.safetensors none.safetensors two.safetensors --json',
    );
    expect(code).toBe(5);
    for (const name of ['bad.safetensors', 'none.safetensors']) expect(stderr).toContain(name);
    expect(stderr).toContain('2 of 4');
    expect(JSON.parse(stdout).map((document: object) => 'error' in document)).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect(all().filter((name) => name.includes('int8'))).toHaveLength(2);
  });

  it.each([
    ['quantize one.safetensors -b 4,8 -o x.safetensors', 'folder'],
    ['quantize one.safetensors -b 4,8 -o x', 'folder'],
    ['quantize one.safetensors -b 4,8 --report r.json', 'one run'],
    ['quantize one.safetensors one.safetensors', 'both'],
    ['quantize one.safetensors one.pt -o out/', 'both'],
    ['validate one.safetensors two.safetensors', '--reference'],
  ])('are refused before the work: %s', async (line, said) => {
    const { code, stderr } = await run(line);
    expect({ code, files: all() }).toEqual({ code: 2, files: ['one.safetensors'] });
    expect(stderr).toContain(said);
  });
});

describe('a dry run', () => {
  const NAN = writeSafetensors([
    UP,
    filled('model.layers.0.mlp.gate_proj.weight', 'F32', [64, 128], () => Number.NaN),
  ]);

  it.each([
    ['', 0],
    ['-o taken.safetensors', 2],
    ['-o one.safetensors --force', 2],
    ['-o one.safetensors/x.safetensors', 2],
    ['-o taken.safetensors/', 2],
    ['--ignore nothing.like.this', 2],
    ['-c none.safetensors', 5],
    ['--min-elements 100000000', 3],
    ['--layers conv2d', 3],
    ['-b 4 -g 256 --strict', 4],
    ['-c taken.safetensors -o taken.safetensors --force', 2],
  ])('ends as the run would, and leaves nothing: %s', async (flags, expected) => {
    write({ 'taken.safetensors': 'precious', 'nan.safetensors': NAN });
    const before = all();
    const dry = await run(`quantize one.safetensors ${flags} --dry-run`);
    expect(dry.code, dry.stderr).toBe(expected);
    expect(all()).toEqual(before);
    const wet = await run(`quantize one.safetensors ${flags}`);
    expect(wet.code, wet.stderr).toBe(expected);
    if (expected !== 0) expect(said(dry.stderr)).toBe(said(wet.stderr));
  });

  it('says what only the run can tell, and names no file that is not there', async () => {
    const { code, stdout, stderr } = await run(
      'quantize one.safetensors --dry-run -q --fail-under 99',
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr).toContain('--fail-under');
  });

  function said(text: string): string {
    return text.slice(text.indexOf('monoquant:'));
  }
});
