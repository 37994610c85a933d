// The benchmark's tables of whole runs: every conversion between types, searches, and a file larger than memory.
// Why: these are the commands that people run.
// Always: in pairs with a copy of the same file right before, in rounds that alternate everything.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeModel } from './bench-model.mjs';
import { median, quantile, timed } from './bench-process.mjs';

/**
 * @typedef {object} Job
 * @property {string} root
 * @property {string} folder
 * @property {number} bytes
 * @property {number} rounds
 * @property {string | undefined} beside another dist/, for the page
 * @property {readonly string[]} models to compress the quantized weights of
 *
 * @typedef {import('./bench-process.mjs').Cost} Cost
 * @typedef {{cost: Cost, copy: Cost}[]} Pairs
 */

/** What can be asked for, as arguments. Copies are a command of their own. */
const MODES = {
  INT8: ['-b', '8'],
  'INT4 rtn': ['-b', '4', '--method', 'rtn'],
  F16: ['-b', '16', '--dtype', 'f16'],
  BF16: ['-b', '16', '--dtype', 'bf16'],
};

/** The share of the source that is written, for the bare loop beside it. */
const SHARES = { F32: [0.25, 0.5], BF16: [0.5, 1], F16: [0.5, 1] };

/**
 * @param {Job} job
 * @returns {AsyncGenerator<string>}
 */
export async function* benchConversions(job) {
  yield '';
  yield `Two threads, whole processes, ${(job.bytes / 1e9).toFixed(1)} GB, ${job.rounds} rounds in pairs with \`cp\` of the same file. Below 1.00 is faster than \`cp\`.`;
  yield '';
  yield* header(['from', 'to', '/ cp', 'quartiles', 'user s', 'system s', 'peak MB']);
  for (const dtype of /** @type {const} */ (['F32', 'BF16', 'F16'])) {
    const input = join(job.folder, `${dtype}.safetensors`);
    writeModel(input, dtype, job.bytes);
    const output = join(job.folder, 'output.safetensors');
    /** @type {Record<string, string[]>} */
    const commands = {};
    for (const [mode, flags] of Object.entries(MODES)) {
      commands[mode] =
        mode === dtype
          ? command(job, 'convert', input, output, '--quiet')
          : quantize(job, input, output, [...flags, '--threads', '2']);
    }
    for (const share of SHARES[dtype]) {
      const loop = join(job.root, 'scripts', 'bench-loop.mjs');
      commands[`*bare loop, ${share} written*`] = [process.execPath, loop, input, output].concat(
        [share, 2].map(String),
      );
    }
    const pairs = await alternate(job, input, output, commands);
    for (const [mode, costs] of Object.entries(pairs)) {
      const name = mode === dtype ? `${mode} (a copy)` : mode;
      yield row([dtype, name, ...ratioColumns(costs), ...costColumns(costs)]);
    }
    rmSync(input);
  }
}

/**
 * @param {Job} job
 * @returns {AsyncGenerator<string>}
 */
export async function* benchSearches(job) {
  yield '';
  yield 'INT4 with searched scales, the default of 4 bits, whole processes:';
  yield '';
  yield* header(['from', 'threads', 'ns a weight', '/ cp', 'quartiles', 'user s', 'peak MB']);
  for (const dtype of /** @type {const} */ (['F32', 'BF16'])) {
    const input = join(job.folder, `${dtype}.safetensors`);
    const { weights } = writeModel(input, dtype, job.bytes);
    const output = join(job.folder, 'output.safetensors');
    const commands = Object.fromEntries(
      ['1', '2'].map((threads) => [
        threads,
        quantize(job, input, output, ['-b', '4', '--threads', threads]),
      ]),
    );
    const pairs = await alternate(job, input, output, commands);
    for (const [threads, costs] of Object.entries(pairs)) {
      const each = (median(costs.map(({ cost }) => cost.wall)) / weights) * 1e9;
      const [user, , peak] = costColumns(costs);
      yield row([dtype, threads, each.toFixed(2), ...ratioColumns(costs), user, peak]);
    }
    rmSync(input);
  }
}

/**
 * @param {Job} job
 * @returns {AsyncGenerator<string>}
 */
export async function* benchSparse(job) {
  const input = join(job.folder, 'sparse.safetensors');
  const output = join(job.folder, 'output.safetensors');
  writeModel(input, 'F32', 20e9, true);
  const info = [];
  for (let round = 0; round < job.rounds; round++) {
    info.push((await timed(command(job, 'info', input, '--json'))).wall);
  }
  const { wall, peak } = await timed(quantize(job, input, output, ['-b', '4', '--threads', '2']));
  rmSync(input);
  rmSync(output, { force: true });
  yield '';
  yield `A sparse file of 20 GB: \`info\` takes ${median(info).toFixed(2)} s, \`-b 4\` ${wall.toFixed(1)} s and ${inMegabytes(peak)} MB.`;
}

/**
 * The first round warms up and does not count.
 * @param {Job} job
 * @param {string} input
 * @param {string} output
 * @param {Record<string, string[]>} commands
 * @returns {Promise<Record<string, Pairs>>}
 */
async function alternate({ rounds }, input, output, commands) {
  /** @type {Record<string, Pairs>} */
  const pairs = Object.fromEntries(Object.keys(commands).map((name) => [name, []]));
  const fresh = async (/** @type {string[]} */ words) => {
    rmSync(output, { force: true });
    return timed(words);
  };
  for (let round = 0; round <= rounds; round++) {
    for (const [name, words] of Object.entries(commands)) {
      const copy = await fresh(['cp', input, output]);
      const cost = await fresh(words);
      if (round > 0) pairs[name].push({ cost, copy });
    }
  }
  rmSync(output, { force: true });
  return pairs;
}

/**
 * @param {Job} job
 * @param {string[]} words
 */
function command({ root }, ...words) {
  return [process.execPath, join(root, 'dist', 'node', 'cli.js'), ...words];
}

/**
 * @param {Job} job
 * @param {string} input
 * @param {string} output
 * @param {string[]} flags
 */
function quantize(job, input, output, flags) {
  return command(job, 'quantize', input, '-o', output, '--quiet', ...flags);
}

/** @param {Pairs} pairs */
function ratioColumns(pairs) {
  const of = (/** @type {'cost' | 'copy'} */ which) =>
    median(pairs.map((pair) => pair[which].wall));
  const ratios = pairs.map(({ cost, copy }) => cost.wall / copy.wall);
  const spread = [0.25, 0.75].map((share) => quantile(ratios, share).toFixed(2));
  return [(of('cost') / of('copy')).toFixed(2), spread.join('–')];
}

/** @param {Pairs} pairs */
function costColumns(pairs) {
  const seconds = (/** @type {'user' | 'system'} */ which) =>
    median(pairs.map(({ cost }) => cost[which])).toFixed(2);
  const peak = Math.max(...pairs.map(({ cost }) => cost.peak));
  return [seconds('user'), seconds('system'), inMegabytes(peak)];
}

/** @param {number} bytes */
function inMegabytes(bytes) {
  return bytes === 0 ? '' : (bytes / 1e6).toFixed(0);
}

/** @param {readonly string[]} names */
export function* header(names) {
  yield row(names);
  yield row(names.map((_, index) => (index === 0 ? '---' : '---:')));
}

/** @param {readonly string[]} cells */
export function row(cells) {
  return `| ${cells.join(' | ')} |`;
}
