// The benchmark's table of inner loops in cache: WebAssembly beside the best native builds of the same jobs.
// Why: whole runs are mostly reading and writing; here one sees what an instruction more costs.
// Always: the best of many rounds, because everything else is noise of the machine.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensurePackages } from './apt.mjs';
import { header, row } from './bench-files.mjs';
import { findOnPath, run } from './run.mjs';
import { ensureEmscripten } from './toolchain.mjs';

const PACKAGES = [
  'g++',
  'clang',
  'cmake',
  'ninja-build',
  'libbenchmark-dev',
  'libgtest-dev',
].concat(['libsimde-dev', 'nlohmann-json3-dev']);

/**
 * @param {{root: string}} job
 * @returns {AsyncGenerator<string>}
 */
export async function* benchKernels({ root }) {
  if (findOnPath('dpkg-query') !== undefined) await ensurePackages(PACKAGES, 'the benchmarks');
  const { env } = await ensureEmscripten();
  const wasm = { cwd: root, env: { ...process.env, ...env } };
  const folder = join(root, 'build', 'wasm-bench');
  await run(['cmake', '--preset', 'wasm-st', '-B', folder, '-DMONOQUANT_BENCH=ON'], wasm);
  await run(['cmake', '--build', folder, '--target', 'plain_bench'], wasm);
  await run(['cmake', '--preset', 'native-release'], { cwd: root });
  const targets = ['plain_bench', 'plain_bench_simd', 'kernels_bench'];
  await run(['cmake', '--build', '--preset', 'native-release', '--target', ...targets], {
    cwd: root,
  });
  const native = join(root, 'build', 'native-release', 'cpp', 'bench');
  const columns = {
    WebAssembly: figures([process.execPath, join(folder, 'cpp', 'bench', 'plain_bench.cjs')]),
    'native SIMD': figures([join(native, 'plain_bench_simd')]),
    'native compiler': figures([join(native, 'plain_bench')]),
  };
  yield '';
  yield 'Kernels in cache, ns a weight, one thread; native builds are those of the same kernels and of the plain ones:';
  yield '';
  const names = Object.keys(columns);
  yield* header(['', ...names, 'WebAssembly / best native']);
  for (const job of Object.keys(columns.WebAssembly)) {
    const figures = names.map((name) => columns[name][job]);
    const ratio = figures[0] / Math.min(...figures.slice(1));
    yield row([job, ...figures.map((value) => value.toFixed(3)), ratio.toFixed(2)]);
  }
}

/**
 * @param {string[]} command prints "name nanoseconds" a line
 * @returns {Record<string, number>}
 */
function figures([program, ...args]) {
  const { stdout } = spawnSync(program, args, { encoding: 'utf8' });
  const rows = stdout
    .trimEnd()
    .split('\n')
    .map((line) => /^(.*?) +([\d.]+)$/.exec(line));
  return Object.fromEntries(rows.map((found) => [found?.[1], Number(found?.[2])]));
}
