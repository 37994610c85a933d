// Builds a second time, in another folder, without caches and later, and compares the two dist/ byte by byte.
// Why: what is published can be checked only if whoever builds it gets the same bytes.
// Always: exit code 0 only when both hold the same files with the same bytes.
//
// node scripts/reproduce.mjs

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashEach } from './hash.mjs';
import { step } from './progress.mjs';
import { BuildError, run, runMain } from './run.mjs';

const ROOT = join(import.meta.dirname, '..');
// What a build keeps for the next one, and what is made after it.
const OWN = ['.stamp', 'bom.cdx.json'];

await runMain(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'monoquant-again-'));
  const copy = join(folder, 'a checkout elsewhere');
  try {
    copyCheckout(copy);
    const env = { ...process.env, CCACHE_DISABLE: '1', TZ: 'Pacific/Kiritimati', LC_ALL: 'C' };
    const words = [process.execPath, 'scripts/build.mjs', '--force'];
    await step('building once more elsewhere', () => run(words, { cwd: copy, env }));
    const differences = differing(distOf(ROOT), distOf(copy));
    if (differences.length > 0) {
      throw new BuildError(
        `Two builds differ in ${differences.length} files:\n${differences.join('\n')}`,
      );
    }
    process.stdout.write(
      `Two builds have the same ${distOf(ROOT).size} files.\n1 passed, 0 failed\n`,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** @param {string} copy */
function copyCheckout(copy) {
  const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const { stdout } = spawnSync('git', list, { cwd: ROOT, encoding: 'utf8', maxBuffer: 1 << 26 });
  const files = stdout.split('\0').filter((file) => file !== '' && existsSync(join(ROOT, file)));
  if (files.length === 0) throw new BuildError('git lists no files: is this a checkout?');
  mkdirSync(copy);
  for (const file of files) {
    if (file !== 'node_modules') cpSync(join(ROOT, file), join(copy, file), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
}

/** @param {string} root */
function distOf(root) {
  const hashes = hashEach(root, 'dist');
  for (const name of OWN) hashes.delete(`dist/${name}`);
  return hashes;
}

/**
 * @param {Map<string, string>} one
 * @param {Map<string, string>} other
 */
function differing(one, other) {
  const names = new Set([...one.keys(), ...other.keys()]);
  return [...names].filter((name) => one.get(name) !== other.get(name)).sort();
}
