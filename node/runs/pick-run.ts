/**
 * A run by what somebody calls it: its id, the beginning or the end of that, or `last`.
 */
import { MonoquantError } from '../../js/api/errors.js';
import { nearest } from '../../js/api/nearest.js';
import type { RunRecord } from '../../js/api/run-record.js';
import type { RunLog } from './run-log.js';

export function pickRun(log: RunLog, runs: readonly RunRecord[], named: string): RunRecord {
  const last = runs.at(-1);
  if (last === undefined) {
    throw new MonoquantError('file-not-found', `There is no run in "${log.path}".`, {
      suggestion: 'Runs are added to it by --log; name the folder of another one with --log DIR.',
    });
  }
  if (named === 'last') return last;
  const exact = runs.find(({ id }) => id === named);
  if (exact !== undefined) return exact;
  const found =
    named === '' ? [] : runs.filter(({ id }) => id.startsWith(named) || id.endsWith(named));
  const [only, ...others] = found;
  if (only !== undefined && others.length === 0) return only;
  const ids = (only === undefined ? runs : found).map(({ id }) => id);
  const meant = nearest(named, ids);
  throw new MonoquantError(
    'invalid-options',
    only === undefined
      ? `There is no run "${named}" in "${log.path}".`
      : `"${named}" may be any of ${found.length} runs.`,
    {
      suggestion:
        meant === undefined
          ? `The last runs are ${ids.slice(-3).join(', ')}.`
          : `Did you mean ${meant}?`,
    },
  );
}
