/**
 * The verdict on a quantized file, as text.
 * It exists for `validate`; programs take the validation itself with `--json`.
 * Every problem is a sentence; long lists say how much is missing.
 */
import type { Validation } from '../../js/api/types.js';
import { countBy } from '../../js/words/counts.js';
import { formatCount, formatDecibels, formatError, formatPlural } from '../../js/words/format.js';
import { printable, printableName } from '../../js/words/printable.js';
import { codesWords } from '../../js/words/wording.js';
import { type Fact, renderFacts } from './facts.js';
import type { Screen } from './screen.js';
import { renderTable } from './table.js';
import { wrap } from './text.js';

const SQNR = { title: 'SQNR', align: 'right' } as const;
const MAX_ERROR = { title: 'max error', align: 'right' } as const;
const OUTPUT_SQNR = { title: 'output SQNR', align: 'right', shrink: 'end' } as const;
const PROBLEMS_SHOWN = 10;
const TENSORS_SHOWN = 5;

export function renderValidation(
  validation: Validation,
  file: string,
  screen: Screen,
  verbose: boolean,
): string {
  const { valid, problems, tensors, hasReference } = validation;
  const blocks = [renderFacts(facts(validation, file), screen)];
  if (!valid) {
    const shown = verbose ? problems : problems.slice(0, PROBLEMS_SHOWN);
    const lines = shown.map(
      ({ message }) =>
        `${screen.paint('red', '✗')} ${wrap(printable(message), screen.columns(), 2)}`,
    );
    const hidden = problems.length - shown.length;
    if (hidden > 0) lines.push(screen.paint('dim', `… ${formatCount(hidden)} more (--verbose)`));
    blocks.push(lines);
  }
  const hasRun = tensors.some(({ run }) => run !== undefined);
  if ((hasReference || hasRun) && tensors.length > 0) {
    const shown = verbose ? tensors : tensors.slice(0, TENSORS_SHOWN);
    const rows = shown.map(({ name, quantization, sqnrDb, maxError, run, notRun }) => [
      printableName(name),
      codesWords(quantization),
      ...(hasReference
        ? [formatDecibels(sqnrDb), maxError === null ? '' : formatError(maxError)]
        : []),
      ...(hasRun
        ? [run === undefined ? `not run: ${printable(notRun ?? '')}` : formatDecibels(run.sqnrDb)]
        : []),
    ]);
    blocks.push(
      renderTable(
        [
          { title: verbose ? 'tensor, the worst first' : 'worst tensors', shrink: 'middle' },
          { title: 'stored as' },
          ...(hasReference ? ([SQNR, MAX_ERROR] as const) : []),
          ...(hasRun ? [OUTPUT_SQNR] : []),
        ],
        rows,
        { screen },
      ),
    );
  }
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function facts(
  { valid, problems, tensors, sqnrDb, outputSqnrDb, hasReference }: Validation,
  file: string,
): Fact[] {
  const kinds = countBy(tensors, ({ quantization }) => codesWords(quantization));
  const verdict: Fact = valid
    ? ['verdict', 'valid', 'green']
    : ['verdict', `not valid: ${formatPlural(problems.length, 'problem')}`, 'red'];
  return [
    ['file', printable(file)],
    verdict,
    tensors.length > 0
      ? ['quantized', kinds.map(([words, count]) => `${formatCount(count)} ${words}`).join(', ')]
      : undefined,
    hasReference && tensors.length > 0
      ? ['quality', sqnrDb === null ? 'nothing was lost' : `SQNR ${formatDecibels(sqnrDb)}`]
      : undefined,
    outputSqnrDb === null
      ? undefined
      : ['outputs', `SQNR ${formatDecibels(outputSqnrDb)}${runWords(tensors, hasReference)}`],
  ];
}

const INPUT_WORDS = [
  ['captured', 'captured'],
  ['statistics', 'typical'],
  ['seeded', 'random'],
] as const;

/** What the layers were executed on, and beside. */
function runWords(tensors: Validation['tensors'], hasReference: boolean): string {
  const runs = tensors.flatMap(({ run }) => run ?? []);
  const kinds = INPUT_WORDS.filter(([kind]) => runs.some(({ inputs }) => inputs === kind));
  const inputs = kinds.map(([, words]) => words).join(' and ');
  const beside = hasReference ? '' : ', beside the dequantized weights';
  return ` (${formatPlural(runs.length, 'executed tensor')}, ${inputs} inputs${beside})`;
}
