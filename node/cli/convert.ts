/**
 * `monoquant convert`: copies all tensors, bit for bit, into another kind of file.
 * It exists as the safe way out of pickles: what reads the output needs to trust nobody.
 * The name of the output says what it becomes.
 */
import type { ConvertOptions } from '../../js/api/options.js';
import type { Report } from '../../js/api/types.js';
import type { Arguments } from './arguments.js';
import { containerOf, openOptions, withoutUndefined } from './call-options.js';
import { readConfig, withFlags } from './config-file.js';
import { type Fact, renderFacts } from './facts.js';
import { usageError } from './failure.js';
import type { FlagValues } from './flag.js';
import type { ConvertFlag } from './flags.js';
import { formatDuration, formatExactBytes, formatPlural } from './format.js';
import { showProgress } from './progress.js';
import { printJson, printWarnings, type Session } from './session.js';
import { printable } from './text.js';

export async function runConvert(
  { values, operands }: Arguments<ConvertFlag>,
  session: Session,
): Promise<void> {
  const { model, output } = twoFiles(operands);
  const options = convertOptions(values, output);
  const { convert } = await import('../index.js');
  const progress = showProgress(session.err, { quiet: values.quiet === true, lines: !values.json });
  let report: Report;
  try {
    const result = await convert(model, {
      ...options,
      output,
      ...withoutUndefined({ force: values.force, strict: values.strict }),
      signal: session.signal,
      onProgress: (step) => progress.update(step),
    });
    await result.close();
    report = result.report;
  } finally {
    progress.end();
  }
  if (values.json) printJson(session.out, report);
  else if (values.quiet) session.out.write(`${output}\n`);
  else session.out.write(`${renderFacts(facts(report, output), session.out).join('\n')}\n`);
  printWarnings(session.err, report.warnings);
}

function convertOptions(values: FlagValues<ConvertFlag>, output: string): ConvertOptions {
  const { config } = values;
  const file = readConfig(config);
  if (file.bits !== undefined && file.bits !== 'none') {
    throw usageError(
      `The configuration in "${config}" quantizes to ${file.bits} bits, but convert changes no tensor.`,
      'Take it with monoquant quantize, or take the configuration of a conversion.',
    );
  }
  const { key, stripPrefix, duplicateTies } = withFlags(
    file,
    withoutUndefined({ ...openOptions(values), duplicateTies: values['duplicate-ties'] }),
  );
  const container = containerOf(output);
  return withoutUndefined({ key, stripPrefix, duplicateTies, container });
}

function twoFiles(operands: readonly string[]): { model: string; output: string } {
  const [model, output, ...others] = operands;
  if (model === undefined || output === undefined || others.length > 0) {
    throw usageError(
      `Expected a model and an output but received ${formatPlural(operands.length, 'file')}.`,
      'For example: monoquant convert model.pt model.safetensors',
    );
  }
  if (containerOf(output) === undefined) {
    throw usageError(
      `Expected an output that ends in .safetensors, .pt, .pth, .bin or .ckpt but received "${output}".`,
      'The ending says what kind of file is written.',
    );
  }
  return { model, output };
}

function facts({ copied, sizes, timings }: Report, output: string): Fact[] {
  const count = (decision: string) =>
    copied.filter((tensor) => tensor.decision === decision).length;
  const tied = count('tie');
  const dropped = count('drop');
  const total = timings.planMs + timings.encodeMs + timings.verifyMs;
  return [
    ['output', printable(output)],
    ['size', formatExactBytes(sizes.outputBytes)],
    ['copied', `${formatPlural(count('copy'), 'tensor')}, bit for bit`],
    tied > 0 ? ['tied', `${formatPlural(tied, 'more name')}`] : undefined,
    dropped > 0 ? ['dropped', formatPlural(dropped, 'tensor')] : undefined,
    ['time', formatDuration(total)],
  ];
}
