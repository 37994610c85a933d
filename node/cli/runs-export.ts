/**
 * `monoquant runs export`: runs for spreadsheets, data frames, TensorBoard and DVC.
 */
import { join } from 'node:path';
import type { RunRecord } from '../../js/api/run-record.js';
import { csvOf } from '../../js/words/runs/csv.js';
import { metricsJson, paramsYaml } from '../../js/words/runs/dvc.js';
import { makeFolder } from '../output-folder.js';
import { writeEvents } from '../runs/tensorboard.js';
import { withClaimed } from './claimed-files.js';
import { usageError } from './failure.js';
import { matchChoice } from './match-choice.js';
import type { RunsCall } from './runs-call.js';
import { jsonText, printPath } from './session.js';

const FORMATS = ['csv', 'json', 'tensorboard', 'dvc'] as const;

export async function exportRuns(call: RunsCall): Promise<void> {
  const { runs, picked, values, output, session } = call;
  const format = matchChoice('--format', FORMATS, values.format ?? (values.json ? 'json' : 'csv'));
  const chosen = picked.length > 0 ? picked : runs;
  if (format === 'dvc') {
    await exportForDvc(theOne(chosen, picked), call);
    return;
  }
  if (format === 'tensorboard') {
    const folder = output ?? 'tensorboard';
    for (const run of chosen) printPath(session.out, writeEvents(folder, run));
    return;
  }
  const text = format === 'csv' ? csvOf(chosen) : jsonText(chosen);
  if (output === undefined) session.out.write(text);
  else {
    await withClaimed([output], call.force, () => [text]);
    printPath(session.out, output);
  }
}

async function exportForDvc(run: RunRecord, call: RunsCall): Promise<void> {
  const { output = '.', force, session } = call;
  const paths = ['metrics.json', 'params.yaml'].map((name) => join(output, name));
  const made = makeFolder(output);
  try {
    await withClaimed(paths, force, () => [metricsJson(run), paramsYaml(run)]);
  } catch (error) {
    made.undo();
    throw error;
  }
  for (const path of paths) printPath(session.out, path);
}

/** The files of DVC are about one run. */
function theOne(chosen: readonly RunRecord[], picked: readonly RunRecord[]): RunRecord {
  const run = chosen.at(-1);
  if (run !== undefined && picked.length < 2) return run;
  throw usageError(
    `--format dvc needs one run but received ${picked.length}.`,
    'For example: monoquant runs export last --format dvc -o .',
  );
}
