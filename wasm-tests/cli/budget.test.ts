/**
 * `--budget`: an output that stays within it, whose layers have the bits that the measured table gives them.
 * It exists because a budget that is missed by a byte is missed, and a mix that nobody can repeat is luck.
 */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { benchmark, open, type Plan, type PlanOptions, quantize, type Report } from '#package/node';
import { Folder, monoquant } from '../support/cli.js';
import { weights } from '../support/models.js';

const folder = new Folder();
const LAYERS = 4;
const model = folder.write('model.safetensors', [
  ...Array.from({ length: LAYERS }, (_, layer) => [
    weights(`model.layers.${layer}.self_attn.q_proj.weight`, 'BF16', [128, 128], 10 + layer),
    weights(`model.layers.${layer}.self_attn.k_proj.weight`, 'BF16', [64, 128], 20 + layer),
    // No multiple of 128: it has smaller groups, whatever is asked for.
    weights(`model.layers.${layer}.self_attn.o_proj.weight`, 'BF16', [64, 192], 40 + layer),
    weights(`model.layers.${layer}.mlp.down_proj.weight`, 'BF16', [128, 256], 30 + layer),
  ]).flat(),
  weights('model.norm.weight', 'BF16', [128], 7),
]);
const SOURCE = statSync(model).size;
const OF_LAYERS = LAYERS * (128 * 128 + 64 * 128 + 64 * 192 + 128 * 256);

async function planOf(options: PlanOptions): Promise<Plan> {
  const opened = await open(model, { threads: 1 });
  try {
    return await opened.plan(options);
  } finally {
    await opened.close();
  }
}

/** Name → bits and group. */
function settingsIn({ tensors }: Pick<Plan | Report, 'tensors'>): Record<string, string> {
  const found = (tensors as Plan['tensors']).flatMap(({ name, quantization }) =>
    quantization === undefined ? [] : [[name, `${quantization.bits}:${quantization.groupSize}`]],
  );
  return Object.fromEntries(found.sort());
}

describe('a budget', () => {
  it.each(['155000B', '170kB', '40%', '4.3bpw', '5.5bpw'])('of %s is kept', async (budget) => {
    const output = folder.at(`${budget.replace('%', 'p')}.safetensors`);
    const { report } = await quantize(model, { budget, output, force: true, threads: 1 });
    const { mix } = report;
    if (mix === undefined) throw new Error('There is no mix.');
    const size = statSync(output).size;
    expect(mix).toMatchObject({ budget, bytes: size });
    if (budget.endsWith('bpw')) {
      const bytes = report.tensors.reduce((sum, tensor) => sum + tensor.outputBytes, 0);
      expect((8 * bytes) / OF_LAYERS).toBeCloseTo(mix.bitsPerWeight, 9);
      expect(mix.bitsPerWeight).toBeLessThanOrEqual(Number.parseFloat(budget) + 0.005);
      // One step of one layer is left over at most.
      expect(mix.bitsPerWeight).toBeGreaterThan(Number.parseFloat(budget) - 1);
    } else {
      const most = { '155000B': 155000, '170kB': 170000, '40%': Math.floor(0.4 * SOURCE) }[budget];
      expect(mix.budgetBytes).toBe(most);
      expect(size).toBeLessThanOrEqual(most ?? 0);
    }
    expect(mix.score).toBeGreaterThanOrEqual(mix.bound);
    expect(mix.score).toBeLessThanOrEqual(mix.uniform?.score ?? Number.POSITIVE_INFINITY);
    const settings = settingsIn(report);
    for (let layer = 0; layer < LAYERS; layer++) {
      const of = (name: string) => settings[`model.layers.${layer}.self_attn.${name}.weight`];
      expect(of('q_proj')).toBe(of('k_proj'));
    }
  });

  it('is shared out as the plan says, in the same bytes each time', async () => {
    const options = { budget: '4.6bpw' };
    const plan = await planOf(options);
    const runs = await Promise.all(
      [1, 2].map((threads) =>
        quantize(model, {
          ...options,
          threads,
          output: folder.at(`threads-${threads}.safetensors`),
        }),
      ),
    );
    for (const { report } of runs) {
      expect(report.mix).toEqual(plan.mix);
      expect(settingsIn(report)).toEqual(settingsIn(plan));
      expect(report.configuration).toEqual(plan.configuration);
      expect(report.configuration.budget).toBe('4.6bpw');
    }
    const [one, two] = [1, 2].map((threads) =>
      readFileSync(folder.at(`threads-${threads}.safetensors`)),
    );
    expect(one?.equals(two ?? Buffer.alloc(0))).toBe(true);
  });

  it('is kept where a configuration is only measured', async () => {
    const { configurations } = await benchmark(model, {
      mixed: { budget: '6bpw' },
      alike: { bits: 4, groupSize: 64 },
    });
    const plan = await planOf({ budget: '6bpw' });
    expect(configurations[0]?.bytes).toBe(plan.sizes.outputBytes);
  });

  it('gives more to whom more is lost, and all of them 16 bits if there is room', async () => {
    const narrow = await planOf({ budget: '4.5bpw' });
    expect(new Set(Object.values(settingsIn(narrow))).size).toBeGreaterThan(1);
    const wide = await planOf({ budget: '900kB' });
    expect(settingsIn(wide)).toEqual({});
  });

  it('leaves alone what somebody has said of a layer', async () => {
    const plan = await planOf({
      budget: '5bpw',
      overrides: [{ pattern: 'model.layers.0.mlp', bits: 8 }],
      ignore: ['model.layers.1.mlp'],
    });
    const settings = settingsIn(plan);
    expect(settings['model.layers.0.mlp.down_proj.weight']).toMatch(/^8:/);
    const reasons = new Map(plan.tensors.map(({ name, reason }) => [name, reason]));
    expect(reasons.get('model.layers.0.mlp.down_proj.weight')).toBe('override');
    expect(reasons.get('model.layers.2.mlp.down_proj.weight')).toBe('budget');
    const { stdout } = await monoquant('quantize', model, '--budget', '5bpw', '--dry-run');
    expect(stdout).toMatch(/by the budget/);
    expect(stdout).not.toMatch(/by override/);
    expect(settings['model.layers.1.mlp.down_proj.weight']).toBeUndefined();
    expect(plan.mix?.parts.reduce((sum, { tensors }) => sum + tensors, 0)).toBe(4 * LAYERS - 1);
  });

  it('goes by the places that somebody says count', async () => {
    const of = (plan: Plan) => settingsIn(plan)['model.layers.1.mlp.down_proj.weight'];
    const budget = '4.7bpw';
    const least = await planOf({ budget, prior: { roles: { down: { factor: 0.001 } } } });
    const most = await planOf({ budget, prior: { roles: { down: { factor: 1000 } } } });
    const groupOf = (plan: Plan) => Number(of(plan)?.split(':')[1]);
    expect([of(least), of(most)]).toEqual([
      expect.stringMatching(/^4:/),
      expect.stringMatching(/^4:/),
    ]);
    expect(groupOf(least)).toBeGreaterThan(groupOf(most));
    await expect(planOf({ budget, prior: { roles: { down: { factor: -1 } } } })).rejects.toThrow(
      /number above 0/,
    );
    await expect(planOf({ prior: {} })).rejects.toThrow(/no meaning without/);
  });

  it('knows the widths of the format', async () => {
    const mlx = await planOf({ budget: '3.9bpw', format: 'mlx' });
    const bits = new Set(Object.values(settingsIn(mlx)).map((setting) => setting.split(':')[0]));
    expect([...bits].every((each) => ['2', '3', '4', '5', '6'].includes(each ?? ''))).toBe(true);
    expect(bits.size).toBeGreaterThan(1);
  });

  it.each([
    ['1bpw', {}, /allows \d+ bytes, but the smallest output/],
    ['33bpw', {}, /a size such as 4\.25bpw/],
    ['120%', {}, /a size such as/],
    ['lots', {}, /a size such as/],
    ['40%', { bits: 16 }, /says how many bits/],
    ['40%', { mode: 'dynamic' }, /activations as well/],
    ['40%', { format: 'awq' }, /the same bits/],
    ['40%', { format: 'gptq' }, /the same bits/],
    ['40%', { drop: ['model.layers.1'] }, /leaves some out/],
    ['40%', { scheme: 'FP8' }, /integers of several widths|activations/],
  ] as const)('of %s with %j is refused', async (budget, options, message) => {
    await expect(planOf({ budget, ...options } as PlanOptions)).rejects.toThrow(message);
  });
});

describe('the command', () => {
  it('reads a table of places', async () => {
    const table = folder.at('prior.json');
    const run = () =>
      monoquant('quantize', model, '--budget', '4.7bpw', '--prior', table, '--dry-run');
    writeFileSync(table, '{"roles": {"down": {"factor": 1000}}}');
    const { code, stdout } = await run();
    expect(code).toBe(0);
    expect(stdout).toMatch(/layers\.1\.mlp\.down_proj\.weight .*int4 group (32|64)/);
    writeFileSync(table, '{"roles": {"down"');
    expect(await run()).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/Expected JSON in/),
    });
    writeFileSync(table, '{"rolls": {}}');
    expect(await run()).toMatchObject({ code: 2, stderr: expect.stringMatching(/rolls/) });
  });

  it('says how the bits were shared out, and what that has brought', async () => {
    const { code, stdout } = await monoquant(
      'quantize',
      model,
      '--budget',
      '4.6bpw',
      '-o',
      folder.at('said.safetensors'),
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/budget +4\.6bpw: 4\.\d\d bits a weight of these layers/);
    expect(stdout).toMatch(/4 bits, groups of \d+: \d+ tensors?/);
    expect(stdout).toMatch(/less weighted error than|nothing is to be gained over/);
  });
});
