/**
 * `monoquant benchmark`: configurations side by side on one model, with how sure the difference is.
 * It exists because a mean says nothing of whether another method is better, or only luckier in two tensors.
 */
import { extname } from 'node:path';
import type { PlanOptions } from '../../js/api/plan-options.js';
import { PRESET_NAMES } from '../../js/api/presets.js';
import { spokenName } from '../../js/api/spoken-url.js';
import type { Benchmark } from '../../js/api/types.js';
import {
  benchmarkFacts,
  comparisonTable,
  configurationTable,
  tensorTable,
} from '../../js/words/benchmark/tables.js';
import { quoted } from '../../js/words/command.js';
import { formatChoices } from '../../js/words/format.js';
import { htmlOf } from '../../js/words/report/html.js';
import { markdownOf } from '../../js/words/report/markdown.js';
import { pathShown, type ReportView } from '../../js/words/report/view.js';
import type { Arguments } from './arguments.js';
import { withClaimed } from './claimed-files.js';
import { readConfig } from './config-file.js';
import { renderFacts } from './facts.js';
import { usageError } from './failure.js';
import type { BenchmarkFlag } from './flags.js';
import { parseChoices } from './layer-override.js';
import { withProgress } from './progress.js';
import type { Screen } from './screen.js';
import { jsonText, printJson, printWarning, type Session } from './session.js';
import { renderTableView } from './text-table.js';

const EXAMPLE =
  'For example: monoquant benchmark model.safetensors bits:4,method:rtn bits:4,method:mse';

export async function runBenchmark(
  { values, options, operands }: Arguments<BenchmarkFlag>,
  session: Session,
): Promise<void> {
  const [model, ...words] = operands;
  if (model === undefined || words.length < 2) {
    throw usageError(
      `Expected a model and two configurations at least but received ${operands.length} words.`,
      EXAMPLE,
    );
  }
  const configurations = configurationsOf(words);
  const { force = false, ...others } = options;
  const { report: paths = [] } = values;
  const contents = paths.map(contentOf);
  const { benchmark } = await import('../index.js');
  let found: Benchmark | undefined;
  await withClaimed(paths, force, async () => {
    const shown = { quiet: false, lines: false };
    const { signal } = session;
    const document = await withProgress(session.err, shown, (onProgress) =>
      benchmark(model, configurations, { ...others, signal, onProgress }),
    );
    found = document;
    const shownWords = [spokenName(model), ...words].map((word) => quoted(pathShown(word)));
    const command = ['npx monoquant benchmark', ...shownWords].join(' ');
    return contents.map((content) => content(document, () => viewOf(document, command)));
  });
  if (found === undefined) return;
  if (values.json) printJson(session.out, found);
  else session.out.write(renderBenchmark(found, session.out, values.verbose === true));
  printWarnings(found, session.err);
}

/** Each under the word that it was given as. */
function configurationsOf(words: readonly string[]): Readonly<Record<string, PlanOptions>> {
  const entries = words.map((word) => [word, choicesOf(word)] as const);
  const twice = words.find((word, index) => words.indexOf(word) !== index);
  if (twice !== undefined) {
    throw usageError(`The configuration "${twice}" is given twice.`, 'Give it once.');
  }
  return Object.fromEntries(entries);
}

function choicesOf(word: string): PlanOptions {
  const preset = PRESET_NAMES.find((name) => name.toLowerCase() === word.toLowerCase());
  if (preset !== undefined) return { scheme: preset };
  if (/\.json$/i.test(word)) return readConfig(word, {}).choices;
  return parseChoices(word, 'a configuration', EXAMPLE) as PlanOptions;
}

type ContentOf = (document: Benchmark, view: () => ReportView) => string;

const KINDS: Readonly<Record<string, ContentOf>> = {
  '.json': jsonText,
  '.md': (_, view) => markdownOf(view()),
  '.html': (_, view) => htmlOf(view()),
};

function contentOf(path: string): ContentOf {
  const kind = KINDS[extname(path).toLowerCase()];
  if (kind !== undefined) return kind;
  throw usageError(
    `Expected a name that ends in ${formatChoices(Object.keys(KINDS))} for --report but received "${path}".`,
    'The ending decides what is written.',
  );
}

function viewOf(benchmark: Benchmark, command: string): ReportView {
  const name = /[^/\\]+[/\\]?$/.exec(benchmark.model ?? '')?.[0] ?? 'a model';
  const { configurations, version } = benchmark;
  return {
    title: `Benchmark of ${name}`,
    version,
    failure: undefined,
    facts: benchmarkFacts(benchmark),
    tables: [configurationTable(benchmark), comparisonTable(benchmark), tensorTable(benchmark)],
    rated: [],
    warnings: [],
    usages: [],
    configuration: Object.fromEntries(configurations.map((row) => [row.name, row.configuration])),
    command,
  };
}

function renderBenchmark(benchmark: Benchmark, screen: Screen, verbose: boolean): string {
  const tables = [
    configurationTable(benchmark),
    ...(benchmark.comparisons.length === 0 ? [] : [comparisonTable(benchmark)]),
    ...(verbose ? [tensorTable(benchmark)] : []),
  ];
  const blocks = [
    ...tables.map((table) =>
      renderTableView(table, { screen }, ({ quality }) => (quality === 'low' ? 'yellow' : 'plain')),
    ),
    renderFacts(benchmarkFacts(benchmark), screen),
  ];
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

/** Each sentence once, whichever configurations it is about. */
function printWarnings({ configurations }: Benchmark, screen: Screen): void {
  const sentences = new Set(configurations.flatMap(({ warnings }) => warnings));
  for (const sentence of sentences) printWarning(screen, sentence);
}
