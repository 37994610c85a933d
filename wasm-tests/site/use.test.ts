/**
 * The code that the page shows for a file: Python that compiles, and with a Python that has PyTorch (MONOQUANT_PYTHON)
 * restores just the floats that `dequantize` writes.
 * It exists because code that was never run is a guess.
 */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { open, type PlanOptions } from '#package/node';
import type { Usage } from '../../js/words/usage.js';
import { usagesOf } from '../../web/page/use.js';
import { Folder, monoquant } from '../support/cli.js';
import { weights } from '../support/models.js';

const folder = new Folder();
const PYTHON = process.env.MONOQUANT_PYTHON;
const model = folder.write('model.safetensors', [
  weights('model.layers.0.mlp.up_proj.weight', 'F32', [64, 128]),
  weights('model.layers.1.mlp.up_proj.weight', 'F32', [48, 96], 2),
  weights('conv.weight', 'F32', [16, 8, 3, 3], 3),
  weights('norm.weight', 'F32', [64], 4),
]);

const CASES: readonly (readonly [what: string, output: string, options: PlanOptions])[] = [
  ['INT8', 'int8.safetensors', { bits: 8 }],
  ['INT8 with zero points', 'asym8.pt', { bits: 8, scheme: 'asymmetric' }],
  ['INT4', 'int4.safetensors', { bits: 4, groupSize: 32 }],
  ['INT4 with zero points', 'asym4.pt', { bits: 4, scheme: 'asymmetric' }],
  ['3 bits', 'int3.safetensors', { bits: 3 }],
  ['7 bits with zero points', 'asym7.safetensors', { bits: 7, scheme: 'asymmetric' }],
  ['weights alone', 'weights.safetensors', { bits: 8, mode: 'weights-only' }],
  [
    'several widths',
    'mixed.safetensors',
    {
      bits: 4,
      groupSize: 32,
      overrides: [{ pattern: 'model.layers.0.mlp.up_proj.weight', bits: 8 }],
    },
  ],
  ['16 bits', 'floats.safetensors', { bits: 16 }],
];

async function made(output: string, options: PlanOptions): Promise<readonly Usage[]> {
  const handle = await open(model);
  const container = output.endsWith('.pt') ? 'pt' : 'safetensors';
  const { report } = await handle.quantize({
    minElements: 0,
    ...options,
    container,
    output: folder.at(output),
    force: true,
  });
  await handle.close();
  const name = 'model.safetensors';
  return usagesOf({ report, model: { name, config: undefined }, file: output });
}

function python(program: string) {
  return spawnSync(PYTHON ?? 'python3', ['-c', program], { cwd: folder.path, encoding: 'utf8' });
}

const codeOf = (usages: readonly Usage[], title: string) =>
  usages.find((usage) => usage.title === title)?.code ?? '';

describe.each(CASES)('%s', (_, output, options) => {
  it.skipIf(python('').error)('compiles', async () => {
    const usages = await made(output, options);
    const titles = usages.map(({ title }) => title);
    expect(titles).toContain('PyTorch');
    for (const title of titles.filter((each) => each !== 'vLLM')) {
      const code = codeOf(usages, title);
      const { stderr } = python(`compile(${JSON.stringify(code)}, 'block', 'exec')`);
      expect(stderr, `${title}\n${code}`).toBe('');
    }
  });

  it.runIf(PYTHON !== undefined && options.bits !== 16)('restores the floats', async () => {
    const code = codeOf(await made(output, options), 'PyTorch');
    const floats = `floats-of-${output.replace(/\.\w+$/, '')}.pt`;
    const done = await monoquant('dequantize', folder.at(output), folder.at(floats), '--force');
    expect(done.code, done.stderr).toBe(0);
    const checks = [
      `expected = torch.load(${JSON.stringify(floats)}, weights_only=True)`,
      'assert sorted(state) == sorted(expected), (sorted(state), sorted(expected))',
      'for name in expected:',
      '    assert torch.equal(state[name].float(), expected[name].float()), name',
    ].join('\n');
    const program = code.replace('model.load_state_dict(state)', checks);
    const { status, stderr } = python(program);
    expect(status, `${stderr}\n${program}`).toBe(0);
  });
});

it('a .pt file and one without a folder are not offered to loaders of folders', async () => {
  expect((await made('asym4.pt', { bits: 4 })).map(({ title }) => title)).toEqual(['PyTorch']);
  const usages = await made('int4.safetensors', { bits: 4 });
  expect(usages[0]?.needs).toContain('put the file beside its config.json');
});
