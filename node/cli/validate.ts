/**
 * `monoquant validate`: whether a quantized file is what it should be.
 * It exists to be believed in pipelines: any problem ends it with exit code 4.
 * Files are only read.
 */

import { spokenName } from '../../js/api/spoken-url.js';
import { gateProblems, gateWarnings } from '../../js/report/gates.js';
import { type Arguments, oneModel } from './arguments.js';
import type { ValidateFlag } from './flags.js';
import { withProgress } from './progress.js';
import { printJson, printWarnings, type Session } from './session.js';
import { renderValidation } from './text-validation.js';

export async function runValidate(given: Arguments<ValidateFlag>, session: Session): Promise<void> {
  const { values } = given;
  const { strict = false, ...options } = given.options;
  const hint = 'Is one of them what the other was made from? Name it with --reference.';
  const file = oneModel('validate', given, hint);
  const shown = spokenName(file);
  const { validate } = await import('../index.js');
  const { err, signal } = session;
  const validation = await withProgress(err, { quiet: false, lines: !values.json }, (onProgress) =>
    validate(file, {
      ...options,
      threads: 1,
      signal,
      onProgress,
    }),
  );
  if (values.json) printJson(session.out, validation);
  else {
    const text = renderValidation(validation, shown, session.out, values.verbose === true);
    session.out.write(text);
  }
  printWarnings(session.err, validation.warnings);
  gateProblems(validation, shown);
  gateWarnings(validation.warnings, { strict });
}
