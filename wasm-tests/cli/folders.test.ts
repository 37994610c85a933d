/**
 * Folders and indices where a model is named, and folders as outputs.
 * It exists because models of any size come as folders, and loaders want folders back.
 * After a failure every folder is exactly what it was before.
 */
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { quantize } from '#package/node';
import { Folder, monoquant, shell } from '../support/cli.js';
import { mixedModel, weights } from '../support/models.js';
import { readSafetensors, tensorOf } from '../support/safetensors.js';
import { parseCatalog, parseReport } from '../support/schema.js';
import { dealt, INDEX, indexOf, joined, shardName, shardsOf } from '../support/shards.js';

const PARTS = dealt(mixedModel('F32'), 3);
const SHARDS = shardsOf(PARTS);
/** What an output folder gets of weights. */
const WRITTEN = [...SHARDS.map(({ name }) => name), INDEX];
const CONFIG = '{\n  "model_type": "test",\n  "initializer_factor": 1.0,\n  "eps": 1e-05\n}\n';

const root = new Folder();
const model = root.at('model');
const one = root.at('one.safetensors');

beforeEach(() => {
  for (const name of root.list()) rmSync(root.at(name), { recursive: true });
  mkdirSync(model);
  for (const { name, bytes } of SHARDS) writeFileSync(root.at(`model/${name}`), bytes);
  writeFileSync(root.at('model/config.json'), CONFIG);
  writeFileSync(one, joined(PARTS));
});

const addIndex = () => {
  const { name, bytes } = indexOf(PARTS, SHARDS);
  writeFileSync(root.at(`model/${name}`), bytes);
  return root.at(`model/${name}`);
};

const inModel = () => readdirSync(model).sort();

describe('a folder', () => {
  it('is quantized into a folder beside it, the same as its tensors in one file', async () => {
    const before = inModel();
    const words = ['quantize', `${model}/`, '--max-shard-size', 'none', '-q'];
    expect((await monoquant(...words)).stdout).toBe(`${root.at('model-int8/model.safetensors')}\n`);
    expect((await monoquant('quantize', one)).code).toBe(0);
    const outputs = ['model-int8/model', 'one-int8'].map((name) =>
      readFileSync(root.at(`${name}.safetensors`)),
    );
    expect(outputs[0]?.equals(outputs[1] ?? Buffer.alloc(0))).toBe(true);
    expect(inModel()).toEqual(before);
  });

  it('of 100,000 numbered files is refused in seconds', async () => {
    const crowd = root.at('crowd');
    mkdirSync(crowd);
    for (let number = 1; number <= 100_000; number += 1) {
      writeFileSync(join(crowd, shardName(number, 100_000)), '');
    }
    const begin = performance.now();
    const { code, stderr } = await monoquant('info', crowd);
    // An answer that takes the square of their number takes a minute and a half.
    expect(performance.now() - begin).toBeLessThan(15_000);
    expect(code).toBe(5);
    expect(stderr).toContain('1 to 1000 files');
  });

  it('may be the one that the shell is in', async () => {
    const { code } = await shell(`cd '${model}' && monoquant quantize .`);
    expect(code).toBe(0);
    expect(root.has(`model-int8/${INDEX}`)).toBe(true);
  });

  it('is shown with the number of its files', async () => {
    expect((await monoquant('info', model)).stdout).toContain('safetensors, 3 files');
    const { files } = parseCatalog((await monoquant('info', model, '--json')).stdout);
    expect(files).toEqual([1, 2, 3].map((number) => shardName(number, 3)));
  });

  it('is what files of a cache that are links lead to', async () => {
    mkdirSync(root.at('links'));
    for (const { name } of SHARDS) symlinkSync(`../model/${name}`, root.at(`links/${name}`));
    expect((await monoquant('info', root.at('links'))).stdout).toContain('3 files');
  });

  it('may hold a single model', async () => {
    mkdirSync(root.at('single'));
    writeFileSync(root.at('single/model.safetensors'), joined(PARTS));
    const { stdout } = await monoquant('info', root.at('single'), '--json');
    expect(parseCatalog(stdout).files).toBeUndefined();
  });

  it('is taken by every command', async () => {
    const small = root.at('small.safetensors');
    const words = [
      ['quantize', model, '-o', small, '--report', root.at('report.json')],
      ['validate', small, '--reference', model],
      ['validate', small, '--reference', addIndex()],
      ['compare', model, small],
      ['compare', one, model, '--fail-under', '1000'],
      ['convert', model, root.at('copy.pt')],
      ['quantize', model, '--dry-run'],
    ];
    for (const line of words) {
      const { code, stderr } = await monoquant(...line);
      expect(code, `${line.join(' ')}\n${stderr}`).toBe(0);
    }
    // Nothing in it is quantized.
    const dequantized = await monoquant('dequantize', model, root.at('d.safetensors'));
    expect(dequantized.code).toBe(3);
    const { stdout } = await monoquant('compare', one, root.at('copy.pt'), '--json');
    expect(JSON.parse(stdout).tensors).toHaveLength(mixedModel('F32').length);
  });

  it('is calibrated, and what was found is put beside it', async () => {
    const inputs = root.write('inputs.safetensors', [weights('fc', 'F32', [64, 160])]);
    expect((await monoquant('calibrate', model, inputs)).code).toBe(0);
    const calibration = root.at('model_calibration.json');
    const output = root.at('static.safetensors');
    expect((await monoquant('quantize', model, '-c', calibration, '-o', output)).code).toBe(0);
    const file = readSafetensors(new Uint8Array(readFileSync(output)));
    expect(tensorOf(file, 'fc.input_scale').shape).toEqual([1]);
  });

  it('that lacks a file is told so, and nothing is written', async () => {
    rmSync(root.at(`model/${shardName(2, 3)}`));
    const before = root.list();
    const { code, stderr } = await monoquant('quantize', model);
    expect(code).toBe(5);
    expect(stderr.replace(/\s+/g, ' ')).toContain(`"${shardName(2, 3)}" is missing`);
    expect(root.list()).toEqual(before);
  });

  it('none of its files is overwritten, whatever is forced', async () => {
    addIndex();
    for (const name of [shardName(2, 3), INDEX]) {
      const before = readFileSync(root.at(`model/${name}`));
      const words = ['quantize', model, '--force'];
      const target = root.at(`model/${name}`);
      expect((await monoquant(...words, '-o', target)).code).toBe(2);
      expect(
        (await monoquant(...words, '-o', root.at('o.safetensors'), '--report', target)).code,
      ).toBe(2);
      expect(readFileSync(target).equals(before)).toBe(true);
    }
    expect(root.has('o.safetensors')).toBe(false);
  });
});

describe('an index', () => {
  it('is named instead of its folder', async () => {
    const index = addIndex();
    expect((await monoquant('quantize', index)).code).toBe(0);
    expect(root.has(`model-int8/${INDEX}`)).toBe(true);
    expect((await monoquant('info', model)).stdout).toContain('3 files');
  });

  it('that is not there is told with what is', async () => {
    addIndex();
    const { code, stderr } = await monoquant('info', root.at(`model/modle.safetensors.index.json`));
    expect(code).toBe(5);
    expect(stderr).toContain(INDEX);
  });
});

describe('a folder as output', () => {
  const config = () => JSON.parse(readFileSync(root.at('out/config.json'), 'utf8'));
  const quantize = (...words: string[]) =>
    monoquant('quantize', model, '-o', `${root.at('out')}/`, ...words);

  it('gets the model, and the configuration that loaders ask for', async () => {
    const report = parseReport((await quantize('--max-shard-size', 'none', '--json')).stdout);
    expect(readdirSync(root.at('out')).sort()).toEqual(['config.json', 'model.safetensors']);
    const output = new Uint8Array(readFileSync(root.at('out/model.safetensors')));
    expect(output.length).toBe(report.sizes.outputBytes);
    const file = readSafetensors(output);
    expect(tensorOf(file, 'fc.weight').dtype).toBe('I8');
    const { quantization_config: added, ...others } = config();
    expect(others).toEqual(JSON.parse(CONFIG));
    expect(added).toEqual(JSON.parse(file.metadata.quantization_config ?? ''));
    // As Python wrote it: 1.0 is a float there, 1 is none.
    expect(readFileSync(root.at('out/config.json'), 'utf8')).toContain(
      '"initializer_factor": 1.0,',
    );
  });

  it('does not replace what was said of other codes', async () => {
    writeFileSync(root.at('model/config.json'), '{"quantization_config":{"old":true},"a":1}');
    const { code, stderr } = await quantize('--bits', '4');
    expect({ code, isThere: root.has('out') }).toEqual({ code: 3, isThere: false });
    expect(stderr).toContain('quantization_config');
  });

  it('says once what its codes are', async () => {
    writeFileSync(root.at('model/config.json'), '{"quantization_config":null,"a":1}');
    expect((await quantize('--bits', '4')).code).toBe(0);
    expect(config()).toMatchObject({ a: 1, quantization_config: { format: 'pack-quantized' } });
    // Readers differ in which of two they take.
    const text = readFileSync(root.at('out/config.json'), 'utf8');
    expect(text.split('"quantization_config"')).toHaveLength(2);
  });

  it('takes the configuration as it is where nothing becomes codes', async () => {
    expect((await quantize('--bits', '16')).code).toBe(0);
    expect(readFileSync(root.at('out/config.json'), 'utf8')).toBe(CONFIG);
  });

  it('needs no configuration', async () => {
    rmSync(root.at('model/config.json'));
    expect((await quantize()).code).toBe(0);
    expect(readdirSync(root.at('out')).sort()).toEqual(WRITTEN);
  });

  it.each([{ name: 'config.json' }, { name: shardName(1, 3) }])(
    'overwrites $name only with --force',
    async ({ name }) => {
      mkdirSync(root.at('out'));
      writeFileSync(root.at(`out/${name}`), 'precious');
      expect((await quantize()).code).toBe(2);
      expect(readdirSync(root.at('out'))).toEqual([name]);
      expect(readFileSync(root.at(`out/${name}`), 'utf8')).toBe('precious');
      expect((await quantize('--force')).code).toBe(0);
      expect(config().quantization_config).toBeDefined();
    },
  );

  it('is never that of the model', async () => {
    const before = inModel();
    const { code } = await monoquant('quantize', model, '-o', model, '--force');
    expect(code).toBe(2);
    expect(inModel()).toEqual(before);
    expect(readFileSync(root.at('model/config.json'), 'utf8')).toBe(CONFIG);
  });

  it.each([
    ['a gate that stays closed', ['--fail-under', '1000'], CONFIG, 4],
    ['a report in the place of the configuration', ['--report', 'out/config.json'], CONFIG, 2],
    ['a configuration that is none', [], '[1.0]', 5],
    ['a plan alone', ['--dry-run'], CONFIG, 0],
  ])('is not left behind by %s', async (_what, words, content, expected) => {
    writeFileSync(root.at('model/config.json'), content);
    const line = ['quantize', model, '-o', 'out/', ...words].join(' ');
    const { code } = await shell(`cd '${root.path}' && monoquant ${line}`);
    expect(code).toBe(expected);
    expect(root.list()).toEqual(['model', 'one.safetensors']);
  });

  it('is not made where there is a file', async () => {
    writeFileSync(root.at('out'), 'precious');
    const { code, stderr } = await quantize();
    expect(code).toBe(2);
    expect(stderr).toContain('found a file');
    expect(readFileSync(root.at('out'), 'utf8')).toBe('precious');
  });

  it('is made with the folders that it lies in', async () => {
    expect((await monoquant('quantize', model, '-o', `${root.at('a/b')}/`)).code).toBe(0);
    expect(root.has(`a/b/${INDEX}`)).toBe(true);
  });
});

describe('what stands beside the weights', () => {
  const SIDE = {
    'tokenizer.json': '{"version":"1.0"}',
    'chat_template.jinja': '{{ messages }}',
    'generation_config.json': '{"eos_token_id":2}',
    'merges.txt': '#version: 0.2',
    'tokenizer.model': 'sentencepiece',
    'modeling_own.py': 'pass',
    LICENSE: 'MIT',
    '1_Pooling/config.json': '{"pooling_mode_mean_tokens":true}',
    '2_Dense/model.safetensors': 'weights of a layer behind the model',
    'modules.json': '[{"path":""},{"path":"1_Pooling"},{"path":"2_Dense"}]',
  };
  const LEFT_BEHIND = {
    'pytorch_model-00001-of-00002.bin': 'other weights',
    'tf_model.h5': 'other weights',
    'onnx/model.onnx': 'weights of another runtime',
    'onnx/config.json': '{}',
    'original/consolidated.00.pth': 'other weights',
    'original/params.json': '{}',
    '.cache/huggingface': 'hidden',
    '.gitattributes': 'hidden',
  };
  const write = (files: Readonly<Record<string, string>>) => {
    for (const [name, content] of Object.entries(files)) {
      const path = root.at(`model/${name}`);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, content);
    }
  };
  const filesIn = (folder: string) =>
    readdirSync(root.at(folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(root.at(folder), join(entry.parentPath, entry.name)))
      .sort();
  const besides = (...weights: string[]) =>
    [...Object.keys(SIDE), 'config.json', ...weights].sort();
  const EXPECTED = besides(...WRITTEN);
  const AS_ONE_FILE = besides('model.safetensors');

  beforeEach(() => write({ ...SIDE, ...LEFT_BEHIND }));

  it('is the same from JavaScript', async () => {
    await shell(`cd '${root.path}' && monoquant quantize model -o out/`);
    const { output, report } = await quantize(root.at('model'), { output: `${root.at('again')}/` });
    expect(output).toBe(root.at(`again/${INDEX}`));
    expect(report.outputConfig.quantization).not.toBeNull();
    expect(filesIn('again')).toEqual(EXPECTED);
    for (const name of EXPECTED) {
      const [one, other] = ['out', 'again'].map((folder) =>
        readFileSync(root.at(`${folder}/${name}`)),
      );
      expect(other?.equals(one ?? Buffer.of()), name).toBe(true);
    }
  });

  it.each([
    ['quantize', ['quantize', 'model', '-o', 'out/']],
    ['quantize, from the index', ['quantize', `model/${INDEX}`, '-o', 'out/']],
    ['convert', ['convert', 'model', 'out/']],
    ['quantize, to a name without a slash', ['quantize', 'model', '-o', 'out']],
    ['convert, to a name without a slash', ['convert', 'model', 'out']],
  ])('goes along with what %s writes', async (_what, words) => {
    addIndex();
    const { code, stderr } = await shell(`cd '${root.path}' && monoquant ${words.join(' ')}`);
    expect(stderr).not.toContain('error');
    expect(code).toBe(0);
    expect(filesIn('out')).toEqual(EXPECTED);
    for (const [name, content] of Object.entries(SIDE)) {
      expect(readFileSync(root.at(`out/${name}`), 'utf8'), name).toBe(content);
    }
  });

  it('goes along with what is dequantized, whose configuration says nothing of codes any more', async () => {
    writeFileSync(root.at('model/config.json'), '{\n  "a": 1.0,\n  "dtype": "bfloat16"\n}\n');
    for (const line of ['quantize model -o out', 'dequantize out/ back/ --dtype f16']) {
      mkdirSync(root.at('out'), { recursive: true });
      expect((await shell(`cd '${root.path}' && monoquant ${line}`)).code, line).toBe(0);
    }
    expect(filesIn('back')).toEqual(EXPECTED);
    const config = readFileSync(root.at('back/config.json'), 'utf8');
    expect(config).not.toContain('quantization_config');
    expect(config).toContain('"a": 1.0');
  });

  const asOneFile = () => {
    for (const { name } of SHARDS) rmSync(root.at(`model/${name}`));
    renameSync(one, root.at('model/model.safetensors'));
  };

  it('goes along with one weights file, too, to names without a slash', async () => {
    asOneFile();
    for (const line of ['quantize model -o out', 'convert out copy', 'dequantize out back']) {
      const words = [...line.split(' '), '--quiet'];
      const { code, stdout, stderr } = await shell(
        `cd '${root.path}' && monoquant ${words.join(' ')}`,
      );
      expect(code, `${line}\n${stderr}`).toBe(0);
      const output = words.at(-2) ?? '';
      expect(stdout).toBe(`${output}/model.safetensors\n`);
      expect(filesIn(output)).toEqual(AS_ONE_FILE);
    }
    const result = await quantize(root.at('model'), { output: root.at('again') });
    expect(result.output).toBe(root.at('again/model.safetensors'));
    expect(filesIn('again')).toEqual(AS_ONE_FILE);
  });

  it('goes along from JavaScript, and with a weights file that was named in its folder', async () => {
    asOneFile();
    const result = await quantize(root.at('model/model.safetensors'), { output: root.at('out/') });
    expect(result.output).toBe(root.at('out/model.safetensors'));
    await result.close();
    expect(filesIn('out')).toEqual(AS_ONE_FILE);
  });

  it('is not replaced without force, and nothing of a run that failed stays', async () => {
    mkdirSync(root.at('out'));
    writeFileSync(root.at('out/tokenizer.json'), 'precious');
    expect((await monoquant('quantize', model, '-o', root.at('out'))).code).toBe(2);
    expect(filesIn('out')).toEqual(['tokenizer.json']);
    expect(readFileSync(root.at('out/tokenizer.json'), 'utf8')).toBe('precious');
    expect((await monoquant('quantize', model, '-o', root.at('out'), '--force')).code).toBe(0);
    expect(filesIn('out')).toEqual(EXPECTED);
  });

  it('does not hold an output that was written into the folder itself', async () => {
    for (const force of [[], ['--force']]) {
      const out = `${root.at('model/small')}/`;
      expect((await monoquant('quantize', model, '-o', out, ...force)).code).toBe(0);
      expect(filesIn('model/small')).toEqual(EXPECTED);
    }
  });

  it('may include the report of the run', async () => {
    const report = root.at('out/report.json');
    const { code } = await monoquant(
      'quantize',
      model,
      '-o',
      `${root.at('out')}/`,
      '--report',
      report,
    );
    expect(code).toBe(0);
    expect(filesIn('out')).toEqual([...EXPECTED, 'report.json'].sort());
    const place = root.at('two/tokenizer.json');
    const words = ['quantize', model, '-o', `${root.at('two')}/`, '--report', place];
    expect((await monoquant(...words)).code).toBe(2);
    expect(root.has('two')).toBe(false);
  });
});
