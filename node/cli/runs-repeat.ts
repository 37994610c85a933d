/**
 * `monoquant runs repeat`: the same bytes again, or what differs and why.
 * Other bytes end it with the code of a verification that failed.
 */
import { MonoquantError, type RunRecord } from '../index.js';
import type { RepeatReason, Repetition } from '../runs/repeat.js';
import { type Fact, renderFacts } from './facts.js';
import { withProgress } from './progress.js';
import type { RunsCall } from './runs-call.js';
import { printJson, printPath } from './session.js';

export async function repeatLogged(
  run: RunRecord,
  { log, output, force, values, session }: RunsCall,
): Promise<void> {
  const { repeatRun } = await import('../index.js');
  const { out, err, signal } = session;
  const shown = { quiet: values.quiet === true, lines: !values.json };
  const repetition = await withProgress(err, shown, (onProgress) =>
    repeatRun(log.folder, run.id, {
      ...(output === undefined ? {} : { output }),
      force,
      signal,
      onProgress,
    }),
  );
  if (values.json) printJson(out, repetition);
  else if (!values.quiet) {
    out.write(`${renderFacts(factsOf(repetition, output), out).join('\n')}\n`);
  } else if (repetition.same) printPath(out, output ?? repetition.again.id);
  if (repetition.same) return;
  const where = repetition.tensor === undefined ? '' : `; "${repetition.tensor}" is the first`;
  throw new MonoquantError(
    'verification-failed',
    `Expected the bytes of the run ${run.id}, found others${where}.`,
    { suggestion: `${whyOf(repetition)}.`, tensor: repetition.tensor },
  );
}

function factsOf(repetition: Repetition, output: string | undefined): Fact[] {
  const { same, first, again, tensor } = repetition;
  return [
    ['repeats', first.id],
    ['run', again.id],
    ['output', output ?? 'compared, and not kept'],
    ['bytes', same ? 'the same bytes' : 'other bytes', same ? 'green' : 'red'],
    same ? undefined : ['differs', tensor ?? 'somewhere: nothing is left to tell in which tensor'],
    same ? undefined : ['why', whyOf(repetition)],
  ];
}

const WHY: Readonly<Record<RepeatReason, string>> = {
  'source-changed': 'The source has changed',
  'calibration-changed': 'The calibration has changed',
  'version-changed': 'It was made by another version',
  unknown:
    'Model, calibration, options and version are the same: this is a fault of monoquant, please report it',
};

function whyOf({ reasons, first, again }: Repetition): string {
  return reasons
    .map((reason) =>
      reason === 'version-changed'
        ? `${WHY[reason]}, ${first.version}, and this is ${again.version}`
        : WHY[reason],
    )
    .join('. ');
}
