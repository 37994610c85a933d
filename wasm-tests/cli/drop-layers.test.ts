/**
 * Whole layers that are left out of a model, as the command does it.
 * It exists because a loader asks for layers by number: one too few, or a number left free, and the model is not read.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { Folder, monoquant } from '../support/cli.js';
import { weights } from '../support/models.js';
import { readSafetensors } from '../support/safetensors.js';
import { parsePlan, parseReport } from '../support/schema.js';

const folder = new Folder();
const LAYERS = 4;
const CONFIG = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  num_hidden_layers: LAYERS,
  num_attention_heads: LAYERS,
  layer_types: ['full', 'sliding', 'chunked', 'linear'],
  mlp_only_layers: [0, 3],
  first_k_dense_replace: 2,
  eos_token_id: [1, 2, 3, 4],
};

const tensors = Array.from({ length: LAYERS }, (_, index) => [
  weights(`model.layers.${index}.mlp.up_proj.weight`, 'F32', [32, 64], index + 1),
  weights(`model.layers.${index}.input_layernorm.weight`, 'F32', [64], index + 1),
  weights(`model.layers.${index}.mlp.experts.0.w1.weight`, 'F32', [16, 64], index + 1),
  weights(`model.layers.${index}.mlp.experts.1.w1.weight`, 'F32', [16, 64], index + 1),
]).flat();
const all = [
  weights('model.embed_tokens.weight', 'F32', [64, 64]),
  weights('visual.blocks.0.weight', 'F32', [32, 64]),
  weights('visual.blocks.1.weight', 'F32', [32, 64]),
  ...tensors,
];
let model = '';

beforeEach(() => {
  for (const name of folder.list()) rmSync(folder.at(name), { recursive: true });
  mkdirSync(folder.at('model'));
  model = folder.at('model');
  folder.write('model/model.safetensors', all);
  writeFileSync(folder.at('model/config.json'), JSON.stringify(CONFIG, null, 2));
});

async function ok(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await monoquant(...words);
  expect(code, stderr).toBe(0);
  return stdout;
}

const namesIn = (path: string) => [...readSafetensors(readFileSync(path)).tensors.keys()];
const bytesIn = (path: string, name: string) =>
  readSafetensors(readFileSync(path)).tensors.get(name)?.bytes;

describe('--drop', () => {
  it('leaves layers out, and numbers the others and what is said of them anew', async () => {
    await ok('quantize', model, '-o', folder.at('whole/'));
    const words = ['--drop', 'model.layers.1', '--drop', 'model.layers.2.*'];
    const { outputConfig, configuration } = parseReport(
      await ok('quantize', model, ...words, '-o', folder.at('out/'), '--json'),
    );
    expect(outputConfig.layers).toEqual({ total: LAYERS, kept: [0, 3] });
    expect(configuration.drop).toEqual(['model.layers.1', 'model.layers.2.*']);
    const [before, after] = ['whole', 'out'].map((name) => folder.at(`${name}/model.safetensors`));
    const numbers = namesIn(after ?? '').flatMap((name) => /layers\.(\d+)/.exec(name)?.[1] ?? []);
    expect(new Set(numbers)).toEqual(new Set(['0', '1']));
    for (const part of ['mlp.up_proj.weight', 'input_layernorm.weight']) {
      const bytes = bytesIn(after ?? '', `model.layers.1.${part}`);
      expect(bytes).toEqual(bytesIn(before ?? '', `model.layers.3.${part}`));
      expect(bytes?.length).toBeGreaterThan(0);
    }
    expect(namesIn(after ?? '')).toContain('visual.blocks.1.weight');
    const config = JSON.parse(readFileSync(folder.at('out/config.json'), 'utf8'));
    expect(config).toMatchObject({
      num_hidden_layers: 2,
      num_attention_heads: LAYERS,
      layer_types: ['full', 'linear'],
      mlp_only_layers: [0, 1],
      first_k_dense_replace: 1,
      eos_token_id: [1, 2, 3, 4],
    });
    expect(JSON.stringify(config.quantization_config)).not.toMatch(/layers\.[23]/);
    await ok('validate', folder.at('out/'));
  });

  it('says so in the plan, and of a single file what has to be changed beside it', async () => {
    const words = ['quantize', model, '--drop', 'model.layers.3', '--dry-run'];
    expect(await ok(...words)).toMatch(/left out +model\.layers\.3; .*config\.json has to count/);
    const plan = parsePlan(await ok(...words, '--json'));
    expect(plan.tensors).toHaveLength(all.length - 4);
    const file = folder.at('out.safetensors');
    const single = folder.write('one.safetensors', all);
    expect(
      await ok('quantize', single, '--drop', 're:model\\.layers\\.[01]\\b', '-o', file),
    ).toMatch(/left out .*numbered anew/);
    expect(namesIn(file)).toContain('model.layers.0.input_layernorm.weight');
    expect(bytesIn(file, 'model.layers.0.input_layernorm.weight')).toEqual(
      bytesIn(single, 'model.layers.2.input_layernorm.weight'),
    );
    // A configuration repeats it.
    await ok(
      'quantize',
      single,
      '--drop',
      'model.layers.0',
      '--report',
      folder.at('r.json'),
      '-o',
      file,
      '--force',
    );
    await ok(
      'quantize',
      single,
      '--config',
      folder.at('r.json'),
      '-o',
      folder.at('again.safetensors'),
    );
    expect(readFileSync(folder.at('again.safetensors'))).toEqual(readFileSync(file));
  });

  const WRONG: readonly (readonly [words: readonly string[], code: number, message: RegExp])[] = [
    [['--drop', 'model.layers.1.mlp'], 2, /as a whole: expected all of "model\.layers\.1"/],
    [['--drop', 'model.layers.1.mlp.experts.0'], 2, /Single experts cannot be left out/],
    [['--drop', '*.mlp.experts.1'], 2, /Single experts cannot be left out/],
    [['--drop', 'model.layers.9'], 2, /matches none/],
    [['--drop', 'model.embed_tokens'], 2, /is in none/],
    [['--drop', 'model.layers'], 2, /all of them would be left out/],
    [['--drop', 'model.layers.1', '--drop', 'visual.blocks.0'], 2, /layers of one stack/],
    [['--drop', 'model.layers.1', '-o', 'x.gguf'], 2, /GGUF/],
    [['--drop', 'model.layers.1', '-c', 'model/model.safetensors'], 2, /numbers them anew/],
  ];

  it.each(WRONG)('is refused: %j', async (words, expected, message) => {
    const { code, stderr } = await monoquant('quantize', model, ...words, '--dry-run');
    expect(stderr).toMatch(message);
    expect(code).toBe(expected);
  });

  it('is refused if the configuration counts other layers', async () => {
    writeFileSync(
      folder.at('model/config.json'),
      JSON.stringify({ ...CONFIG, num_hidden_layers: 7 }),
    );
    const words = ['--drop', 'model.layers.1', '-o', folder.at('out/')];
    const { code, stderr } = await monoquant('quantize', model, ...words);
    expect(stderr).toMatch(/Expected "config\.json" to say that the model has 4 layers/);
    expect(code).toBe(2);
    expect(folder.list().filter((name) => name !== 'model' && name !== 'out')).toEqual([]);
  });
});
