/**
 * `monoquant compare`: what two files have in common, tensor by tensor.
 * It exists to see what a quantization, or anybody else, has done to a model.
 * Both files are only read; the first is the measure of the second.
 */
import { MonoquantError } from '../../js/api/errors.js';
import type { Comparison } from '../../js/api/types.js';
import { formatDecibels } from '../../js/words/format.js';
import type { Arguments } from './arguments.js';
import type { CompareFlag } from './flags.js';
import { withProgress } from './progress.js';
import { printJson, type Session } from './session.js';
import { renderComparison } from './text-comparison.js';
import { twoFiles } from './two-files.js';

export async function runCompare(
  { values, options, operands }: Arguments<CompareFlag>,
  session: Session,
): Promise<void> {
  const example = 'monoquant compare model.safetensors model_quantized.safetensors';
  const [first, second] = twoFiles(operands, 'two models', example);
  const { failUnder, ...opening } = options;
  const { compare } = await import('../index.js');
  const { err, signal } = session;
  const comparison = await withProgress(err, { quiet: false, lines: !values.json }, (onProgress) =>
    compare(first, second, { ...opening, threads: 1, signal, onProgress }),
  );
  if (values.json) printJson(session.out, comparison);
  else {
    const text = renderComparison(
      comparison,
      [first, second],
      session.out,
      values.verbose === true,
    );
    session.out.write(text);
  }
  gate(comparison, failUnder);
}

function gate({ sqnrDb, tensors }: Comparison, failUnder: number | undefined): void {
  if (failUnder === undefined || sqnrDb === null || sqnrDb >= failUnder) return;
  throw new MonoquantError(
    'quality-gate',
    `The SQNR is ${formatDecibels(sqnrDb)}, below the ${failUnder} dB that --fail-under asks for.`,
    { tensor: tensors.find((tensor) => tensor.verdict === 'different')?.name },
  );
}
