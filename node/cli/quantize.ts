/**
 * `monoquant quantize`: writes smaller copies of models, or shows what it would write.
 * It exists to translate flags into a call of the package, and its result into text or JSON.
 * An existing file is overwritten only with --force, and the model never.
 */

import { resolve } from 'node:path';
import { MonoquantError } from '../../js/api/errors.js';
import { GateError } from '../../js/api/gate-error.js';
import { containerOf, type RunOptions } from '../../js/api/options.js';
import { withPreset } from '../../js/api/presets.js';
import { type Choices, type Plan, type Report, withChanges } from '../../js/api/types.js';
import { isFolder } from '../model-input.js';
import { filesBeside, type MadeFolder, makeFolder } from '../output-folder.js';
import { weightsOf } from '../output-name.js';
import { type Arguments, severalModels } from './arguments.js';
import { placeOf } from './beside-model.js';
import { readConfig } from './config-file.js';
import { asMonoquantError, failureDocument, failureText, usageError } from './failure.js';
import type { ChosenOptions, FlagValues } from './flag.js';
import type { QuantizeFlag } from './flags.js';
import { withProgress } from './progress.js';
import type { ReportFile } from './report-file.js';
import { jsonText, printJson, printPath, printWarnings, type Session } from './session.js';

interface Job {
  readonly model: string;
  /** As it was named: a file or a folder. */
  readonly place: string;
  /** The file of weights that is written. */
  readonly output: string;
  readonly choices: Choices;
  /** What the run must live up to, and whether it may overwrite. */
  readonly terms: Pick<ChosenOptions<QuantizeFlag>, 'force' | 'strict' | 'failUnder'>;
  /** How it runs. */
  readonly run: Pick<ChosenOptions<QuantizeFlag>, 'threads'>;
  readonly values: FlagValues<QuantizeFlag>;
  readonly session: Session;
}

interface Outcome {
  readonly document: Plan | Report;
  /** What the work was in vain for, although there is a report of it. */
  readonly failure?: GateError;
  /** The document for people; made only when it is shown. */
  readonly render: () => Promise<string>;
}

export async function runQuantize(given: Arguments<QuantizeFlag>, session: Session): Promise<void> {
  const jobs = jobsOf(given, session);
  const [only, ...others] = jobs;
  if (only === undefined || others.length > 0) return runEach(jobs, session);
  const outcome = await outcomeOf(only);
  if (only.values.json) printJson(session.out, outcome.document);
  await present(outcome, only);
  if (outcome.failure !== undefined) throw outcome.failure;
}

/** One run for each model and each of several bits. */
function jobsOf(given: Arguments<QuantizeFlag>, session: Session): readonly Job[] {
  const { values, variants } = given;
  const { output, terms, run, choices: flags } = sorted(given.options);
  const config = readConfig(values.config);
  const models = severalModels('quantize', given);
  const isOne = models.length * variants.length === 1;
  if (!isOne) checkSeveral(output, values.report);
  const jobs = models.flatMap((model) =>
    variants.map((variant): Job => {
      const chosen = withChanges(config, withPreset({ ...flags, ...variant }));
      const place = isOne && output !== undefined ? output : placeOf(model, chosen, output);
      const weights = weightsOf(place, model, chosen.container);
      // The name that somebody gives the output says more than a configuration.
      const container = containerOf(weights);
      const choices = { ...chosen, ...(container === undefined ? {} : { container }) };
      return { model, place, output: weights, choices, terms, run, values, session };
    }),
  );
  checkDistinct(jobs);
  return jobs;
}

function sorted(options: ChosenOptions<QuantizeFlag>) {
  const { output, force = false, strict = false, failUnder, threads, ...choices } = options;
  return {
    output,
    terms: { force, strict, ...(failUnder === undefined ? {} : { failUnder }) },
    run: threads === undefined ? {} : { threads },
    choices,
  };
}

function checkSeveral(output: string | undefined, report: string | undefined): void {
  if (output !== undefined && !/[/\\]$/.test(output) && !isFolder(output)) {
    throw usageError(
      `Expected a folder for several outputs but received "${output}".`,
      `Write "${output}/" if it is one.`,
    );
  }
  if (report === undefined) return;
  throw usageError(
    `--report "${report}" can hold the report of one run only.`,
    'Take --json, which prints all of them as one list.',
  );
}

/** Two runs may not write one file. */
function checkDistinct(jobs: readonly Job[]): void {
  const models = new Map<string, string>();
  for (const { model, output } of jobs) {
    const other = models.get(resolve(output));
    if (other !== undefined) {
      throw usageError(
        `"${other}" and "${model}" would both be written to "${output}".`,
        'Run the command once for each, with an --output of its own.',
      );
    }
    models.set(resolve(output), model);
  }
}

/** What fails does not keep the others from being made. */
async function runEach(jobs: readonly Job[], session: Session): Promise<void> {
  const documents: unknown[] = [];
  const failures: MonoquantError[] = [];
  for (const job of jobs) {
    try {
      const outcome = await outcomeOf(job);
      documents.push(outcome.document);
      if (documents.length > 1 && !job.values.json && !job.values.quiet) session.out.write('\n');
      await present(outcome, job);
      if (outcome.failure !== undefined) throw outcome.failure;
    } catch (thrown) {
      if (session.signal.aborted) throw thrown;
      const failure = asMonoquantError(thrown);
      failures.push(failure);
      if (!(thrown instanceof GateError) || thrown.report === undefined) {
        documents.push({ model: job.model, ...failureDocument(failure) });
      }
      const told = new MonoquantError(failure.code, `${job.model}: ${failure.message}`, failure);
      session.err.write(failureText(told, session.err, job.values.verbose === true));
    }
  }
  if (jobs[0]?.values.json) printJson(session.out, documents);
  const [first] = failures;
  if (first === undefined) return;
  throw new MonoquantError(first.code, `${failures.length} of ${jobs.length} runs failed.`);
}

async function outcomeOf(job: Job): Promise<Outcome> {
  const { values, place, output } = job;
  let folder: MadeFolder | undefined;
  let report: ReportFile | undefined;
  try {
    if (values.report !== undefined) {
      // The report may go into the folder that the run is to make.
      if (place !== output && !values['dry-run']) folder = makeFolder(place);
      report = await beginReport(job, values.report);
    }
    const outcome = await (values['dry-run'] ? dryRun(job) : fullRun(job, report));
    await report?.finish(jsonText(outcome.document));
    return outcome;
  } finally {
    report?.discard();
    folder?.undo();
  }
}

async function beginReport(
  { model, place, output, terms }: Job,
  path: string,
): Promise<ReportFile> {
  const { force = false } = terms;
  const { ReportFile } = await import('./report-file.js');
  const others = place === output ? [] : filesBeside(model, place);
  return ReportFile.begin({ path, force, model, outputs: [output, ...others] });
}

/** All that a run does before its work, with the same end. */
async function dryRun(job: Job): Promise<Outcome> {
  const { rehearse } = await import('../model.js');
  const { model, place, output, choices, terms, values, session } = job;
  const document = await watched(job, (run) =>
    rehearse(model, { ...choices, ...run, ...terms, output: place }),
  );
  const render = async () => {
    const { renderPlan } = await import('./text-plan.js');
    return renderPlan(document, output, session.out, values.verbose === true);
  };
  return { document, render };
}

async function fullRun(job: Job, reportFile: ReportFile | undefined): Promise<Outcome> {
  const { functionsWith } = await import('../model.js');
  const { quantize } = functionsWith(
    reportFile && ((report) => reportFile.filled(jsonText(report))),
  );
  const { model, place, output, choices, terms, values, session } = job;
  const renderer = (document: Report, written: string | undefined) => async () => {
    const { renderReport } = await import('./text-report.js');
    return renderReport(document, written, session.out, values.verbose === true);
  };
  try {
    const document = await watched(job, async (run) => {
      const result = await quantize(model, { ...choices, ...run, ...terms, output: place });
      await result.close();
      return result.report;
    });
    return { document, render: renderer(document, output) };
  } catch (failure) {
    if (!(failure instanceof GateError) || failure.report === undefined) throw failure;
    const document = failure.report;
    return { document, failure, render: renderer(document, undefined) };
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

async function present(
  { document, render, failure }: Outcome,
  { output, values, terms, session }: Job,
): Promise<void> {
  const { out, err } = session;
  const isRun = !values['dry-run'];
  if (!values.json && !values.quiet) out.write(await render());
  else if (!values.json && isRun && failure === undefined) printPath(out, output);
  // Where both outputs meet on a screen, a blank line parts them.
  const { warnings } = document;
  if (err.isTerminal && out.isTerminal && warnings.length > 0) err.write('\n');
  printWarnings(err, warnings);
  if (isRun || terms.failUnder === undefined) return;
  err.write(
    'note: a dry run measures nothing; whether --fail-under holds, the run itself tells.\n',
  );
}
