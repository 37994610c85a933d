/**
 * `--outliers`: a threshold that a loader obeys, or a sentence that says why there is none.
 * It exists because no layout keeps floats beside codes, and a flag that does nothing would say that one does.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Folder, monoquant } from '../support/cli.js';
import { weights } from '../support/models.js';

const folder = new Folder();
mkdirSync(folder.at('model'));
const model = folder.at('model');
folder.write('model/model.safetensors', [
  weights('model.layers.0.mlp.down_proj.weight', 'F16', [128, 256], 1),
  weights('model.norm.weight', 'F16', [128], 2),
]);
writeFileSync(
  folder.at('model/config.json'),
  JSON.stringify({ architectures: ['LlamaForCausalLM'], model_type: 'llama' }),
);
const LLM_INT8 = ['--format', 'bitsandbytes', '--bits', '8'];

/** What config.json says, as text and as a number of 32 bits. */
async function threshold(name: string, ...flags: readonly string[]) {
  const output = `${folder.at(name)}/`;
  const { code, stderr } = await monoquant('quantize', model, '-o', output, ...flags);
  expect(code, stderr).toBe(0);
  const text = readFileSync(folder.at(`${name}/config.json`), 'utf8');
  const said = /"llm_int8_threshold": ?([^,\s}]+)/.exec(text)?.[1];
  return { said, rounded: said === undefined ? undefined : Math.fround(Number(said)) };
}

describe('the threshold of LLM.int8()', () => {
  it('stands in config.json as a float, whatever it is', async () => {
    expect(await threshold('five', ...LLM_INT8, '--outliers', '5.5')).toEqual({
      said: '5.5',
      rounded: 5.5,
    });
    const four = await threshold('four', ...LLM_INT8, '--outliers', '4');
    // Python takes "4" for no float, and its loader refuses that.
    expect(four.said).toMatch(/^4\.\d+$/);
    expect(four.rounded).toBe(4);
  });

  it('is left out if it is what loaders take anyway', async () => {
    expect((await threshold('usual', ...LLM_INT8, '--outliers')).said).toBeUndefined();
    expect((await threshold('none', ...LLM_INT8)).said).toBeUndefined();
  });

  it('changes no weight', async () => {
    await threshold('three', ...LLM_INT8, '--outliers', '3.5');
    await threshold('plain', ...LLM_INT8);
    const [with3, without] = ['three', 'plain'].map((name) =>
      readFileSync(folder.at(`${name}/model.safetensors`)),
    );
    expect(with3?.equals(without ?? Buffer.alloc(0))).toBe(true);
  });
});

describe('outliers that cannot be kept', () => {
  it.each([
    ['compressed-tensors', ['--bits', '4']],
    ['compressed-tensors', ['--bits', '8']],
    ['gptq', ['--format', 'gptq']],
    ['mlx', ['--format', 'mlx']],
    ['bitsandbytes', ['--format', 'bitsandbytes']],
  ])('are refused for %s with %j', async (format, flags) => {
    const { code, stderr } = await monoquant(
      ...['quantize', model, '--dry-run', '--outliers', '5', ...flags],
    );
    expect(code).toBe(2);
    expect(stderr).toContain(format);
    expect(stderr).toMatch(/cannot keep outliers as floats beside its codes/);
    expect(stderr).toMatch(/--group-size 32.*8 bits.*--budget/s);
  });

  it('are refused for one file, which no config.json stands beside', async () => {
    const output = folder.at('one.safetensors');
    const words = ['quantize', model, '-o', output, ...LLM_INT8, '--outliers', '5'];
    const { code, stderr } = await monoquant(...words);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/config\.json.*Name a folder/s)]);
  });

  it.each(['0', '-1', 'six'])('are refused from %s on', async (value) => {
    const words = ['quantize', model, '--dry-run', ...LLM_INT8, `--outliers=${value}`];
    expect((await monoquant(...words)).code).toBe(2);
  });
});
