// What very many tensors and many files cost: time, and memory of the process.
// Why: a file of a few megabytes can list as much as the largest model, and what takes memory by names has to be linear.
// Always: the commands are whole processes; what does not fit into the engine's 256 MiB is told as refused.

import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { timed } from './bench-process.mjs';

/**
 * @typedef {import('./bench-files.mjs').Job} Job
 * @typedef {{dtype: string, shape: number[], data_offsets: number[]}} Entry
 */

const COUNTS = [25_000, 50_000, 100_000, 200_000];
const SHARDS = [10, 100, 1_000];
/** Of each tensor, the fewest that are quantized. */
const SHAPE = [8, 64];
const BYTES = 2 * 8 * 64;

/** Whole commands, behind the name of the file. */
const COMMANDS = {
  info: ['info'],
  'dry run, 4 bits': ['quantize', '-b', '4', '--dry-run'],
  '4 bits': ['quantize', '-b', '4'],
  '8 bits': ['quantize', '-b', '8'],
  F16: ['quantize', '-b', '16', '--dtype', 'f16'],
  copy: ['convert'],
};

/**
 * @param {Job} job
 * @returns {AsyncGenerator<string>}
 */
export async function* benchNames(job) {
  yield '';
  yield `Tensors of ${SHAPE.join(' × ')} BF16 weights with names like \`${nameOf(100_000)}\`:`;
  yield '';
  yield* header(['tensors', 'command', 'seconds', 'MB']);
  const input = join(job.folder, 'names.safetensors');
  for (const count of COUNTS) {
    writeManyTensors(input, 0, count);
    for (const [name, words] of Object.entries(COMMANDS)) {
      yield row([count.toLocaleString('en'), name, ...(await costOf(job, words, input))]);
    }
    rmSync(input);
  }
  yield '';
  yield 'The same tensors in files of a folder, 10,000 in all:';
  yield '';
  yield* header(['files', 'command', 'seconds', 'MB']);
  for (const count of SHARDS) {
    const folder = join(job.folder, 'shards');
    writeShards(folder, count, 10_000 / count);
    for (const name of /** @type {const} */ (['info', '4 bits'])) {
      yield row([String(count), name, ...(await costOf(job, COMMANDS[name], folder))]);
    }
    rmSync(folder, { recursive: true });
  }
}

/**
 * @param {Job} job
 * @param {readonly string[]} words
 * @param {string} input
 * @returns {Promise<readonly string[]>} cells
 */
async function costOf(job, words, input) {
  const output = join(job.folder, 'output.safetensors');
  const writes = words[0] !== 'info' && !words.includes('--dry-run');
  const [command = '', ...flags] = words;
  const cli = join(job.root, 'dist', 'node', 'cli.js');
  const rest = writes ? ['-o', output, '--force', '--quiet', ...flags] : flags;
  try {
    const { wall, peak } = await timed([process.execPath, cli, command, input, ...rest]);
    return [wall.toFixed(1), megabytes(peak)];
  } catch (error) {
    const message = String(error);
    if (/at most \d+ tensors/.test(message)) return ['too many tensors', ''];
    if (/the 256 MiB of the engine/.test(message)) return ['out of memory', ''];
    throw error;
  } finally {
    rmSync(output, { force: true });
  }
}

/** @param {number} index */
function nameOf(index) {
  const [layer, expert] = [Math.floor(index / 768), Math.floor((index % 768) / 3)];
  return `model.layers.${layer}.mlp.experts.${expert}.${['gate', 'up', 'down'][index % 3]}_proj.weight`;
}

/**
 * @param {string} path
 * @param {number} first
 * @param {number} count
 */
export function writeManyTensors(path, first, count) {
  const entries = Array.from({ length: count }, (_, i) => {
    const place = { dtype: 'BF16', shape: SHAPE, data_offsets: [i * BYTES, (i + 1) * BYTES] };
    return `${JSON.stringify(nameOf(first + i))}:${JSON.stringify(place)}`;
  });
  const text = `{${entries.join()}}`;
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const file = openSync(path, 'w');
  writeSync(file, length);
  writeSync(file, json);
  // About 0.01 each, up and down; as many as are written at once.
  const weights = Buffer.from(
    Uint16Array.from(
      { length: (1 << 19) - ((1 << 19) % (BYTES / 2)) },
      (_, i) => 0x3c00 + ((i * 2_654_435_761) >>> 24) + (i % 2) * 0x8000,
    ).buffer,
  );
  for (let left = count * BYTES; left > 0; left -= weights.length) {
    writeSync(file, weights, 0, Math.min(left, weights.length));
  }
  closeSync(file);
}

/**
 * @param {string} folder
 * @param {number} count
 * @param {number} each tensors of a file
 */
function writeShards(folder, count, each) {
  mkdirSync(folder);
  const digits = (/** @type {number} */ number) => String(number).padStart(5, '0');
  for (let i = 0; i < count; i++) {
    const name = `model-${digits(i + 1)}-of-${digits(count)}.safetensors`;
    writeManyTensors(join(folder, name), i * each, each);
  }
}

/** @param {number} bytes */
function megabytes(bytes) {
  return String(Math.round(bytes / 1e6));
}

/** @param {readonly string[]} cells */
function row(cells) {
  return `| ${cells.join(' | ')} |`;
}

/** @param {readonly string[]} titles */
function* header(titles) {
  yield row(titles);
  yield row(titles.map((_, i) => (i < 2 ? '---' : '---:')));
}
