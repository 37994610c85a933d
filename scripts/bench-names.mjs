// What very many tensors, long metadata and many files cost: time, memory of the process, memory of the engine.
// Why: a file of a few megabytes can list as much as the largest model, and what takes memory by names has to be linear.
// Always: the commands are whole processes; the engine's memory is measured by driving it here, step by step.

import { closeSync, fstatSync, mkdirSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
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
  yield* header(['tensors', 'command', 'seconds', 'process MB', 'engine MB']);
  const input = join(job.folder, 'names.safetensors');
  for (const count of COUNTS) {
    writeModel(input, 0, count);
    for (const [name, words] of Object.entries(COMMANDS)) {
      yield row([count.toLocaleString('en'), name, ...(await costOf(job, words, input))]);
    }
    rmSync(input);
  }
  yield '';
  yield 'The same tensors in files of a folder, 10,000 in all:';
  yield '';
  yield* header(['files', 'command', 'seconds', 'process MB', 'engine MB']);
  for (const count of SHARDS) {
    const folder = join(job.folder, 'shards');
    writeShards(folder, count, 10_000 / count);
    for (const name of /** @type {const} */ (['info', '4 bits'])) {
      yield row([String(count), name, ...(await costOf(job, COMMANDS[name], folder, false))]);
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
async function costOf(job, words, input, drives = true) {
  const output = join(job.folder, 'output.safetensors');
  const writes = words[0] !== 'info' && !words.includes('--dry-run');
  const [command = '', ...flags] = words;
  const cli = join(job.root, 'dist', 'node', 'cli.js');
  const rest = writes ? ['-o', output, '--force', '--quiet', ...flags] : flags;
  try {
    const { wall, peak } = await timed([process.execPath, cli, command, input, ...rest]);
    const engine = drives ? await engineBytes(job, words, input, output) : undefined;
    return [wall.toFixed(1), megabytes(peak), engine === undefined ? '' : megabytes(engine)];
  } catch (error) {
    const code = /"?(limit-exceeded|out-of-memory)/.exec(String(error))?.[1];
    return [code === undefined ? 'refused' : `refused: ${code}`, '', ''];
  } finally {
    rmSync(output, { force: true });
  }
}

/**
 * The most that the engine takes for the same work.
 * @param {Job} job
 * @param {readonly string[]} words
 * @param {string} input
 * @param {string} output
 */
async function engineBytes(job, words, input, output) {
  const dist = (/** @type {string[]} */ ...parts) =>
    import(pathToFileURL(join(job.root, 'dist', ...parts)).href);
  const { loadEngine } = await dist('js', 'engine', 'load.js');
  const { EngineFile } = await dist('js', 'worker', 'engine-file.js');
  const { resolveQuantize, resolveConvert } = await dist('js', 'api', 'options.js');
  const engine = await loadEngine(() => dist('wasm', 'monoquant-st.mjs'), {
    kind: 'st',
    threads: 1,
  });
  const source = new Place(input, 'r');
  const joined = { source, problems: [], superseded: [] };
  const file = await EngineFile.open(engine, { slots: 1, blockBytes: 1 << 20 }, joined, {});
  file.catalog();
  if (words[0] !== 'info') {
    const bits = Number(words[words.indexOf('-b') + 1]);
    const { configuration } =
      words[0] === 'convert' ? resolveConvert({}) : resolveQuantize({ bits });
    if (words.includes('--dry-run')) await file.planDocument({ configuration, unfit: [] });
    else {
      await file.plan({ configuration, unfit: [] });
      const { sizes } = file.planFacts();
      const sink = new Place(output, 'w+', sizes.outputBytes);
      const { checksums } = await file.run.encode({ index: 0, count: 1 }, sink);
      await file.run.seal([checksums]);
      await file.run.verify();
      await file.run.finish();
    }
  }
  await file.close();
  source.close();
  return engine.memoryBytes;
}

/** A file as the engine reads it, or writes it. */
class Place {
  /**
   * @param {string} path
   * @param {string} mode
   * @param {number} [size]
   */
  constructor(path, mode, size) {
    this.descriptor = openSync(path, mode);
    this.size = size ?? fstatSync(this.descriptor).size;
  }

  /**
   * @param {number} offset
   * @param {Uint8Array} into
   */
  async read(offset, into) {
    readSync(this.descriptor, into, 0, into.length, offset);
  }

  /**
   * @param {number} offset
   * @param {Uint8Array} bytes
   */
  async write(offset, bytes) {
    writeSync(this.descriptor, bytes, 0, bytes.length, offset);
  }

  async finish() {
    this.close();
  }

  async abort() {
    this.close();
  }

  close() {
    closeSync(this.descriptor);
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
function writeModel(path, first, count) {
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
    writeModel(join(folder, name), i * each, each);
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
