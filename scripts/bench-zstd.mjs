// The benchmark's table of compressed outputs: what zstd saves of quantized files and how long that takes, level by
// level, beside zstd's own program.
// Why: codes compress, and whether it is worth the time depends on the level and on the model.
// Always: what is compressed was written before; of our runs only the time of compressing counts, which reads back and
// unpacks what it writes.

import { execFileSync } from 'node:child_process';
import { copyFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { writeModel } from './bench-model.mjs';
import { median, timed } from './bench-process.mjs';

const LEVELS = [1, 3, 9, 19];

/** The highest level takes a minute for each 100 MB. */
const MOST_BYTES = 256e6;

/**
 * @param {import('./bench-files.mjs').Job} job
 * @returns {AsyncGenerator<string>}
 */
export async function* benchZstd(job) {
  yield '';
  yield `Compressed outputs, two threads, medians of ${job.rounds} rounds. Size of the quantized file, what is left of it at each level of \`--zstd-level\` and after \`zstd -T2 -3\`, and the seconds that compressing takes.`;
  yield '';
  yield `| model | | bytes | ${LEVELS.map((level) => `level ${level}`).join(' | ')} | \`zstd -T2 -3\` |`;
  yield `|---|---|---:|${LEVELS.map(() => '---:|').join('')}---:|`;
  for (const [name, model] of modelsOf(job)) {
    for (const bits of ['8', '4']) {
      const plain = join(job.folder, 'plain.safetensors');
      run(job, 'quantize', model, '-b', bits, '--force', '-o', plain);
      const bytes = statSync(plain).size;
      const cells = [];
      for (const level of LEVELS) cells.push(ours(job, plain, bytes, level));
      cells.push(await theirs(job, plain, bytes));
      yield `| ${name} | INT${bits} | ${bytes.toLocaleString('en')} | ${cells.join(' | ')} |`;
    }
  }
}

/** @param {import('./bench-files.mjs').Job} job */
function modelsOf({ models, folder, bytes }) {
  const named = models.map((path) => {
    const copy = join(folder, basename(path));
    copyFileSync(path, copy);
    return /** @type {const} */ ([basename(path), copy]);
  });
  const made = join(folder, 'made.safetensors');
  writeModel(made, 'BF16', Math.min(bytes, MOST_BYTES));
  return [...named, /** @type {const} */ (['normally distributed weights', made])];
}

/**
 * @param {import('./bench-files.mjs').Job} job
 * @param {string} plain
 * @param {number} bytes
 * @param {number} level
 */
function ours(job, plain, bytes, level) {
  const output = join(job.folder, 'packed.safetensors.zst');
  const words = ['convert', plain, output, '--zstd-level', String(level), '--force', '--json'];
  const times = Array.from({ length: job.rounds }, () => {
    const { timings } = JSON.parse(run(job, ...words));
    return timings.compressMs / 1000;
  });
  return cell(statSync(output).size, bytes, median(times));
}

/**
 * @param {import('./bench-files.mjs').Job} job
 * @param {string} plain
 * @param {number} bytes
 */
async function theirs(job, plain, bytes) {
  const output = join(job.folder, 'theirs.zst');
  const times = [];
  for (let round = 0; round < job.rounds; round++) {
    times.push((await timed(['zstd', '-q', '-f', '-T2', '-3', plain, '-o', output])).wall);
  }
  return cell(statSync(output).size, bytes, median(times));
}

/**
 * @param {number} packed
 * @param {number} bytes
 * @param {number} seconds
 */
function cell(packed, bytes, seconds) {
  return `${((100 * packed) / bytes).toFixed(1)} %, ${seconds.toFixed(2)} s`;
}

/**
 * @param {import('./bench-files.mjs').Job} job
 * @param {...string} words
 */
function run(job, ...words) {
  const cli = join(job.root, 'dist', 'node', 'cli.js');
  return execFileSync(process.execPath, [cli, ...words], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}
