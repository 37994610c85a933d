/**
 * `monoquant runs`: looks at the runs that `--log` has kept, and does them again.
 * It exists because the question after a week of trying is which run that was, and whether it can be had again.
 */

import type { RunRecord } from '../../js/api/run-record.js';
import { spokenName } from '../../js/api/spoken-url.js';
import { formatPlural } from '../../js/words/format.js';
import { pinnedRun, pinRun } from '../runs/baseline.js';
import { pickRun } from '../runs/pick-run.js';
import { RunLog } from '../runs/run-log.js';
import type { Arguments } from './arguments.js';
import { usageError } from './failure.js';
import type { FlagValues } from './flag.js';
import type { RunsFlag } from './flags.js';
import { matchChoice } from './match-choice.js';
import { ACTIONS, type RunsAction } from './runs-actions.js';
import type { RunsCall } from './runs-call.js';
import { printJson, printWarning, type Session } from './session.js';

const DO: Readonly<Record<RunsAction, (call: RunsCall) => void | Promise<void>>> = {
  list: async (call) => (await import('./runs-list.js')).listRuns(call),
  show: async (call) => (await import('./runs-list.js')).showRun(theOne('show', call), call),
  compare: async (call) => (await import('./runs-compare.js')).compareLogged(call),
  pin: (call) => pin(call),
  repeat: async (call) =>
    (await import('./runs-repeat.js')).repeatLogged(theOne('repeat', call), call),
  export: async (call) => (await import('./runs-export.js')).exportRuns(call),
};

export async function runRuns(
  { values, options, operands }: Arguments<RunsFlag>,
  session: Session,
): Promise<void> {
  const [first = 'list', ...named] = operands;
  const action = matchChoice('runs', ACTIONS, first);
  checkFlags(action, values, options.output);
  const log = new RunLog(options.log ?? 'monoquant-runs');
  const { runs, unread } = log.read();
  if (unread > 0) {
    printWarning(session.err, `${formatPlural(unread, 'line')} of "${log.path}" cannot be read.`);
  }
  const isUnpinning = action === 'pin' && named.join() === 'none';
  const picked = isUnpinning ? [] : named.map((word) => pickRun(log, runs, word));
  const { output, force = false } = options;
  const baseline = baselineOf(log, runs, values.baseline, session);
  await DO[action]({ log, runs, picked, baseline, values, output, force, session });
}

/** Flags that an action does not know are mistakes. */
function checkFlags(
  action: RunsAction,
  { baseline, format }: FlagValues<RunsFlag>,
  output: string | undefined,
): void {
  const given: readonly (readonly [flag: string, value: unknown, actions: readonly string[]])[] = [
    ['--baseline', baseline, ['list', 'compare']],
    ['--format', format, ['export']],
    ['--output', output, ['repeat', 'export']],
  ];
  for (const [flag, value, actions] of given) {
    if (value === undefined || actions.includes(action)) continue;
    throw usageError(
      `${flag} has no meaning with runs ${action}.`,
      `It goes with runs ${actions.join(' and runs ')}.`,
    );
  }
}

function baselineOf(
  log: RunLog,
  runs: readonly RunRecord[],
  named: string | undefined,
  { err }: Session,
): RunRecord | undefined {
  if (named !== undefined) return pickRun(log, runs, named);
  const id = pinnedRun(log);
  const pinned = runs.find((run) => run.id === id);
  if (id !== undefined && pinned === undefined) {
    printWarning(err, `The pinned run "${spokenName(id)}" is not in "${log.path}".`);
  }
  return pinned;
}

function theOne(action: RunsAction, { picked }: RunsCall): RunRecord {
  const [only, ...others] = picked;
  if (only !== undefined && others.length === 0) return only;
  throw usageError(
    `runs ${action} needs one run but received ${picked.length}.`,
    `For example: monoquant runs ${action} last`,
  );
}

function pin({ log, picked, values, session: { out } }: RunsCall): void {
  const [run, ...others] = picked;
  if (others.length > 0) throw usageError('runs pin takes one run.');
  pinRun(log, run?.id);
  if (values.json) printJson(out, { baseline: run?.id ?? null });
  else if (!values.quiet) {
    out.write(run === undefined ? 'no run is pinned\n' : `baseline    ${run.id}\n`);
  }
}
