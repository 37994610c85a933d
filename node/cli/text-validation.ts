/**
 * The verdict on a quantized file, as text.
 * It exists for `validate`; programs take the validation itself with `--json`.
 * Every problem is a sentence; long lists say how much is missing.
 */
import type { Validation } from '../../js/api/types.js';
import { countBy, type Fact, renderFacts } from './facts.js';
import { formatCount, formatDecibels, formatError, formatPlural } from './format.js';
import type { Screen } from './screen.js';
import { renderTable } from './table.js';
import { printable, printableName, wrap } from './text.js';
import { codesWords } from './wording.js';

const PROBLEMS_SHOWN = 10;
const TENSORS_SHOWN = 5;

export function renderValidation(
  validation: Validation,
  file: string,
  screen: Screen,
  verbose: boolean,
): string {
  const { valid, problems, tensors, hasReference } = validation;
  const blocks = [renderFacts(facts(validation, file, screen), screen)];
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
  if (hasReference && tensors.length > 0) {
    const shown = verbose ? tensors : tensors.slice(0, TENSORS_SHOWN);
    const rows = shown.map(({ name, quantization, sqnrDb, maxError }) => [
      printableName(name),
      codesWords(quantization),
      formatDecibels(sqnrDb),
      maxError === null ? '' : formatError(maxError),
    ]);
    blocks.push(
      renderTable(
        [
          { title: verbose ? 'tensor, the worst first' : 'worst tensors', shrink: 'middle' },
          { title: 'stored as' },
          { title: 'SQNR', align: 'right' },
          { title: 'max error', align: 'right' },
        ],
        rows,
        { screen },
      ),
    );
  }
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function facts(
  { valid, problems, tensors, sqnrDb, hasReference }: Validation,
  file: string,
  screen: Screen,
): Fact[] {
  const kinds = countBy(tensors, ({ quantization }) => codesWords(quantization));
  const verdict = valid
    ? screen.paint('green', 'valid')
    : screen.paint('red', `not valid: ${formatPlural(problems.length, 'problem')}`);
  return [
    ['file', printable(file)],
    ['verdict', verdict],
    tensors.length > 0
      ? ['quantized', kinds.map(([words, count]) => `${formatCount(count)} ${words}`).join(', ')]
      : undefined,
    hasReference && tensors.length > 0
      ? ['quality', sqnrDb === null ? 'nothing was lost' : `SQNR ${formatDecibels(sqnrDb)}`]
      : undefined,
  ];
}
