// Measures speed and memory of the command line beside what the machine itself can do.
// Why: a time says little, a ratio to copying the same file in the same round says how good we are.
// Always: rounds interleave everything that is compared; medians are printed, nothing is judged.
//
// node scripts/bench.mjs [--rounds N] [--gigabytes X] [--folder DIR] [--only files|sparse|kernels]

import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensurePackages } from './apt.mjs';
import { findOnPath, run, runMain } from './run.mjs';
import { ensureEmscripten } from './toolchain.mjs';

const ROOT = join(import.meta.dirname, '..');
const CLI = join(ROOT, 'dist', 'node', 'cli.js');
const LOOP = join(ROOT, 'scripts', 'bench-loop.mjs');
const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    gigabytes: { type: 'string', default: '1.5' },
    folder: { type: 'string', default: join(ROOT, 'build', 'bench') },
    only: { type: 'string' },
  },
});
const SIDE = 4096;

await runMain(async () => {
  mkdirSync(options.folder, { recursive: true });
  process.stdout.write(
    `${cpus()[0]?.model}, ${availableParallelism()} cores, Node ${process.version}\n`,
  );
  try {
    if (wants('kernels')) await benchKernels();
    for (const dtype of /** @type {const} */ (['F32', 'BF16']))
      if (wants('files')) await benchFile(dtype);
    if (wants('sparse')) await benchSparse();
  } finally {
    rmSync(options.folder, { recursive: true, force: true });
  }
});

/** @param {string} part */
function wants(part) {
  return options.only === undefined || options.only === part;
}

/** @param {'F32' | 'BF16'} dtype */
async function benchFile(dtype) {
  const input = join(options.folder, `${dtype}.safetensors`);
  const output = join(options.folder, 'output.safetensors');
  const bytes = writeModel(input, dtype, Number(options.gigabytes) * 1e9);
  /** What is compared: name, command, and the share of the input that it writes. */
  const quantize = [process.execPath, CLI, 'quantize', input, '-o', output, '--quiet', '--force'];
  const jobs = {
    cp: ['cp', input, output],
    'read-write loop, 1/4 written': [process.execPath, LOOP, input, output, '0.25'],
    'INT8, 2 threads': [...quantize, '-b', '8', '--threads', '2'],
    'INT8, 1 thread': [...quantize, '-b', '8', '--threads', '1'],
    'INT4 rtn, 2 threads': [...quantize, '-b', '4', '--method', 'rtn', '--threads', '2'],
    'INT4 searched, 2 threads': [...quantize, '-b', '4', '--threads', '2'],
    'FP16, 2 threads':
      dtype === 'F32'
        ? [...quantize, '-b', '16', '--threads', '2']
        : [...quantize, '-b', '16', '--dtype', 'f16', '--threads', '2'],
  };
  /** @type {Record<string, number[]>} */
  const seconds = Object.fromEntries(Object.keys(jobs).map((name) => [name, []]));
  const peaks = Object.fromEntries(Object.keys(jobs).map((name) => [name, 0]));
  // The first round warms the page cache and does not count.
  for (let round = 0; round <= Number(options.rounds); round++) {
    for (const [name, command] of Object.entries(jobs)) {
      rmSync(output, { force: true });
      const { wall, peak } = await timed(command);
      if (round > 0) seconds[name].push(wall);
      peaks[name] = Math.max(peaks[name], peak);
    }
  }
  const base = median(seconds.cp);
  process.stdout.write(
    `\n${dtype}, ${(bytes / 1e9).toFixed(2)} GB: whole processes, ${options.rounds} rounds\n`,
  );
  process.stdout.write('                               median s   min s   / cp   peak MB\n');
  for (const [name, times] of Object.entries(seconds)) {
    // Round by round: what slows the machine down for a while slows both sides.
    const ratio = median(times.map((time, round) => time / seconds.cp[round]));
    const row = [median(times).toFixed(3), Math.min(...times).toFixed(3), ratio.toFixed(2)];
    const memory = peaks[name] === 0 ? '' : (peaks[name] / 1e6).toFixed(0);
    process.stdout.write(
      `${name.padEnd(30)} ${row[0].padStart(8)} ${row[1].padStart(7)} ${row[2].padStart(6)} ${memory.padStart(9)}\n`,
    );
  }
  process.stdout.write(`cp: ${(bytes / 1e9 / base).toFixed(2)} GB/s\n`);
  rmSync(input);
  rmSync(output, { force: true });
}

async function benchSparse() {
  const input = join(options.folder, 'sparse.safetensors');
  writeModel(input, 'F32', 20e9, true);
  process.stdout.write('\nA sparse file of 20 GB\n');
  const info = [];
  for (let round = 0; round < Number(options.rounds); round++) {
    info.push((await timed([process.execPath, CLI, 'info', input, '--json'])).wall);
  }
  process.stdout.write(`info: median ${median(info).toFixed(3)} s\n`);
  const output = join(options.folder, 'output.safetensors');
  const command = [process.execPath, CLI, 'quantize', input, '-o', output, '-b', '4', '--quiet'];
  const { wall, peak } = await timed([...command, '--threads', '2']);
  process.stdout.write(`INT4: ${wall.toFixed(1)} s, peak ${(peak / 1e6).toFixed(0)} MB\n`);
  rmSync(input);
  rmSync(output, { force: true });
}

/** The inner loops in cache: WebAssembly beside the best native builds of the same jobs. */
async function benchKernels() {
  const packages = ['g++', 'clang', 'cmake', 'ninja-build', 'libbenchmark-dev', 'libgtest-dev'];
  const headers = ['libsimde-dev', 'nlohmann-json3-dev'];
  if (findOnPath('dpkg-query') !== undefined) {
    await ensurePackages([...packages, ...headers], 'the benchmarks');
  }
  const { env } = await ensureEmscripten();
  const wasm = { cwd: ROOT, env: { ...process.env, ...env } };
  const folder = join(ROOT, 'build', 'wasm-bench');
  await run(['cmake', '--preset', 'wasm-st', '-B', folder, '-DMONOQUANT_BENCH=ON'], wasm);
  await run(['cmake', '--build', folder, '--target', 'plain_bench'], wasm);
  await run(['cmake', '--preset', 'native-release'], { cwd: ROOT });
  const targets = ['plain_bench', 'plain_bench_simd', 'kernels_bench'];
  await run(['cmake', '--build', '--preset', 'native-release', '--target', ...targets], {
    cwd: ROOT,
  });
  const native = join(ROOT, 'build', 'native-release', 'cpp', 'bench');
  const columns = {
    wasm: figures([process.execPath, join(folder, 'cpp', 'bench', 'plain_bench.cjs')]),
    'native SIMD': figures([join(native, 'plain_bench_simd')]),
    'native compiler': figures([join(native, 'plain_bench')]),
  };
  process.stdout.write('\nKernels in cache, ns per weight (best of several rounds)\n');
  const names = Object.keys(columns);
  process.stdout.write(
    `${''.padEnd(32)}${names.map((name) => name.padStart(17)).join('')}   wasm / best native\n`,
  );
  for (const job of Object.keys(columns.wasm)) {
    const row = names.map((name) => columns[name][job]);
    const ratio = row[0] / Math.min(row[1], row[2]);
    process.stdout.write(
      `${job.padEnd(32)}${row.map((value) => value.toFixed(3).padStart(17)).join('')}   ${ratio.toFixed(2)}\n`,
    );
  }
}

/** @param {string[]} command prints "name nanoseconds" a line */
function figures([program, ...args]) {
  const { stdout } = spawnSync(program, args, { encoding: 'utf8' });
  const rows = stdout
    .trimEnd()
    .split('\n')
    .map((line) => /^(.*?) +([\d.]+)$/.exec(line));
  return Object.fromEntries(rows.map((row) => [row?.[1], Number(row?.[2])]));
}

/**
 * Layers of a language model with normally distributed weights, the same in each.
 * @param {string} path
 * @param {'F32' | 'BF16'} dtype
 * @param {number} wanted bytes
 * @param {boolean} isSparse only zeros, which take no room on the disk
 */
function writeModel(path, dtype, wanted, isSparse = false) {
  const layer = SIDE * SIDE * (dtype === 'F32' ? 4 : 2);
  const count = Math.round(wanted / layer);
  const header = { __metadata__: { format: 'pt' } };
  for (let i = 0; i < count; i++) {
    header[`model.layers.${i}.mlp.down_proj.weight`] = {
      dtype,
      shape: [SIDE, SIDE],
      data_offsets: [i * layer, (i + 1) * layer],
    };
  }
  const text = JSON.stringify(header);
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const file = openSync(path, 'w');
  writeSync(file, length);
  writeSync(file, json);
  if (isSparse) ftruncateSync(file, 8 + json.length + count * layer);
  else {
    const weights = normalWeights(SIDE * SIDE, dtype);
    for (let i = 0; i < count; i++) writeSync(file, weights);
    fsyncSync(file); // else the disk would be busy with it during the first rounds
  }
  closeSync(file);
  return 8 + json.length + count * layer;
}

/**
 * @param {number} count
 * @param {'F32' | 'BF16'} dtype
 */
function normalWeights(count, dtype) {
  const values = new Float32Array(count);
  let state = 12345;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  for (let i = 0; i < count; i += 2) {
    const radius = 0.02 * Math.sqrt(-2 * Math.log(uniform()));
    const angle = 2 * Math.PI * uniform();
    values[i] = radius * Math.cos(angle);
    values[i + 1] = radius * Math.sin(angle);
  }
  if (dtype === 'F32') return Buffer.from(values.buffer);
  const bits = new Uint32Array(values.buffer);
  return Buffer.from(Uint16Array.from(bits, (word) => word >>> 16).buffer);
}

/**
 * Runs a whole process. The peak is its largest resident memory, where /proc tells it.
 * @param {string[]} command
 * @returns {Promise<{wall: number, peak: number}>} seconds and bytes
 */
function timed([program, ...args]) {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(program, args, { stdio: 'ignore' });
    let peak = 0;
    const poll = setInterval(() => {
      peak = Math.max(peak, residentPeak(child.pid));
    }, 20);
    child.on('error', reject);
    child.on('exit', (code) => {
      clearInterval(poll);
      const wall = (performance.now() - start) / 1000;
      if (code === 0) resolve({ wall, peak });
      else reject(new Error(`${program} ${args.join(' ')}: exit ${code}`));
    });
  });
}

/** @param {number | undefined} pid */
function residentPeak(pid) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** @param {number[]} values */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
