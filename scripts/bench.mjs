// Measures speed and memory of the command line, and of a page, beside what the machine and the browser can do.
// Why: a time says little, a ratio to copying the same file in the same round says how good we are.
// Always: rounds alternate everything that is compared; medians and quartiles are printed, nothing is judged.
//
// node scripts/bench.mjs [--only PART] [--rounds N] [--gigabytes X]
//      [--folder DIR] [--model FILE]... [--beside DIST] [--save]
//
// PART is files, searched, sparse, url, zstd, page, page-load, kernels, gptq or names.
// --model is one more model whose quantized weights are compressed.
// --beside measures another dist/ in the same rounds of the page. --save writes the tables into docs/speed.md. names and
// gptq are measured only if --only says so; the tables of names go into docs/limits.md.

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { benchConversions, benchSearches, benchSparse } from './bench-files.mjs';
import { benchFolder } from './bench-folder.mjs';
import { benchGptq } from './bench-gptq.mjs';
import { benchKernels } from './bench-kernels.mjs';
import { benchNames } from './bench-names.mjs';
import { benchPage } from './bench-page.mjs';
import { benchPageLoad } from './bench-page-load.mjs';
import { benchUrl } from './bench-url.mjs';
import { benchZstd } from './bench-zstd.mjs';
import { BuildError, runMain } from './run.mjs';

const ROOT = join(import.meta.dirname, '..');
const DOCUMENTS = join(ROOT, 'docs');
const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '7' },
    gigabytes: { type: 'string', default: '1.5' },
    folder: { type: 'string' },
    beside: { type: 'string' },
    model: { type: 'string', multiple: true, default: [] },
    save: { type: 'boolean', default: false },
  },
});

/** What is measured, in the order of the tables. */
const PARTS = {
  files: benchConversions,
  searched: benchSearches,
  sparse: benchSparse,
  url: benchUrl,
  zstd: benchZstd,
  page: benchPage,
  'page-load': benchPageLoad,
  kernels: benchKernels,
};

/** What is measured alone, with the document and the place in it that --save writes. */
const ALONE = {
  names: { bench: benchNames, document: 'limits.md', marker: '--save' },
  gptq: { bench: benchGptq, document: 'speed.md', marker: '--only gptq --save' },
};

await runMain(async () => {
  const { only } = options;
  const alone = only === undefined || !Object.hasOwn(ALONE, only) ? undefined : ALONE[only];
  const parts = alone === undefined ? PARTS : { [only ?? '']: alone.bench };
  if (only !== undefined && !Object.hasOwn(parts, only)) {
    throw new BuildError(`--only takes ${Object.keys({ ...PARTS, ...ALONE }).join(', ')}.`);
  }
  const bytes = Number(options.gigabytes) * 1e9;
  const { folder, kind } = benchFolder(join(ROOT, 'build', 'bench'), options.folder, 3 * bytes);
  const { beside, model: models } = options;
  const job = { root: ROOT, folder, bytes, rounds: Number(options.rounds), beside, models };
  const lines = [
    `${cpus()[0]?.model}, ${availableParallelism()} cores, Node ${process.version}, files on ${kind}.`,
  ];
  print(lines[0]);
  try {
    for (const [name, bench] of Object.entries(parts)) {
      if (only !== undefined && only !== name) continue;
      for await (const line of bench(job)) {
        lines.push(line);
        print(line);
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const { document, marker } = alone ?? { document: 'speed.md', marker: '--save' };
  if (options.save) save(join(DOCUMENTS, document), `<!-- npm run bench -- ${marker} -->`, lines);
});

/** @param {string} line */
function print(line) {
  process.stdout.write(`${line}\n`);
}

/**
 * Behind the marker, up to the next one.
 * @param {string} document
 * @param {string} marker
 * @param {readonly string[]} lines
 */
function save(document, marker, lines) {
  const [before, after = ''] = readFileSync(document, 'utf8').split(marker);
  const next = after.indexOf('<!-- npm run bench');
  const rest = next < 0 ? '' : `\n${after.slice(next)}`;
  writeFileSync(document, `${before}${marker}\n\n${lines.join('\n')}\n${rest}`);
}
