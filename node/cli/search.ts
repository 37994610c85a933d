/**
 * `monoquant search`: the best choices of bits for every size.
 * It exists for those who want to see what there is before they choose; who knows the size takes --budget.
 */
import { extname } from 'node:path';
import { spokenName } from '../../js/api/spoken-url.js';
import type { Front, SearchProgress } from '../../js/api/types.js';
import { shownOf } from '../../js/report/front.js';
import { quoted } from '../../js/words/command.js';
import { formatChoices } from '../../js/words/format.js';
import { frontSvg } from '../../js/words/front/picture.js';
import { frontFacts, pointTable, presetTable } from '../../js/words/front/tables.js';
import { escaped, htmlOf } from '../../js/words/report/html.js';
import { markdownOf } from '../../js/words/report/markdown.js';
import { pathShown, type ReportView } from '../../js/words/report/view.js';
import type { Arguments } from './arguments.js';
import { withClaimed } from './claimed-files.js';
import { renderFacts } from './facts.js';
import { usageError } from './failure.js';
import type { SearchFlag } from './flags.js';
import { withPriorFile } from './prior-file.js';
import { withProgress } from './progress.js';
import type { Screen } from './screen.js';
import { jsonText, printJson, type Session } from './session.js';
import { renderTableView } from './text-table.js';

const EXAMPLE = 'For example: monoquant search model.safetensors -o front.html';

/** Points in a table. */
const MOST_ROWS = 12;

export async function runSearch(
  { values, options, operands }: Arguments<SearchFlag>,
  session: Session,
): Promise<void> {
  const [model, ...rest] = operands;
  if (model === undefined || rest.length > 0) {
    throw usageError(`Expected one model but received ${operands.length} words.`, EXAMPLE);
  }
  const { force = false, ...others } = withPriorFile(options);
  const { output: paths = [] } = values;
  const contents = paths.map(contentOf);
  const { search } = await import('../index.js');
  let found: Front | undefined;
  await withClaimed(paths, force, async () => {
    const { signal } = session;
    const onGeneration = generationLines(session.err, options.generations);
    const front = await withProgress(session.err, { quiet: false, lines: false }, (onProgress) =>
      search(model, { ...others, signal, onProgress, onGeneration }),
    );
    found = front;
    return contents.map((content) => content(front, () => viewOf(front, model)));
  });
  if (found === undefined) return;
  if (values.json) printJson(session.out, found);
  else session.out.write(renderFront(found, session.out));
}

/** Lines for progress, at most. */
const MOST_LINES = 10;
const USUAL_GENERATIONS = 100;

/** A few lines, however many generations there are. */
function generationLines(screen: Screen, generations = USUAL_GENERATIONS) {
  const each = Math.max(1, Math.ceil(generations / MOST_LINES));
  return ({ generation, evaluations, hypervolume, front }: SearchProgress) => {
    if (generation % each !== 0 && generation !== generations) return;
    screen.write(
      `generation ${generation} of ${generations}: ${evaluations} choices, hypervolume ${hypervolume.toFixed(5)}, front ${front}\n`,
    );
  };
}

type ContentOf = (front: Front, view: () => ReportView) => string;

const KINDS: Readonly<Record<string, ContentOf>> = {
  '.json': jsonText,
  '.md': (_, view) => markdownOf(view()),
  '.html': (_, view) => htmlOf(view()),
};

function contentOf(path: string): ContentOf {
  const kind = KINDS[extname(path).toLowerCase()];
  if (kind !== undefined) return kind;
  throw usageError(
    `Expected a name that ends in ${formatChoices(Object.keys(KINDS))} for --output but received "${path}".`,
    'The ending decides what is written.',
  );
}

function viewOf(front: Front, model: string): ReportView {
  const name = spokenName(model);
  const { seed, population, generations, objectives } = front;
  const flags = `--population ${population} --generations ${generations.length - 1} --seed ${seed} --objectives ${objectives.join()}`;
  return {
    title: `Front of ${/[^/\\]+[/\\]?$/.exec(name)?.[0] ?? name}`,
    version: front.version,
    failure: undefined,
    picture: {
      title: 'Error by bytes',
      svg: frontSvg(front, escaped),
      legend:
        'Each point is a choice of bits for every tensor; nothing that was found is better than one of the line in all that was asked about. Grey points are beaten. Squares are one setting for all tensors.',
    },
    facts: frontFacts(front),
    tables: [pointTable(front, rowsOf(front)), presetTable(front)],
    rated: [],
    usages: [],
    warnings: [],
    configuration: front.base,
    command: `npx monoquant search ${quoted(pathShown(name))} ${flags}`,
  };
}

function rowsOf({ points }: Front): readonly number[] {
  const isShown = (index: number) =>
    points[index]?.measured !== undefined || points[index]?.preset !== undefined;
  return shownOf(points.length, MOST_ROWS, isShown);
}

function renderFront(front: Front, screen: Screen): string {
  const tables = [pointTable(front, rowsOf(front)), presetTable(front)];
  const blocks = [
    ...tables.map((table) => renderTableView(table, { screen }, () => 'plain')),
    renderFacts(frontFacts(front), screen),
  ];
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}
