// Quantizes real models and tiny ones of many families, and has the programs of each layout load what comes out, and
// reads what they write; TensorBoard reads files of events.
// Why: a file is right when other people's programs load it untouched and compute what its codes say.
// Always: nothing is changed by hand between the two; what a loader cannot do is shown in its own words.
//
// node scripts/conformance.mjs [models|vllm|gguf|families|modes|layouts|mlx|accuracy|search|tensorboard ...] [--filter NAME] [--cli PATH]

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { tableOf, wordsOf, writeDocument } from './conformance-table.mjs';
import { ensurePackages } from './node-environment.mjs';
import { ensureEnvironment } from './python-environment.mjs';
import { BuildError, run, runMain } from './run.mjs';
import { searchPicture } from './search-picture.mjs';

/** @typedef {import('./conformance-table.mjs').Case} Case */

const ROOT = join(import.meta.dirname, '..');
const FOLDER = join(ROOT, 'conformance');
const WORK = join(ROOT, 'build', 'conformance');

/** What other programs do not promise is no fault of ours, and no success either. */
const VERDICTS = {
  ok: 'passed',
  refused: 'passed',
  fails: 'failed',
  unmade: 'failed',
  'no kernel': 'skipped',
  'loader fault': 'skipped',
  'tool fault': 'skipped',
};

const PARTS = {
  families: { environment: 'transformers', script: 'run_families.py' },
  modes: { environment: 'transformers', script: 'run_families.py', flags: ['--wide'] },
  layouts: { environment: 'layouts', script: 'run_layouts.py' },
  mlx: { environment: 'mlx', script: 'run_mlx.py', needs: 'layouts' },
  models: { environment: 'transformers', script: 'run_models.py' },
  accuracy: { environment: 'transformers', script: 'run_accuracy.py', tools: 'tools' },
  search: { environment: 'transformers', script: 'run_search.py' },
  vllm: { environment: 'vllm', script: 'run_vllm.py', needs: 'models' },
  gguf: { packages: 'gguf.json', script: 'run_gguf.mjs', needs: 'models' },
  tensorboard: { environment: 'tensorboard', script: 'run_tensorboard.py' },
};

const ENVIRONMENTS = {
  transformers: ['transformers.txt', 'models-alone.txt'],
  layouts: ['transformers.txt', 'layouts.txt'],
  tools: ['transformers.txt', 'tools.txt', 'tools-alone.txt'],
  mlx: ['mlx.txt'],
  vllm: ['vllm.txt', 'vllm-alone.txt'],
  tensorboard: ['tensorboard.txt'],
};

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    filter: { type: 'string', default: '' },
    cli: { type: 'string', default: join(ROOT, 'dist', 'node', 'cli.js') },
  },
});

await runMain(main);

async function main() {
  const names = positionals.length === 0 ? Object.keys(PARTS) : positionals;
  const unknown = names.find((name) => !Object.hasOwn(PARTS, name));
  if (unknown !== undefined) {
    throw new BuildError(
      `There is no part "${unknown}"; there are ${Object.keys(PARTS).join(', ')}.`,
    );
  }
  if (!existsSync(options.cli)) {
    throw new BuildError(`${options.cli} is missing: run npm install first.`);
  }
  mkdirSync(WORK, { recursive: true });
  const monoquant = (await run([process.execPath, options.cli, '--version'])).trim();
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const name of names) {
    const versions = { monoquant };
    const cases = await runPart(name, versions);
    const table = tableOf(name, cases, versions);
    process.stdout.write(`\n${table}\n`);
    // Only a whole part may take the place of the table that is there.
    if (options.filter === '') writeDocument(ROOT, name, table);
    if (options.filter === '' && name === 'search') {
      writeFileSync(join(ROOT, 'docs', 'pictures', 'search.svg'), searchPicture(cases));
    }
    for (const { verdict } of cases) counts[VERDICTS[verdict] ?? 'failed']++;
  }
  const skipped = counts.skipped === 0 ? '' : `, ${counts.skipped} skipped`;
  process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed${skipped}\n`);
  process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;
}

/**
 * @param {string} name of a part
 * @param {Record<string, string>} versions gets those of what is run
 * @returns {Promise<Case[]>} what each case showed
 */
async function runPart(name, versions) {
  const { environment, packages, script, needs, tools, flags = [] } = PARTS[name];
  if (needs !== undefined) {
    // The other environment makes what this one reads.
    await runPython(PARTS[needs].environment, PARTS[needs].script, ['--prepare'], {});
  }
  process.stdout.write(`\n== ${name}\n`);
  const args = ['--filter', options.filter, ...flags];
  // What other programs make of the same model is made in an environment of their own.
  if (tools !== undefined) args.push('--tools', await pythonOf(tools));
  if (packages === undefined) return runPython(environment, script, args, versions);
  const folder = await ensurePackages(name, join(FOLDER, packages));
  return runProgram(process.execPath, script, ['--packages', folder, ...args], versions);
}

/**
 * @param {string} environment
 * @param {string} script prints its versions, then one JSON document a line for each case
 * @param {string[]} args
 * @param {Record<string, string>} versions
 * @returns {Promise<Case[]>}
 */
async function runPython(environment, script, args, versions) {
  return runProgram(await pythonOf(environment), script, args, versions);
}

/** @param {string} environment */
function pythonOf(environment) {
  const requirements = ENVIRONMENTS[environment].map((file) => join(FOLDER, file));
  return ensureEnvironment(environment, requirements);
}

/**
 * @param {string} program that runs the script
 * @param {string} script
 * @param {string[]} args
 * @param {Record<string, string>} versions
 * @returns {Promise<Case[]>}
 */
async function runProgram(program, script, args, versions) {
  const command = [join(FOLDER, script), '--cli', options.cli, '--work', WORK, ...args];
  const child = spawn(program, command, { stdio: ['ignore', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (data) => {
    errors = (errors + data).slice(-20_000);
  });
  /** @type {Promise<number | null>} */
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  const cases = [];
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith('{')) continue; // a library's own words
    const { versions: found, ...rest } = JSON.parse(line);
    if (found !== undefined) Object.assign(versions, found);
    else {
      cases.push(rest);
      process.stdout.write(`${wordsOf(rest)}\n`);
    }
  }
  const code = await ended;
  if (code !== 0) throw new BuildError(`${errors}\n${script} ended with exit code ${code}.`);
  return cases;
}
