/**
 * One run of `monoquant quantize`: a call of the package, with its reports and its progress.
 * An existing file is overwritten only with --force, and the model never.
 */
import { GateError } from '../../js/api/gate-error.js';
import type { RunOptions } from '../../js/api/options.js';
import { spokenName } from '../../js/api/spoken-url.js';
import type { Choices, Plan, Report } from '../../js/api/types.js';
import { filesBeside, type MadeFolder, makeFolder } from '../output-folder.js';
import { writtenAt } from '../output-name.js';
import type { ChosenOptions, FlagValues } from './flag.js';
import { inFlagWords } from './flag-words.js';
import type { QuantizeFlag } from './flags.js';
import { summaryPath } from './github.js';
import { withProgress } from './progress.js';
import type { Reports } from './reports.js';
import type { Session } from './session.js';

export interface Job {
  readonly model: string;
  /** As it was named: a file or a folder. */
  readonly place: string;
  /** The file of weights that is written. */
  readonly output: string;
  /** The place, if somebody named it. */
  readonly named: string | undefined;
  readonly choices: Choices;
  /** What the run must live up to, and whether it may overwrite. */
  readonly terms: Pick<
    ChosenOptions<QuantizeFlag>,
    'force' | 'strict' | 'failUnder' | 'resume' | 'part' | 'log' | 'tensorboard'
  >;
  /** How it runs. */
  readonly run: Pick<ChosenOptions<QuantizeFlag>, 'threads'>;
  readonly values: FlagValues<QuantizeFlag>;
  readonly session: Session;
}

export interface Outcome {
  readonly document: Plan | Report;
  /** What was or would be written: the file of weights, or the index of several. */
  readonly written: string;
  /** What the work was in vain for, although there is a report of it. */
  readonly failure?: GateError;
  /** The document for people; made only when it is shown. */
  readonly render: () => Promise<string>;
}

export async function outcomeOf(job: Job): Promise<Outcome> {
  const { values, place, output, session } = job;
  let folder: MadeFolder | undefined;
  let reports: Reports | undefined;
  try {
    if (values.report !== undefined || summaryPath() !== undefined) {
      // A report may go into the folder that the run is to make.
      if (place !== output && !values['dry-run']) folder = makeFolder(place);
      reports = await beginReports(job, values.report ?? []);
    }
    const outcome = await (values['dry-run'] ? dryRun(job) : fullRun(job, reports));
    const failure = outcome.failure && inFlagWords(outcome.failure);
    await reports?.finish(outcome.document, failure);
    reports?.summarize(outcome.document, failure, session);
    return outcome;
  } finally {
    reports?.discard();
    folder?.undo();
  }
}

async function beginReports(
  { model, place, output, named, terms }: Job,
  paths: readonly string[],
): Promise<Reports> {
  const { force = false, strict = false, failUnder } = terms;
  const gates = { strict, ...(failUnder === undefined ? {} : { failUnder }) };
  const [{ Reports }, { ModelInput }] = await Promise.all([
    import('./reports.js'),
    import('../model-input.js'),
  ]);
  const others = place === output ? [] : await filesBeside(model, place);
  return Reports.begin({
    paths,
    force,
    inputs: () => ModelInput.identitiesOf(model),
    outputs: [output, ...others],
    circumstances: { model: spokenName(model), output: named, written: output, gates },
  });
}

/** All that a run does before its work, with the same end. */
async function dryRun(job: Job): Promise<Outcome> {
  const { rehearse } = await import('../model.js');
  const { model, place, output, choices, terms, values, session } = job;
  const document = await watched(job, (run) =>
    rehearse(model, { ...choices, ...run, ...terms, output: place }),
  );
  const written = writtenAt(output, document.files.length);
  const render = async () => {
    const { renderPlan } = await import('./text-plan.js');
    return renderPlan(document, written, session.out, values.verbose === true);
  };
  return { document, written, render };
}

async function fullRun(job: Job, reports: Reports | undefined): Promise<Outcome> {
  const { functionsWith } = await import('../model.js');
  const companion = reports && ((report: Report) => reports.filled(report));
  const { quantize } = functionsWith({ companion });
  const { model, place, output, choices, terms, values, session } = job;
  const renderer = (document: Report, written: string | undefined) => async () => {
    const { renderReport } = await import('./text-report.js');
    return renderReport(document, written, session.out, values.verbose === true);
  };
  try {
    const { report: document, output: written = output } = await watched(job, async (run) => {
      const result = await quantize(model, { ...choices, ...run, ...terms, output: place });
      await result.close();
      return result;
    });
    return { document, written, render: renderer(document, written) };
  } catch (failure) {
    if (!(failure instanceof GateError) || failure.report === undefined) throw failure;
    const document = failure.report;
    return { document, written: output, failure, render: renderer(document, undefined) };
  }
}

/** Does the work with its progress on screen. */
function watched<Result>(
  { run, values, session }: Job,
  work: (run: RunOptions) => Promise<Result>,
): Promise<Result> {
  const shown = {
    quiet: values.quiet === true,
    lines: !values.json && !values['dry-run'],
  };
  return withProgress(session.err, shown, (onProgress) =>
    work({ ...run, signal: session.signal, onProgress }),
  );
}
