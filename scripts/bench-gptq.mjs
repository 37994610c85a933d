// The benchmark of `--method gptq`: one layer, beside llm-compressor's GPTQ of the same layer from the same inputs.
// Why: the method takes longest of all, and others are how one knows what it may take.
// Always: two threads each, in rounds that alternate; Python's start and imports are not counted, ours are.
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { header, row } from './bench-files.mjs';
import { writeTensor } from './bench-model.mjs';
import { median, timed } from './bench-process.mjs';
import { ensureEnvironment } from './python-environment.mjs';

/** Rows, columns, samples; how many of these columns ours looks at together, and whether others do it, too. */
const LAYERS = [
  { rows: 2048, columns: 2048, samples: 2048, beside: true },
  { rows: 4096, columns: 4096, samples: 2048, beside: true },
  { rows: 1024, columns: 16384, samples: 512, beside: false },
];
const GROUP = '128';
const NAME = 'model.layers.0.mlp.down_proj';

/**
 * @param {import('./bench-files.mjs').Job} job
 * @returns {AsyncGenerator<string>}
 */
export async function* benchGptq({ root, folder, rounds }) {
  const requirements = ['transformers.txt', 'tools.txt', 'tools-alone.txt'];
  const files = requirements.map((file) => join(root, 'conformance', file));
  const python = await ensureEnvironment('tools', files);
  const script = join(root, 'conformance', 'time_gptq.py');
  const [model, inputs, output] = ['layer', 'inputs', 'output'].map((name) =>
    join(folder, `${name}.safetensors`),
  );
  const cli = [process.execPath, join(root, 'dist', 'node', 'cli.js'), 'quantize', model];
  const flags = ['-b', '4', '-g', GROUP, '--method', 'gptq', '-c', inputs, '--threads', '2'];
  const ours = [...cli, '-o', output, '--quiet', '--force', ...flags];
  /** @type {string[]} */
  const rows = [];
  let version = '';
  for (const { rows: height, columns, samples, beside } of LAYERS) {
    writeTensor(model, `${NAME}.weight`, [height, columns]);
    writeTensor(inputs, NAME, [samples, columns], true);
    const costs = [];
    const others = [];
    for (let round = 0; round < (beside ? rounds : 1); round++) {
      costs.push(await timed(ours));
      if (!beside) continue;
      const { stdout } = await promisify(execFile)(python, [script, model, inputs, GROUP]);
      const found = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
      others.push(found);
      version = found.version;
    }
    const wall = median(costs.map((cost) => cost.wall));
    const busy = median(costs.map((cost) => cost.user + cost.system));
    const peak = Math.max(...costs.map((cost) => cost.peak));
    const their = (/** @type {'seconds' | 'processor'} */ which) =>
      median(others.map((found) => found[which]));
    const beside_ = beside
      ? [their('seconds'), their('processor'), their('seconds') / wall, their('processor') / busy]
      : [];
    const cells = [wall, busy, ...beside_].map((value) => value.toFixed(2));
    while (cells.length < 6) cells.push('');
    rows.push(row([`${height} × ${columns}, ${samples}`, ...cells, (peak / 1e6).toFixed(0)]));
    for (const file of [model, inputs, output]) rmSync(file, { force: true });
  }
  yield '';
  yield `\`--method gptq\`, groups of ${GROUP}, F32, two threads, ${rounds} rounds (one of the last layer), beside GPTQ of llm-compressor ${version}; load of the machine at the end: ${loadavg()[0].toFixed(1)}. Ours are whole processes, theirs without the start of Python. Above 1 ours is faster.`;
  yield '';
  const names = ['s', 'processor s', 'theirs: s', 'processor s', 'ratio', 'of processors'];
  yield* header(['rows × columns, samples', ...names, 'peak MB']);
  yield* rows;
}
