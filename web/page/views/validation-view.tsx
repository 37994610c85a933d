/**
 * The verdict of a validation, and how far it is.
 * It exists apart because it comes after saving, as often as somebody wants.
 * Every problem is a sentence.
 */
import { formatCount, formatDecibels, formatPlural } from '../../../js/words/format.js';
import { printable } from '../../../js/words/printable.js';
import type { Outcome } from '../outcome.js';
import { FaultNotice, Good } from './notice.js';
import { WorkProgress } from './work-progress.js';

const SHOWN = 10;

/** Of a run, or of the open model itself. */
export function ValidationView({
  outcome,
}: {
  outcome: Pick<Outcome, 'validation' | 'validating'>;
}) {
  const validation = outcome.validation.value;
  return (
    <>
      <WorkProgress
        work={outcome.validating}
        words={{ compare: 'Comparing with the original', run: 'Executing layers' }}
      />
      <FaultNotice fault={outcome.validating.fault.value} title="It could not be validated." />
      {validation?.valid === true && (
        <Good>
          Valid: {formatPlural(validation.tensors.length, 'quantized tensor')}{' '}
          {validation.hasReference ? 'compared with the original' : 'with scales that fit'}
          {validation.sqnrDb !== null && `, SQNR of these ${formatDecibels(validation.sqnrDb)}`}
          {validation.outputSqnrDb !== null &&
            `; layers executed from their codes, output SQNR ${formatDecibels(validation.outputSqnrDb)}`}
          .
        </Good>
      )}
      {validation?.valid === false && (
        <div class="notice error" role="alert">
          <strong>Not valid: {formatPlural(validation.problems.length, 'problem')}.</strong>
          <ul>
            {validation.problems.slice(0, SHOWN).map(({ message }) => (
              <li key={message}>{printable(message)}</li>
            ))}
          </ul>
          {validation.problems.length > SHOWN && (
            <p>{formatCount(validation.problems.length - SHOWN)} more.</p>
          )}
        </div>
      )}
    </>
  );
}
