/**
 * `monoquant sensitivity`: what each tensor would lose with fewer bits.
 * It exists because layers differ, and people choose their bits by looking at them.
 */
import { extname } from 'node:path';
import { spokenName } from '../../js/api/spoken-url.js';
import type { Sensitivity } from '../../js/api/types.js';
import { quoted } from '../../js/words/command.js';
import type { PlainFact } from '../../js/words/facts.js';
import { formatChoices } from '../../js/words/format.js';
import { htmlOf } from '../../js/words/report/html.js';
import { markdownOf } from '../../js/words/report/markdown.js';
import type { TableView } from '../../js/words/report/tables.js';
import { pathShown, type ReportView } from '../../js/words/report/view.js';
import { outlierTable, outlierWords } from '../../js/words/sensitivity/outliers.js';
import {
  depthTable,
  executedTable,
  roleTable,
  sensitivityFacts,
  tensorTable,
} from '../../js/words/sensitivity/tables.js';
import type { Arguments } from './arguments.js';
import { withClaimed } from './claimed-files.js';
import { renderFacts } from './facts.js';
import { usageError } from './failure.js';
import type { SensitivityFlag } from './flags.js';
import { withProgress } from './progress.js';
import type { Screen } from './screen.js';
import { jsonText, printJson, type Session } from './session.js';
import { renderTableView } from './text-table.js';

const EXAMPLE = 'For example: monoquant sensitivity model.safetensors';

/** On a screen, of tensors that are many. */
const MOST_TENSORS = 12;
const MOST_EXECUTED = 6;
const MOST_OUTLIERS = 5;

export async function runSensitivity(
  { values, options, operands }: Arguments<SensitivityFlag>,
  session: Session,
): Promise<void> {
  const [model, ...rest] = operands;
  if (model === undefined || rest.length > 0) {
    throw usageError(`Expected one model but received ${operands.length} words.`, EXAMPLE);
  }
  const { force = false, ...others } = options;
  const { report: paths = [] } = values;
  const contents = paths.map(contentOf);
  const { sensitivity } = await import('../index.js');
  let found: Sensitivity | undefined;
  await withClaimed(paths, force, async () => {
    const { signal } = session;
    const document = await withProgress(session.err, { quiet: false, lines: false }, (onProgress) =>
      sensitivity(model, { ...others, signal, onProgress }),
    );
    found = document;
    return contents.map((content) => content(document, () => viewOf(document, model)));
  });
  if (found === undefined) return;
  if (values.json) printJson(session.out, found);
  else session.out.write(renderSensitivity(found, session.out, values.verbose === true));
}

type ContentOf = (document: Sensitivity, view: () => ReportView) => string;

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

function viewOf(document: Sensitivity, model: string): ReportView {
  const name = spokenName(model);
  return {
    title: `Sensitivity of ${/[^/\\]+[/\\]?$/.exec(name)?.[0] ?? name}`,
    version: document.version,
    failure: undefined,
    facts: factsOf(document),
    tables: tablesOf(document, true),
    rated: [],
    usages: [],
    warnings: [],
    configuration: document.configuration,
    command: `npx monoquant sensitivity ${quoted(pathShown(name))}`,
  };
}

function renderSensitivity(document: Sensitivity, screen: Screen, verbose: boolean): string {
  const blocks = [
    ...tablesOf(document, verbose).map((table) =>
      renderTableView(table, { screen }, () => 'plain'),
    ),
    renderFacts(factsOf(document), screen),
  ];
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function tablesOf(document: Sensitivity, isWhole: boolean): readonly TableView[] {
  const most = (count: number) => (isWhole ? undefined : count);
  return [
    roleTable(document),
    depthTable(document),
    tensorTable(document, most(MOST_TENSORS)),
    executedTable(document, most(MOST_EXECUTED)),
    outlierTable(document, most(MOST_OUTLIERS)),
  ].filter((table) => table !== null);
}

function factsOf(document: Sensitivity): readonly PlainFact[] {
  const outliers = outlierWords(document);
  const facts = sensitivityFacts(document);
  return outliers === undefined ? facts : [...facts, ['outliers', outliers]];
}
