// Fetches the C sources that the core is compiled with (third_party/package.json): zlib and zstd.
// Why: npm has them by name, version and checksum, and every machine that builds has npm.
// Always: their own install scripts never run, and what those need is not fetched (`overrides` puts a small package in
// its place); with everything in place it reads two small files.
//
// By hand: node scripts/third-party.mjs, then cmake --preset native-debug

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { step } from './progress.mjs';
import { BuildError, isMain, run, runMain } from './run.mjs';

const FOLDER = join(import.meta.dirname, '..', 'third_party');
const ROOT_PACKAGE = '';

// These are settings that npm may have been started with itself (`npm install -g`, `npm publish --dry-run`)
// and that it hands on to what it runs.
const OVERRIDES = ['--global=false', '--dry-run=false', '--package-lock-only=false'];

/** Installs the sources where they are missing or are not those of the lock file. */
export async function ensureThirdParty() {
  const wanted = readPackages(join(FOLDER, 'package-lock.json'));
  if (wanted === undefined) {
    throw new BuildError('third_party/package-lock.json is missing from the checkout.');
  }
  if (isInstalled(wanted)) return;
  await step('fetching the sources of zlib and zstd', async () => {
    await run(['npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund', ...OVERRIDES], {
      cwd: FOLDER,
      hint: 'The C sources that the core needs come from the npm registry: is it reachable?',
    });
  });
  if (!isInstalled(wanted)) {
    throw new BuildError(
      'npm ci in third_party/ ended well but left other packages than its lock file names. ' +
        'Remove third_party/node_modules and run again.',
    );
  }
}

/**
 * npm notes down what it has installed, last of all.
 * @param {Map<string, string>} wanted
 */
function isInstalled(wanted) {
  const found = readPackages(join(FOLDER, 'node_modules', '.package-lock.json'));
  return (
    found !== undefined && [...wanted].every(([path, integrity]) => found.get(path) === integrity)
  );
}

/**
 * @param {string} file a lock file
 * @returns {Map<string, string> | undefined} each package's folder and checksum
 */
function readPackages(file) {
  try {
    const { packages } = JSON.parse(readFileSync(file, 'utf8'));
    const entries = Object.entries(packages).filter(([path]) => path !== ROOT_PACKAGE);
    return new Map(entries.map(([path, { integrity }]) => [path, integrity]));
  } catch {
    return undefined;
  }
}

if (isMain(import.meta)) await runMain(ensureThirdParty);
