/**
 * Folders that loaders take as they are: one model in each, under the names that its library looks for, with a
 * configuration that is true. After a failure every folder is exactly what it was before.
 */
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { Folder, monoquant, shell } from '../support/cli.js';
import { weights } from '../support/models.js';
import { writeSafetensors } from '../support/safetensors.js';
import { encoded, INDEX } from '../support/shards.js';

const MODEL = writeSafetensors([weights('model.layers.0.mlp.up_proj.weight', 'BF16', [64, 128])]);
const CONFIG = '{\n  "a": 1.0\n}\n';

const root = new Folder();

const write = (files: Readonly<Record<string, string | Uint8Array>>) => {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(root.at(name)), { recursive: true });
    writeFileSync(root.at(name), content);
  }
};
const run = (line: string) => shell(`cd '${root.path}' && monoquant ${line}`);
const inFolder = (name: string) => readdirSync(root.at(name)).sort();
const textOf = (name: string) => readFileSync(root.at(name), 'utf8');

beforeEach(() => {
  for (const name of root.list()) rmSync(root.at(name), { recursive: true });
  write({ 'model/model.safetensors': MODEL, 'model/config.json': CONFIG });
});

describe('a folder that holds other weights', () => {
  it.each([
    'model-00001-of-00002.safetensors',
    INDEX,
    'pytorch_model.bin',
    'pytorch_model.bin.index.json',
    'consolidated.safetensors',
    'model.pt',
    'adapter_model.safetensors',
    'adapter_config.json',
    'hf_quant_config.json',
  ])('is refused, whatever is forced, and stays as it is: %s', async (name) => {
    write({ [`out/${name}`]: 'precious' });
    for (const line of [
      'quantize model -o out/',
      'quantize model -o out --force',
      'convert model out/ --force',
    ]) {
      const { code, stderr } = await run(line);
      expect({ code, files: inFolder('out') }, line).toEqual({ code: 2, files: [name] });
      expect(stderr).toContain(name);
      expect(textOf(`out/${name}`)).toBe('precious');
    }
  });

  it('is taken if loaders pass them over, or if it is no folder of a model', async () => {
    write({ 'out/training_args.bin': '', 'out/model.gguf': '', 'out/optimizer.pt': '' });
    expect((await run('quantize model -o out/')).code).toBe(0);
    write({ 'one.safetensors': MODEL, 'models/other.safetensors': 'precious' });
    expect((await run('quantize one.safetensors -o models/')).code).toBe(0);
    expect(inFolder('models')).toEqual(['model.safetensors', 'other.safetensors']);
  });

  it('is refused for a model in one file as well, if it has a configuration', async () => {
    write({ 'one.safetensors': MODEL, 'out/config.json': CONFIG, 'out/pytorch_model.bin': '' });
    expect((await run('quantize one.safetensors -o out/')).code).toBe(2);
    expect(inFolder('out')).toEqual(['config.json', 'pytorch_model.bin']);
  });

  it('is written again where the run before has written all of it', async () => {
    for (const force of ['', '--force']) {
      expect((await run(`quantize model -o out/ ${force}`)).code).toBe(0);
    }
  });
});

describe('a model of diffusers', () => {
  const STEM = 'diffusion_pytorch_model';

  it.each([
    ['one file', { [`unet/${STEM}.safetensors`]: MODEL }],
    ['one file of a variant', { [`unet/${STEM}.fp16.safetensors`]: MODEL }],
    [
      'numbered files',
      {
        [`unet/${STEM}-00001-of-00001.safetensors`]: MODEL,
        [`unet/${STEM}.safetensors.index.json`]: JSON.stringify({
          weight_map: {
            'model.layers.0.mlp.up_proj.weight': `${STEM}-00001-of-00001.safetensors`,
          },
        }),
      },
    ],
  ])('keeps the name that it is looked for under: %s', async (_what, files) => {
    write({ ...files, 'unet/config.json': '{"_class_name": "UNet2DConditionModel"}' });
    const expected = ['config.json', `${STEM}.safetensors`];
    for (const [index, line] of [
      'quantize unet -o out',
      'convert unet/ out/',
      'dequantize unet-int8 out',
    ].entries()) {
      if (index === 2) expect((await run('quantize unet')).code).toBe(0);
      const { code, stderr } = await run(line);
      expect(code, stderr).toBe(0);
      expect(inFolder('out')).toEqual(expected);
      rmSync(root.at('out'), { recursive: true });
    }
  });

  it('is one of several in a pipeline', async () => {
    write({ 'pipe/model_index.json': '{}', [`pipe/unet/${STEM}.safetensors`]: MODEL });
    const { code, stderr } = await run('quantize pipe');
    expect(code).toBe(5);
    expect(stderr).toContain('one of them');
  });
});

describe('a cache of downloads', () => {
  const SNAPSHOT = 'hub/models--org--small/snapshots/abc';
  const linked = () => readdirSync(root.at('hub'), { recursive: true }).sort();

  beforeEach(() => {
    write({
      'hub/models--org--small/blobs/b1': MODEL,
      'hub/models--org--small/blobs/b2': CONFIG,
      'hub/models--org--small/blobs/b3': 'other',
    });
    mkdirSync(root.at(SNAPSHOT), { recursive: true });
    const names = { 'model.safetensors': 'b1', 'config.json': 'b2', 'README.md': 'b3' };
    for (const [name, blob] of Object.entries(names)) {
      symlinkSync(`../../blobs/${blob}`, root.at(`${SNAPSHOT}/${name}`));
    }
  });

  it.each([
    [`quantize ${SNAPSHOT}`, 'small-int8'],
    [`quantize ${SNAPSHOT}/ -o out/`, 'out'],
    [`convert ${SNAPSHOT} out/`, 'out'],
  ])('is read through its links, and left alone: %s', async (line, output) => {
    const before = linked();
    const { code, stderr } = await run(line);
    expect(code, stderr).toBe(0);
    expect(inFolder(output)).toEqual(['README.md', 'config.json', 'model.safetensors']);
    // Files, not links to what another tool may remove.
    for (const name of inFolder(output)) {
      expect(lstatSync(root.at(`${output}/${name}`)).isFile()).toBe(true);
    }
    expect(linked()).toEqual(before);
  });

  it('gets no output beside a file of it', async () => {
    const before = linked();
    expect((await run(`quantize hub/models--org--small/blobs/b1`)).code).toBe(0);
    expect((await run(`quantize ${SNAPSHOT}/model.safetensors`)).code).toBe(0);
    expect(linked()).toEqual(before);
    expect(root.list()).toEqual(['b1-int8.safetensors', 'hub', 'model', 'model-int8.safetensors']);
  });

  it.each([
    'hub/models--org--small/blobs/new.safetensors',
    'hub/models--org--small/snapshots/new/',
    `${SNAPSHOT}/model.safetensors`,
    'link.safetensors',
  ])('is no place to write to: %s', async (output) => {
    symlinkSync('hub/models--org--small/blobs/b3', root.at('link.safetensors'));
    const before = linked();
    const { code, stderr } = await run(`quantize model/model.safetensors --force -o ${output}`);
    expect(code).toBe(2);
    expect(stderr).toContain('cache');
    expect(linked()).toEqual(before);
    expect(textOf('hub/models--org--small/blobs/b3')).toBe('other');
    expect(readlinkSync(root.at('link.safetensors'))).toBe('hub/models--org--small/blobs/b3');
  });
});

describe('config.json of an output', () => {
  it('keeps its bytes, whatever its encoding', async () => {
    const config =
      '{\r\n    "name": "é",\r\n    "limit": [0.0, Infinity],\r\n    "seed": 12345678901234567890\r\n}\r\n';
    write({ 'model/config.json': encoded(config, 'utf-16le') });
    expect((await run('convert model copy/')).code).toBe(0);
    expect(readFileSync(root.at('copy/config.json'))).toEqual(
      Buffer.from(encoded(config, 'utf-16le')),
    );
    expect((await run('quantize model -o out/')).code).toBe(0);
    const text = readFileSync(root.at('out/config.json')).toString('utf16le');
    const kept = config.slice(0, -'\r\n}\r\n'.length);
    expect(text.startsWith(`\uFEFF${kept},\r\n    "quantization_config": {\r\n        "`)).toBe(
      true,
    );
  });

  it.each([
    ['quantize model --bits 16 -o out/', 'float16'],
    ['quantize model -o out/', 'bfloat16'],
    ['convert model out/', 'bfloat16'],
    ['dequantize model-int8 out/', 'bfloat16'],
    ['dequantize model-int8 out/ --dtype F32', 'float32'],
    ['dequantize model-int8 out/ --dtype F16', 'float16'],
  ])('names the type of the floats in all parts: %s', async (line, type) => {
    const named = (name: string) =>
      `{"torch_dtype": "${name}", "text_config": {"dtype": "${name}"}}`;
    write({ 'model/config.json': named('bfloat16') });
    expect((await run('quantize model -q')).code).toBe(0);
    const { code, stderr } = await run(line);
    expect(code, stderr).toBe(0);
    const { quantization_config: _, ...config } = JSON.parse(textOf('out/config.json'));
    expect(config).toEqual(JSON.parse(named(type)));
  });

  it('says nothing of codes beside floats, and no other file does', async () => {
    expect((await run('quantize model -o out/')).code).toBe(0);
    const config = JSON.parse(textOf('out/config.json'));
    const said = config.quantization_config;
    const parts = { text_config: { quantization_config: said, dtype: 'x' } };
    write({
      'out/config.json': JSON.stringify({ ...config, quantization: { bits: 8 }, ...parts }),
      'out/hf_quant_config.json': '{}',
    });
    expect((await run('dequantize out back/')).code).toBe(0);
    expect(inFolder('back')).toEqual(['config.json', 'model.safetensors']);
    expect(JSON.parse(textOf('back/config.json'))).toEqual({ a: 1, text_config: { dtype: 'x' } });
    // Copies are copies.
    expect((await run('convert out copy/')).code).toBe(0);
    expect(inFolder('copy')).toEqual(['config.json', 'hf_quant_config.json', 'model.safetensors']);
  });

  it("has GPTQ's configuration twice, and that of other formats once", async () => {
    const places = { gptq: 'quantize_config.json', awq: undefined, mlx: undefined };
    for (const [format, place] of Object.entries(places)) {
      expect((await run(`quantize model --format ${format} -o ${format}/`)).code).toBe(0);
      const beside = ['config.json', 'model.safetensors', ...(place === undefined ? [] : [place])];
      expect(inFolder(format)).toEqual(beside);
    }
    const said = JSON.parse(textOf('gptq/config.json')).quantization_config;
    expect(said.quant_method).toBe('gptq');
    expect(JSON.parse(textOf('gptq/quantize_config.json'))).toEqual(said);
  });

  it('is never written for a model with an adapter', async () => {
    write({ 'model/adapter_config.json': '{}', 'model/adapter_model.safetensors': MODEL });
    for (const line of [
      'quantize model -o out/',
      'quantize model --dry-run',
      'convert model out/',
      'quantize model/model.safetensors -o out/',
    ]) {
      const { code, stderr } = await run(line);
      expect({ code, isThere: root.has('out') }, line).toEqual({ code: 5, isThere: false });
      expect(stderr).toContain('Merge');
    }
  });

  it('needs a list of modules that can be read', async () => {
    write({
      'model/modules.json': '[{"path": "1_Pooling",}]',
      'model/1_Pooling/config.json': '{}',
    });
    const { code, stderr } = await run('quantize model -o out/');
    expect({ code, isThere: root.has('out') }).toEqual({ code: 5, isThere: false });
    expect(stderr).toContain('modules.json');
    write({ 'model/modules.json': encoded('[{"path": "1_Pooling"}]', 'utf-16le') });
    write({ 'model/1_Pooling/x.safetensors': MODEL });
    expect((await run('quantize model -o out/')).code).toBe(0);
    expect(inFolder('out/1_Pooling')).toEqual(['config.json', 'x.safetensors']);
  });
});

it.each(['utf-8 with a mark', 'utf-16le', 'utf-16be'] as const)(
  'choices in %s are those that were written',
  async (encoding) => {
    const choices = '{\r\n  "bits": 4,\r\n  "groupSize": 32\r\n}\r\n';
    write({ 'options.json': encoded(choices, encoding) });
    const { stdout } = await run('quantize model --config options.json --json -o out/');
    expect(JSON.parse(stdout).configuration).toMatchObject({ bits: 4, groupSize: 32 });
  },
);

it.each(['NaN', 'Infinity', '-Infinity'])('%s is no choice', async (value) => {
  write({ 'options.json': `{"minElements": ${value}}` });
  const { code, stderr } = await monoquant(
    'quantize',
    root.at('model'),
    '--config',
    root.at('options.json'),
  );
  expect(code).toBe(2);
  expect(stderr).toContain('minElements');
});
