/**
 * Layers that trade magnitudes with what is before them, as the command makes and shows them.
 * It exists because only together they compute what they did: a pair that is no pair ruins a model without a sign.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { Folder, monoquant } from '../support/cli.js';
import { filled, weights } from '../support/models.js';
import { readSafetensors, type Tensor } from '../support/safetensors.js';
import { parsePlan, parseReport } from '../support/schema.js';

const folder = new Folder();
const WIDTH = 64;
const INNER = 128;
const BLOCK = 'model.layers.0';
const LLAMA = { architectures: ['LlamaForCausalLM'], model_type: 'llama', head_dim: 16 };
/** Some inputs are a hundred times as large as the others. */
const LARGE = 3;

const tensors = (dtype: 'F32' | 'BF16' = 'F32'): Tensor[] => [
  weights('model.embed_tokens.weight', dtype, [32, WIDTH], 9),
  weights(`${BLOCK}.input_layernorm.weight`, dtype, [WIDTH], 1),
  weights(`${BLOCK}.self_attn.q_proj.weight`, dtype, [WIDTH, WIDTH], 2),
  weights(`${BLOCK}.self_attn.k_proj.weight`, dtype, [32, WIDTH], 3),
  weights(`${BLOCK}.self_attn.v_proj.weight`, dtype, [32, WIDTH], 4),
  weights(`${BLOCK}.self_attn.o_proj.weight`, dtype, [WIDTH, WIDTH], 5),
  weights(`${BLOCK}.post_attention_layernorm.weight`, dtype, [WIDTH], 6),
  weights(`${BLOCK}.mlp.gate_proj.weight`, dtype, [INNER, WIDTH], 7),
  weights(`${BLOCK}.mlp.up_proj.weight`, dtype, [INNER, WIDTH], 8),
  weights(`${BLOCK}.mlp.down_proj.weight`, dtype, [WIDTH, INNER], 9),
];

const captured = (width: number) => (index: number) =>
  Math.sin(index + 1) * (index % width < LARGE ? 100 : 1);

const inputs = (): Tensor[] => [
  filled(`${BLOCK}.self_attn.q_proj`, 'F32', [64, WIDTH], captured(WIDTH)),
  filled(`${BLOCK}.self_attn.o_proj`, 'F32', [64, WIDTH], captured(WIDTH)),
  filled(`${BLOCK}.mlp.gate_proj`, 'F32', [64, WIDTH], captured(WIDTH)),
  filled(`${BLOCK}.mlp.down_proj`, 'F32', [64, INNER], captured(INNER)),
];

let model = '';
let data = '';

function write(config: object | undefined, of = tensors()): void {
  mkdirSync(folder.at('model'), { recursive: true });
  folder.write('model/model.safetensors', of);
  if (config !== undefined) writeFileSync(folder.at('model/config.json'), JSON.stringify(config));
}

beforeEach(() => {
  for (const name of folder.list()) rmSync(folder.at(name), { recursive: true });
  write(LLAMA);
  model = folder.at('model');
  data = folder.write('inputs.safetensors', inputs());
});

async function ok(...words: string[]): Promise<{ readonly stdout: string }> {
  const { code, stdout, stderr } = await monoquant(...words);
  expect(code, stderr).toBe(0);
  return { stdout };
}

async function planned(...words: string[]) {
  const all = ['quantize', model, '-c', data, '--dynamic', '--dry-run', '--json', ...words];
  return parsePlan((await ok(...all)).stdout);
}

const rescaledIn = ({ tensors: all }: Awaited<ReturnType<typeof planned>>) =>
  all.flatMap(({ name, rescaled }) =>
    rescaled === undefined ? [] : [name.replace(/\.weight$/, '')],
  );

/** Floats of a file, by name. */
function valuesOf(file: string): ReadonlyMap<string, Float32Array> {
  const { tensors: found } = readSafetensors(readFileSync(file));
  return new Map(
    [...found].map(([name, { bytes }]) => [name, new Float32Array(Uint8Array.from(bytes).buffer)]),
  );
}

describe('--smooth', () => {
  it('rescales norms, values and what is multiplied with a gate, with the same product', async () => {
    const out = folder.at('out');
    const words = ['quantize', model, '-c', data, '--dynamic', '--smooth', '0.5', '-o', out];
    await ok(...words, '--ignore', 're:.*');
    const [before, after] = [`${model}/`, `${out}/`].map((at) =>
      valuesOf(`${at}model.safetensors`),
    );
    const of = (file: typeof before, name: string) => file?.get(`${BLOCK}.${name}.weight`) ?? [];
    const ratio = (name: string, at: number) =>
      (of(after, name)[at] ?? 0) / (of(before, name)[at] ?? 0);
    for (let column = 0; column < WIDTH; column += 7) {
      const t = ratio('self_attn.q_proj', column);
      expect(ratio('input_layernorm', column)).toBeCloseTo(1 / t, 4);
      // Values are columns behind the norm and rows before the output: head 3 reads the second head of values.
      expect(ratio('self_attn.k_proj', column) / t).toBeCloseTo(1, 4);
    }
    for (const [column, row] of [
      [5, 5],
      [16 + 5, 5],
      [32 + 5, 16 + 5],
      [48 + 5, 16 + 5],
    ] as const) {
      const t = ratio('self_attn.o_proj', column);
      const columns = ratio('self_attn.q_proj', 0);
      expect(ratio('self_attn.v_proj', row * WIDTH) / columns).toBeCloseTo(1 / t, 4);
    }
    const down = ratio('mlp.down_proj', 40);
    expect(ratio('mlp.up_proj', 40 * WIDTH) / ratio('mlp.gate_proj', 0)).toBeCloseTo(1 / down, 4);
    // The large inputs became smaller.
    expect(ratio('input_layernorm', 0)).toBeLessThan(ratio('input_layernorm', 20));
  });

  it('says so in the plan, the report and the file', async () => {
    const plan = await planned('--smooth', '0.5');
    expect(rescaledIn(plan)).toHaveLength(9);
    expect(plan.configuration.smooth).toBe(0.5);
    const text = await ok('quantize', model, '-c', data, '--smooth', '0.5', '--dry-run', '-v');
    expect(text.stdout).toMatch(/rescaled +9 tensors \(SmoothQuant\)/);
    const out = folder.at('out');
    const { stdout } = await ok(
      ...['quantize', model, '-c', data, '--smooth', 'auto', '-o', out, '--json'],
    );
    const { tensors: made, warnings } = parseReport(stdout);
    expect(made.filter(({ rescaled }) => rescaled !== undefined).length).toBeGreaterThan(2);
    expect(warnings.map(({ code }) => code)).not.toContain('not-rescaled');
    expect(readFileSync(`${out}/model.safetensors`).toString('latin1')).toContain(
      'rescaled_layers',
    );
  });

  it('takes powers of two where floats of 16 bits would be rounded', async () => {
    write(LLAMA, tensors('BF16'));
    await ok(
      ...['quantize', model, '-c', data, '--dynamic', '--smooth', '0.5'],
      ...['--ignore', 're:.*', '-o', folder.at('out')],
    );
    const bits = (at: string) =>
      new Uint16Array(
        Uint8Array.from(
          readSafetensors(readFileSync(`${at}/model.safetensors`)).tensors.get(
            `${BLOCK}.input_layernorm.weight`,
          )?.bytes ?? [],
        ).buffer,
      );
    const [before, after] = [bits(model), bits(folder.at('out'))];
    // Signs and fractions are as they were.
    expect([...after].map((value) => value & 0x807f)).toEqual(
      [...before].map((value) => value & 0x807f),
    );
    expect([...after]).not.toEqual([...before]);
  });

  it('leaves alone what is not certain, by name', async () => {
    const reasonOf = async (config: object | undefined, of = tensors()) => {
      rmSync(model, { recursive: true });
      write(config, of);
      const plan = await planned('--smooth', '0.5');
      const { message = '' } = plan.warnings.find(({ code }) => code === 'not-rescaled') ?? {};
      return [message, rescaledIn(plan).length] as const;
    };
    expect(await reasonOf(undefined)).toEqual([expect.stringMatching(/no config.json/), 0]);
    expect(await reasonOf({ ...LLAMA, model_type: 'gemma3_text' })).toEqual([
      expect.stringMatching(/1 \+ weight/),
      0,
    ]);
    expect(await reasonOf({ ...LLAMA, model_type: 'new' })).toEqual([
      expect.stringMatching(/not known how models of the type new compute/),
      0,
    ]);
    // Something else may read what a norm computes.
    const router = weights(`${BLOCK}.mlp.router.weight`, 'F32', [8, WIDTH], 12);
    expect(await reasonOf(LLAMA, [...tensors(), router])).toEqual([
      expect.stringMatching(/mlp\.router\.weight may read it as well/),
      4,
    ]);
    const { head_dim: _, ...headless } = LLAMA;
    expect(await reasonOf(headless)).toEqual([expect.stringMatching(/share one of values/), 8]);
  });

  it.each<[string[], RegExp]>([
    [['--smooth', 'auto'], /needs to know the inputs/],
    [['--smooth', '1.5', '-c', 'DATA'], /auto, awq, off or a number from 0 to 1/],
    [['--smooth', 'auto', '-c', 'DATA', '--format', 'Q4_0'], /GGUF/],
    [['--smooth', 'auto', '-c', 'DATA', '--bits', 'none'], /./],
  ])('%j is refused', async (words, message) => {
    const given = words.map((word) => (word === 'DATA' ? data : word));
    const { code, stderr } = await monoquant('quantize', model, ...given);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});

describe('--smooth awq', () => {
  it('loses less of what layers compute with four bits', async () => {
    const lossOf = async (...words: string[]) => {
      const all = ['quantize', model, '-c', data, '--bits', '4', '--group-size', '32', '--json'];
      const out = ['--force', '-o', folder.at('out')];
      const { stdout } = await ok(...all, '--method', 'rtn', ...words, ...out);
      const { tensors: made } = parseReport(stdout);
      const down = made.find(({ name }) => name.endsWith('gate_proj.weight'));
      return down?.outputSqnrDb ?? 0;
    };
    expect(await lossOf('--smooth', 'awq')).toBeGreaterThan((await lossOf()) + 2);
  });
});
