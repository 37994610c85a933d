/**
 * The runs of a model as chips: each stays until it is removed, and shows its choices and its result again.
 * It exists because nobody knows which of two settings is better before both have been tried.
 */
import { formatBytes, formatDecibels } from '../../../js/words/format.js';
import type { Outcome } from '../outcome.js';
import type { ViewProps } from './view-props.js';

export function RunChips({ workbench }: ViewProps) {
  const runs = workbench.runs.value;
  const shown = workbench.outcome.value;
  if (runs.length === 0) return null;
  return (
    <ul class="chips" aria-label="Runs">
      {runs.map((run) => (
        <Chip key={run.name.value} run={run} isShown={run === shown} workbench={workbench} />
      ))}
      {shown === undefined && <li class="chip next quiet">+ what is chosen now</li>}
    </ul>
  );
}

interface ChipProps extends ViewProps {
  readonly run: Outcome;
  readonly isShown: boolean;
}

function Chip({ run, isShown, workbench }: ChipProps) {
  const { sizes, sqnrDb, outputSqnrDb } = run.report;
  const decibels = outputSqnrDb ?? sqnrDb;
  return (
    <li class={`chip ${isShown ? 'shown' : ''}`}>
      <button
        type="button"
        class="plain"
        aria-pressed={isShown}
        onClick={() => workbench.showRun(run)}
      >
        <strong>{run.label}</strong> {formatBytes(sizes.outputBytes)}
        {decibels !== null && ` · ${formatDecibels(decibels)}`}
        {!run.isSafe.value && <span class="unsaved"> · not saved</span>}
      </button>
      <button
        type="button"
        class="plain remove"
        aria-label={`Remove the run ${run.label}`}
        onClick={() => workbench.removeRun(run)}
      >
        <span aria-hidden="true">×</span>
      </button>
    </li>
  );
}
