/**
 * `monoquant quantize`: writes a smaller copy of a model, or shows what it would write.
 * It exists to translate flags into a call of the package, and its result into text or JSON.
 * An existing file is overwritten only with --force, and the model never.
 */
import type { Choices } from '../../js/api/option-checks.js';
import type { RunOptions } from '../../js/api/options.js';
import type { OpenOptions, PlanOptions } from '../../js/api/plan-options.js';
import type { Plan, Report } from '../../js/api/types.js';
import { gateWarnings } from '../../js/report/gates.js';
import { filesBeside, makeFolder, weightsOf } from '../output-folder.js';
import { type Arguments, oneModel } from './arguments.js';
import { outputBeside } from './beside-model.js';
import { containerOf, openOptions, withoutUndefined } from './call-options.js';
import { readConfig, withFlags } from './config-file.js';
import type { FlagValues } from './flag.js';
import { parseLayerOverride } from './layer-override.js';
import { withProgress } from './progress.js';
import type { QuantizeFlag } from './quantize-flags.js';
import type { ReportFile } from './report-file.js';
import { jsonText, printJson, printWarnings, type Session } from './session.js';

interface Job {
  readonly model: string;
  /** As it was named: a file or a folder. */
  readonly place: string;
  /** The file of weights that is written. */
  readonly output: string;
  readonly options: PlanOptions & OpenOptions;
  readonly values: FlagValues<QuantizeFlag>;
  readonly session: Session;
}

interface Outcome {
  readonly document: Plan | Report;
  /** The document for people; made only when it is shown. */
  readonly render: () => Promise<string>;
}

export async function runQuantize(given: Arguments<QuantizeFlag>, session: Session): Promise<void> {
  const { values } = given;
  const model = oneModel('quantize', given);
  const chosen = withFlags(readConfig(values.config), flagOptions(values));
  const place =
    values.output ?? outputBeside(model, '_quantized', chosen.container ?? 'safetensors');
  const output = weightsOf(place, model, chosen.container);
  // The name that somebody gives the output says more than a configuration.
  const options = { ...chosen, ...withoutUndefined({ container: containerOf(output) }) };
  const job: Job = { model, place, output, options, values, session };
  let undoFolder: (() => void) | undefined;
  let report: ReportFile | undefined;
  try {
    if (values.report !== undefined) {
      // The report may go into the folder that the run is to make.
      if (place !== output && !values['dry-run']) undoFolder = makeFolder(place);
      report = await beginReport(job, values.report);
    }
    const outcome = await (values['dry-run'] ? dryRun(job) : fullRun(job));
    report?.finish(jsonText(outcome.document));
    await present(outcome, job);
  } finally {
    report?.discard();
    undoFolder?.();
  }
}

async function beginReport(
  { model, place, output, values }: Job,
  path: string,
): Promise<ReportFile> {
  const { force = false } = values;
  const { ReportFile } = await import('./report-file.js');
  const others = place === output ? [] : filesBeside(model, place);
  return ReportFile.begin({ path, force, model, outputs: [output, ...others] });
}

function flagOptions(values: FlagValues<QuantizeFlag>): Choices {
  return withoutUndefined({
    ...openOptions(values),
    bits: values.bits,
    dynamic: values.dynamic,
    weightsOnly: values['weights-only'],
    static: values.static,
    calibration: values.calibration,
    observer: values.observer,
    percentile: values.percentile,
    inputScheme: values['input-scheme'],
    scheme: values.scheme,
    strategy: values.strategy,
    groupSize: values['group-size'],
    method: values.method,
    floatType: values.dtype,
    format: values.format,
    duplicateTies: values['duplicate-ties'],
    layers: values.layers,
    ignore: values.ignore,
    defaultIgnore: values['no-default-ignore'] ? false : undefined,
    overrides: values.layer?.map(parseLayerOverride),
    minElements: values['min-elements'],
  });
}

async function dryRun(job: Job): Promise<Outcome> {
  const { open } = await import('../index.js');
  const document = await watched(job, async (run) => {
    const { key, stripPrefix } = job.options;
    const model = await open(job.model, { ...run, ...withoutUndefined({ key, stripPrefix }) });
    try {
      return await model.plan(job.options);
    } finally {
      await model.close();
    }
  });
  const { output, values, session } = job;
  gateWarnings(document.warnings, { strict: values.strict === true });
  const render = async () => {
    const { renderPlan } = await import('./text-plan.js');
    return renderPlan(document, output, session.out, values.verbose === true);
  };
  return { document, render };
}

async function fullRun(job: Job): Promise<Outcome> {
  const { quantize } = await import('../index.js');
  const { model, place, output, options, values, session } = job;
  const { force, strict, 'fail-under': failUnder } = values;
  const document = await watched(job, async (run) => {
    const result = await quantize(model, {
      ...options,
      ...run,
      output: place,
      ...withoutUndefined({ force, strict, failUnder }),
    });
    await result.close();
    return result.report;
  });
  const render = async () => {
    const { renderReport } = await import('./text-report.js');
    return renderReport(document, output, session.out, values.verbose === true);
  };
  return { document, render };
}

/** Does the work with its progress on screen. */
function watched<Result>(
  { values, session }: Job,
  work: (run: RunOptions) => Promise<Result>,
): Promise<Result> {
  const { threads } = values;
  const choices = {
    quiet: values.quiet === true,
    lines: !values.json && !values['dry-run'],
  };
  return withProgress(session.err, choices, (onProgress) =>
    work({ signal: session.signal, onProgress, ...withoutUndefined({ threads }) }),
  );
}

async function present(
  { document, render }: Outcome,
  { output, values, session }: Job,
): Promise<void> {
  if (values.json) printJson(session.out, document);
  else session.out.write(values.quiet ? `${output}\n` : await render());
  // Where both outputs meet on a screen, a blank line parts them.
  const { warnings } = document;
  const meet = session.err.isTerminal && session.out.isTerminal;
  if (meet && warnings.length > 0) session.err.write('\n');
  printWarnings(session.err, warnings);
}
