/**
 * `monoquant calibrate`: observes captured inputs of a model's layers and stores what they were like.
 * It exists because data are read once, and a model may be quantized many times.
 * The output appears whole or not at all; a NaN, a name or a width that does not fit is told by name.
 */
import type { Calibration, ModuleStatistics } from '../../js/api/calibration.js';
import type { CalibrateFileOptions } from '../../js/api/options.js';
import { formatCount, formatPlural } from '../../js/words/format.js';
import { printable } from '../../js/words/printable.js';
import type { Arguments } from './arguments.js';
import { besideModel } from './beside-model.js';
import { type Fact, renderFacts } from './facts.js';
import { usageError } from './failure.js';
import type { FlagValues } from './flag.js';
import type { CalibrateFlag } from './flags.js';
import { withProgress } from './progress.js';
import { printJson, printPath, printWarnings, type Session } from './session.js';

export async function runCalibrate(
  { values, options, operands }: Arguments<CalibrateFlag>,
  session: Session,
): Promise<void> {
  const [model, ...data] = operands;
  if (model === undefined || data.length === 0) {
    throw usageError(
      `Expected a model and captured inputs but received ${formatPlural(operands.length, 'file')}.`,
      'For example: monoquant calibrate model.safetensors inputs.pt -o calibration.json',
    );
  }
  const { output = besideModel(model, '_calibration.json'), ...choices } = options;
  const calibration = await observe(
    model,
    data,
    { choices: { ...choices, output }, values },
    session,
  );
  const warnings = calibration.warnings ?? [];
  if (values.json) printJson(session.out, calibration);
  else if (values.quiet) printPath(session.out, output);
  else session.out.write(`${renderFacts(facts(calibration, output), session.out).join('\n')}\n`);
  printWarnings(session.err, warnings);
}

async function observe(
  model: string,
  data: readonly string[],
  { choices, values }: { choices: CalibrateFileOptions; values: FlagValues<CalibrateFlag> },
  session: Session,
): Promise<Calibration> {
  const { calibrate } = await import('../index.js');
  const shown = { quiet: values.quiet === true, lines: !values.json };
  return withProgress(session.err, shown, (onProgress) =>
    calibrate(model, data, {
      ...choices,
      signal: session.signal,
      onProgress,
    }),
  );
}

/** Statistics do not say how many values they are of all channels together. */
function valuesOf({ values, valuesPerChannel, squares }: ModuleStatistics): number {
  return values > 0 ? values : valuesPerChannel * squares.length;
}

function facts({ modules, leftOut }: Calibration, output: string): Fact[] {
  const samples = Object.values(modules).map((module) => module.samples);
  const values = Object.values(modules).reduce((sum, module) => sum + valuesOf(module), 0);
  const least = samples.reduce((few, count) => Math.min(few, count), Number.POSITIVE_INFINITY);
  const most = samples.reduce((many, count) => Math.max(many, count), 0);
  return [
    ['output', printable(output)],
    ['observed', `${formatPlural(samples.length, 'layer')}, ${formatCount(values)} values`],
    samples.length === 0
      ? undefined
      : [
          'samples',
          least === most
            ? formatCount(least)
            : `${formatCount(least)} to ${formatCount(most)} a layer`,
        ],
    leftOut.length > 0
      ? ['left out', `${formatPlural(leftOut.length, 'layer')} with NaN`]
      : undefined,
  ];
}
