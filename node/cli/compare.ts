/**
 * `monoquant compare`: what two files have in common, tensor by tensor.
 * It exists to see what a quantization, or anybody else, has done to a model.
 * Both files are only read; the first is the measure of the second.
 */

import { spokenName } from '../../js/api/spoken-url.js';
import { judged } from '../../js/report/comparison.js';
import { gateQuality, gateWarnings } from '../../js/report/gates.js';
import type { Arguments } from './arguments.js';
import type { CompareFlag } from './flags.js';
import { withProgress } from './progress.js';
import { printJson, printWarnings, type Session } from './session.js';
import { renderComparison } from './text-comparison.js';
import { twoFiles } from './two-files.js';

export async function runCompare(
  { values, options, operands }: Arguments<CompareFlag>,
  session: Session,
): Promise<void> {
  const example = 'monoquant compare model.safetensors model_quantized.safetensors';
  const [first, second] = twoFiles(operands, 'two models', example);
  const { failUnder, strict = false, ...opening } = options;
  const { compare } = await import('../index.js');
  const { err, signal } = session;
  const comparison = await withProgress(err, { quiet: false, lines: !values.json }, (onProgress) =>
    compare(first, second, { ...opening, threads: 1, signal, onProgress }),
  );
  if (values.json) printJson(session.out, comparison);
  else {
    const text = renderComparison(
      comparison,
      [spokenName(first), spokenName(second)],
      session.out,
      values.verbose === true,
    );
    session.out.write(text);
  }
  printWarnings(session.err, comparison.warnings);
  gateQuality(judged(comparison), { failUnder });
  gateWarnings(comparison.warnings, { strict });
}
