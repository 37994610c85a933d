/**
 * What `convert` and `dequantize` have in common: a model is written as another file, with a short report.
 * It exists so that both show progress, results and warnings alike.
 * The name of the output says what it becomes.
 */
import { isPackedName } from '../../js/api/model-files.js';
import type { ConvertOptions } from '../../js/api/options.js';
import { type Choices, type Report, withChanges } from '../../js/api/types.js';
import { formatDuration, formatExactBytes } from '../../js/words/format.js';
import { printable } from '../../js/words/printable.js';
import { packedFact, partFact, resumedFact } from '../../js/words/report/facts.js';
import type { QuantizeResult } from '../index.js';
import type { Config } from './config-file.js';
import { renderFacts } from './facts.js';
import { usageError } from './failure.js';
import type { ChosenOptions, FlagValues } from './flag.js';
import type { CONVERT_RUN, ConvertFlag } from './flags.js';
import { withProgress } from './progress.js';
import { printJson, printPath, printWarnings, type Session } from './session.js';

export interface Rewriting {
  readonly output: string;
  readonly values: FlagValues<ConvertFlag>;
  readonly config: Config<typeof CONVERT_RUN>;
  readonly options: ChosenOptions<ConvertFlag>;
  /** The call of the package. */
  readonly call: (options: ConvertOptions) => Promise<QuantizeResult>;
  /** What became of the tensors. */
  readonly facts: (report: Report) => readonly (readonly [string, string])[];
}

export async function rewrite(
  { output, values, config, options, call, facts }: Rewriting,
  session: Session,
): Promise<void> {
  const given = { ...config.run, ...options };
  const {
    output: _,
    force = false,
    strict = false,
    resume = false,
    part,
    log,
    tensorboard,
    ...chosen
  } = given;
  const choices = { quiet: values.quiet === true, lines: !values.json };
  const { report, written } = await withProgress(session.err, choices, async (onProgress) => {
    const result = await call({
      ...rewriteOptions(values.config, config.choices, chosen, output),
      output,
      force,
      strict,
      resume,
      ...(part === undefined ? {} : { part }),
      ...(log === undefined ? {} : { log }),
      ...(tensorboard === undefined ? {} : { tensorboard }),
      signal: session.signal,
      onProgress,
    });
    await result.close();
    return { report: result.report, written: result.output ?? output };
  });
  const { sizes, timings, warnings } = report;
  const total = timings.planMs + timings.encodeMs + timings.verifyMs + (timings.compressMs ?? 0);
  if (values.json) printJson(session.out, report);
  else if (values.quiet) printPath(session.out, written);
  else {
    const lines = [
      ['output', printable(written)],
      partFact(report),
      resumedFact(report),
      ['size', formatExactBytes(sizes.outputBytes)],
      packedFact(report),
      ...facts(report),
      ['time', formatDuration(total)],
    ] as const;
    session.out.write(`${renderFacts(lines, session.out).join('\n')}\n`);
  }
  printWarnings(session.err, warnings);
}

function rewriteOptions(
  config: string | undefined,
  file: Choices,
  chosen: Choices,
  output: string,
): ConvertOptions {
  if (file.bits !== undefined && file.bits !== 'none') {
    throw usageError(
      `The configuration in "${config}" quantizes to ${file.bits} bits, but this command changes no value.`,
      'Take it with monoquant quantize, or take the configuration of a conversion.',
    );
  }
  const choices = withChanges(file, chosen);
  const { key = null, stripPrefix = '', duplicateTies = false, container, maxShardSize } = choices;
  // The name of an output says more than a configuration.
  const { zstdLevel = null } = isPackedName(output) ? choices : chosen;
  return {
    key,
    stripPrefix,
    duplicateTies,
    zstdLevel,
    ...(container === undefined ? {} : { container }),
    ...(maxShardSize === undefined ? {} : { maxShardSize }),
  };
}
