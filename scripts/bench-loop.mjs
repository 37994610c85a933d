// Reads a file in blocks, writes a share of each, and reads that back: what any quantizer that checks its output has
// to do at least.
// Why: the benchmark shows it beside us, so that one sees what the work itself costs.
// Always: as many threads as asked for, each with parts of its own; no engine.
//
// node scripts/bench-loop.mjs INPUT OUTPUT SHARE THREADS

import { fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { isMainThread, Worker, workerData } from 'node:worker_threads';

const BLOCK = 1 << 20;
const PART = 16 << 20;

if (isMainThread) {
  const [input, output, share, threads] = process.argv.slice(2);
  const files = { from: openSync(input, 'r'), to: openSync(output, 'w+') };
  for (let index = 0; index < Number(threads); index++) {
    const workerData = { ...files, share: Number(share), index, count: Number(threads) };
    new Worker(new URL(import.meta.url), { workerData });
  }
} else {
  const { from, to, share, index, count } = workerData;
  // Memory that begins with a page: copies of some other alignments take three times as long on some machines.
  const { Memory } = /** @type {any} */ (globalThis).WebAssembly;
  const block = new Uint8Array(new Memory({ initial: BLOCK >>> 16 }).buffer);
  const { size } = fstatSync(from);
  forEachBlock(size, index, count, (offset) => {
    const bytes = readSync(from, block, 0, BLOCK, offset);
    writeSync(to, block, 0, Math.round(bytes * share), offset * share);
  });
  forEachBlock(size, index, count, (offset) => {
    readSync(to, block, 0, BLOCK * share, offset * share);
  });
}

/**
 * @param {number} size
 * @param {number} index
 * @param {number} count
 * @param {(offset: number) => void} visit
 */
function forEachBlock(size, index, count, visit) {
  for (let part = index * PART; part < size; part += count * PART) {
    for (let offset = part; offset < Math.min(size, part + PART); offset += BLOCK) visit(offset);
  }
}
