/**
 * `monoquant quantize`: writes a smaller copy of a model, or shows what it would write.
 * It exists to translate flags into a call of the package, and its result into text or JSON.
 * An existing file is overwritten only with --force, and the model never.
 */

import { openingOf } from '../../js/api/configuration.js';
import { GateError } from '../../js/api/gate-error.js';
import { containerOf, type RunOptions } from '../../js/api/options.js';
import { type Choices, type Plan, type Report, withChanges } from '../../js/api/types.js';
import { gateWarnings } from '../../js/report/gates.js';
import { filesBeside, makeFolder, weightsOf } from '../output-folder.js';
import { type Arguments, oneModel } from './arguments.js';
import { outputBeside } from './beside-model.js';
import { readConfig } from './config-file.js';
import type { ChosenOptions, FlagValues } from './flag.js';
import { inFlagWords } from './flag-words.js';
import type { QuantizeFlag } from './flags.js';
import { summaryPath } from './github.js';
import { withProgress } from './progress.js';
import type { Reports } from './reports.js';
import { printJson, printPath, printWarnings, type Session } from './session.js';

interface Job {
  readonly model: string;
  /** As it was named: a file or a folder. */
  readonly place: string;
  /** The file of weights that is written. */
  readonly output: string;
  /** The output as it was asked for. */
  readonly named: string | undefined;
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
  const { values } = given;
  const model = oneModel('quantize', given);
  const { output: named, terms, run, choices: flags } = sorted(given.options);
  const chosen = withChanges(readConfig(values.config), flags);
  const place = named ?? outputBeside(model, '_quantized', chosen.container ?? 'safetensors');
  const output = weightsOf(place, model, chosen.container);
  // The name that somebody gives the output says more than a configuration.
  const container = containerOf(output);
  const choices = { ...chosen, ...(container === undefined ? {} : { container }) };
  const job: Job = { model, place, output, named, choices, terms, run, values, session };
  let undoFolder: (() => void) | undefined;
  let reports: Reports | undefined;
  try {
    if (values.report !== undefined || summaryPath() !== undefined) {
      // A report may go into the folder that the run is to make.
      if (place !== output && !values['dry-run']) undoFolder = makeFolder(place);
      reports = await beginReports(job, values.report ?? []);
    }
    const outcome = await (values['dry-run'] ? dryRun(job) : fullRun(job, reports));
    const failure = outcome.failure && inFlagWords(outcome.failure);
    await reports?.finish(outcome.document, failure);
    await present(outcome, job);
    reports?.summarize(outcome.document, failure, session);
    if (outcome.failure !== undefined) throw outcome.failure;
  } finally {
    reports?.discard();
    undoFolder?.();
  }
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

async function beginReports(
  { model, place, output, named, terms }: Job,
  paths: readonly string[],
): Promise<Reports> {
  const { force = false, ...gates } = terms;
  const { Reports } = await import('./reports.js');
  const others = place === output ? [] : filesBeside(model, place);
  return Reports.begin({
    paths,
    force,
    model,
    outputs: [output, ...others],
    circumstances: { model, output: named, written: output, gates },
  });
}

async function dryRun(job: Job): Promise<Outcome> {
  const { open } = await import('../index.js');
  const document = await watched(job, async (run) => {
    const model = await open(job.model, { ...run, ...openingOf(job.choices) });
    try {
      const { key, stripPrefix, ...choices } = job.choices;
      return await model.plan(choices);
    } finally {
      await model.close();
    }
  });
  const { output, terms, values, session } = job;
  gateWarnings(document.warnings, { strict: terms.strict === true });
  const render = async () => {
    const { renderPlan } = await import('./text-plan.js');
    return renderPlan(document, output, session.out, values.verbose === true);
  };
  return { document, render };
}

async function fullRun(job: Job, reports: Reports | undefined): Promise<Outcome> {
  const { functionsWith } = await import('../model.js');
  const { quantize } = functionsWith(reports && ((report) => reports.filled(report)));
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
  { output, values, session }: Job,
): Promise<void> {
  if (values.json) printJson(session.out, document);
  else if (!values.quiet) session.out.write(await render());
  else if (failure === undefined) printPath(session.out, output);
  // Where both outputs meet on a screen, a blank line parts them.
  const { warnings } = document;
  const meet = session.err.isTerminal && session.out.isTerminal;
  if (meet && warnings.length > 0) session.err.write('\n');
  printWarnings(session.err, warnings);
}
