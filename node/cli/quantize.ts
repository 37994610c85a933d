/**
 * `monoquant quantize`: writes smaller copies of models, or shows what it would write.
 * It exists to sort what was typed into runs, one for each model and each width, and to show what came of them.
 */
import { resolve } from 'node:path';
import { MonoquantError } from '../../js/api/errors.js';
import { GateError } from '../../js/api/gate-error.js';
import { containerFor, formatOf } from '../../js/api/gguf-format.js';
import { isPackedName } from '../../js/api/model-files.js';
import { containerOf } from '../../js/api/options.js';
import { withPreset } from '../../js/api/presets.js';
import { spokenName } from '../../js/api/spoken-url.js';
import { withChanges } from '../../js/api/types.js';
import { isFolder } from '../local-files.js';
import { weightsOf } from '../output-name.js';
import { type Arguments, severalModels } from './arguments.js';
import { placeOf } from './beside-model.js';
import { readConfig } from './config-file.js';
import { asMonoquantError, failureDocument, printFailure, usageError } from './failure.js';
import type { ChosenOptions } from './flag.js';
import { QUANTIZE_RUN, type QuantizeFlag } from './flags.js';
import { withPriorFile } from './prior-file.js';
import { type Job, type Outcome, outcomeOf } from './quantize-job.js';
import { printJson, printPath, printWarnings, type Session } from './session.js';

export async function runQuantize(given: Arguments<QuantizeFlag>, session: Session): Promise<void> {
  const jobs = jobsOf(given, session);
  const [only, ...others] = jobs;
  if (only === undefined || others.length > 0) return runEach(jobs, session);
  const outcome = await outcomeOf(only);
  if (only.values.json) printJson(session.out, outcome.document);
  await present(outcome, only);
  if (outcome.failure !== undefined) throw outcome.failure;
}

/** One run for each model and each of several widths. */
function jobsOf(given: Arguments<QuantizeFlag>, session: Session): readonly Job[] {
  const { values, variants } = given;
  const config = readConfig(values.config, QUANTIZE_RUN);
  const {
    output: named,
    terms,
    run,
    choices: flags,
  } = sorted(config.run, withPriorFile(given.options));
  const models = severalModels('quantize', given);
  const isOne = models.length * variants.length === 1;
  if (!isOne) checkSeveral(named, values.report);
  if (terms.part !== undefined) checkPart(values.report);
  const jobs = models.flatMap((model) =>
    variants.map((variant): Job => {
      const chosen = withChanges(config.choices, withPreset({ ...flags, ...variant }));
      const place = isOne && named !== undefined ? named : placeOf(model, chosen, named);
      const kind = { container: containerFor(chosen), format: formatOf(chosen) };
      const output = weightsOf(place, model, kind);
      // The name that somebody gives the output says more than a configuration.
      const container = containerOf(output);
      const isPlain = flags.zstdLevel === undefined && !isPackedName(output);
      const choices = {
        ...chosen,
        ...(container === undefined ? {} : { container }),
        ...(isPlain && chosen.zstdLevel !== undefined ? { zstdLevel: null } : {}),
      };
      return { model, place, output, named: named && place, choices, terms, run, values, session };
    }),
  );
  checkDistinct(jobs);
  return jobs;
}

/** Flags say more than a configuration. */
function sorted(config: ChosenOptions<QuantizeFlag>, flags: ChosenOptions<QuantizeFlag>) {
  const options = { ...config, ...flags };
  const { output, force = false, strict = false, failUnder, threads, ...others } = options;
  const { resume = false, part, log, tensorboard, ...choices } = others;
  return {
    output,
    terms: {
      force,
      strict,
      resume,
      ...(failUnder === undefined ? {} : { failUnder }),
      ...(part === undefined ? {} : { part }),
      ...(log === undefined ? {} : { log }),
      ...(tensorboard === undefined ? {} : { tensorboard }),
    },
    run: threads === undefined ? {} : { threads },
    choices,
  };
}

function checkSeveral(output: string | undefined, reports: readonly string[] = []): void {
  if (output !== undefined && !/[/\\]$/.test(output) && !isFolder(output)) {
    throw usageError(
      `Expected a folder for several outputs but received "${output}".`,
      `Write "${output}/" if it is one.`,
    );
  }
  const [report] = reports;
  if (report === undefined) return;
  throw usageError(
    `--report "${report}" can hold the report of one run only.`,
    'Take --json, which prints all of them as one list.',
  );
}

/** Quality is that of the whole. */
function checkPart([report]: readonly string[] = []): void {
  if (report === undefined) return;
  throw usageError(
    `--report "${report}" cannot be told of a part: some of its tensors go on in the next one.`,
    'Take --json where the parts are merged.',
  );
}

/** Two runs may not write one file. */
function checkDistinct(jobs: readonly Job[]): void {
  const models = new Map<string, string>();
  for (const { model, output } of jobs) {
    const other = models.get(resolve(output));
    if (other !== undefined) {
      throw usageError(
        `"${spokenName(other)}" and "${spokenName(model)}" would both be written to "${output}".`,
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
      const model = spokenName(job.model);
      const failure = asMonoquantError(thrown);
      failures.push(failure);
      if (!(thrown instanceof GateError) || thrown.report === undefined) {
        documents.push({ model, ...failureDocument(failure) });
      }
      const told = new MonoquantError(failure.code, `${model}: ${failure.message}`, failure);
      printFailure(told, session.err, job.values.verbose === true);
    }
  }
  if (jobs[0]?.values.json) printJson(session.out, documents);
  const [first] = failures;
  if (first === undefined) return;
  throw new MonoquantError(first.code, `${failures.length} of ${jobs.length} runs failed.`);
}

async function present(
  { document, written, render, failure }: Outcome,
  { values, terms, session }: Job,
): Promise<void> {
  const { out, err } = session;
  const isRun = !values['dry-run'];
  if (!values.json && !values.quiet) out.write(await render());
  else if (!values.json && isRun && failure === undefined) printPath(out, written);
  // Where both outputs meet on a screen, a blank line parts them.
  const { warnings } = document;
  if (err.isTerminal && out.isTerminal && warnings.length > 0) err.write('\n');
  printWarnings(err, warnings);
  if (isRun || terms.failUnder === undefined) return;
  err.write(
    'note: a dry run measures nothing; whether --fail-under holds, the run itself tells.\n',
  );
}
