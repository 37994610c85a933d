/**
 * `monoquant merge`: puts the parts of an output together that `--part` has made.
 * It exists so that several machines can share a run: what comes out is what one of them would have written.
 */
import { GateError } from '../../js/api/gate-error.js';
import type { Report } from '../../js/api/types.js';
import type { Arguments } from './arguments.js';
import { usageError } from './failure.js';
import type { MergeFlag } from './flags.js';
import { withProgress } from './progress.js';
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
  const { merge } = await import('../index.js');
  const { out, err, signal } = session;
  const show = (report: Report, written: string | undefined) => {
    if (values.json) printJson(out, report);
    else if (!values.quiet) out.write(renderReport(report, written, out, values.verbose === true));
    else if (written !== undefined) printPath(out, written);
    printWarnings(err, report.warnings);
  };
  const shown = { quiet: values.quiet === true, lines: !values.json };
  try {
    const result = await withProgress(err, shown, (onProgress) =>
      merge(operands, { ...terms, output, signal, onProgress }),
    );
    await result.close();
    show(result.report, result.output);
  } catch (failure) {
    if (failure instanceof GateError && failure.report !== undefined) {
      show(failure.report, undefined);
    }
    throw failure;
  }
}
