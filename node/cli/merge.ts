/**
 * `monoquant merge`: puts the parts of an output together that `--part` has made.
 * It exists so that several machines can share a run: what comes out is what one of them would have written.
 */
import { GateError } from '../../js/api/gate-error.js';
import type { MergeOptions } from '../../js/api/options.js';
import type { Report } from '../../js/api/types.js';
import type { Arguments } from './arguments.js';
import { usageError } from './failure.js';
import type { FlagValues } from './flag.js';
import { inFlagWords } from './flag-words.js';
import type { MergeFlag } from './flags.js';
import { withProgress } from './progress.js';
import type { Reports } from './reports.js';
import { printJson, printPath, printWarnings, type Session } from './session.js';
import { renderReport } from './text-report.js';

export async function runMerge(
  { values, options, operands }: Arguments<MergeFlag>,
  session: Session,
): Promise<void> {
  const { output, ...terms } = options;
  const example = 'For example: monoquant merge model.safetensors.part-* -o model.safetensors';
  if (output === undefined) throw usageError('merge needs an output.', example);
  if (operands.length === 0) throw usageError('merge needs the parts.', example);
  const { out, err } = session;
  const show = (report: Report, written: string | undefined) => {
    if (values.json) printJson(out, report);
    else if (!values.quiet) out.write(renderReport(report, written, out, values.verbose === true));
    else if (written !== undefined) printPath(out, written);
    printWarnings(err, report.warnings);
  };
  const reports =
    values.report === undefined
      ? undefined
      : await beginReports(operands, { ...options, output }, values.report);
  try {
    const result = await merged(
      { values, options: { ...terms, output }, operands },
      session,
      reports,
    );
    show(result.report, result.output);
  } catch (failure) {
    if (failure instanceof GateError && failure.report !== undefined) {
      await reports?.finish(failure.report, inFlagWords(failure));
      show(failure.report, undefined);
    }
    throw failure;
  } finally {
    reports?.discard();
  }
}

async function merged(
  {
    values,
    options,
    operands,
  }: { values: FlagValues<MergeFlag>; options: MergeOptions; operands: readonly string[] },
  { err, signal }: Session,
  reports: Reports | undefined,
) {
  const { mergeWith } = await import('../merging.js');
  const companion = reports && ((report: Report) => reports.filled(report));
  const shown = { quiet: values.quiet === true, lines: !values.json };
  const result = await withProgress(err, shown, (onProgress) =>
    mergeWith(companion, operands, { ...options, signal, onProgress }),
  );
  await result.close();
  return result;
}

/** The model is what the parts are parts of: nobody has named another one. */
async function beginReports(
  parts: readonly string[],
  { output, force = false, strict = false, failUnder }: MergeOptions,
  paths: readonly string[],
): Promise<Reports> {
  const [{ Reports }, { InputFile }] = await Promise.all([
    import('./reports.js'),
    import('../input-file.js'),
  ]);
  const written = String(output);
  const gates = { strict, ...(failUnder === undefined ? {} : { failUnder }) };
  return Reports.begin({
    paths,
    force,
    inputs: () =>
      parts.map((part) => {
        const file = InputFile.open(part);
        file.close();
        return file.identity;
      }),
    outputs: [written],
    circumstances: { model: written, output: undefined, written, gates },
  });
}
