/**
 * What a caller of `benchmark` may ask for, checked: all of it before anything is encoded.
 */
import type { CalibrationInput } from './calibration.js';
import { checkObject, contradiction, unexpected } from './check.js';
import { configurationOf, openingOf } from './configuration.js';
import { BENCHMARK, OUTPUT, RUN } from './option-table/calls.js';
import { checkOptions, type Inputs } from './option-table/entry.js';
import { OPTIONS } from './option-table/table.js';
import { EVERY, keysOf, type Opening, type OutputOptions, type RunOptions } from './options.js';
import type { OpenOptions, PlanOptions } from './plan-options.js';
import { withPreset } from './presets.js';
import { option, say } from './sentence.js';

/** How configurations are held against each other. */
export interface BenchmarkOptions
  extends OpenOptions,
    RunOptions,
    Inputs<typeof BENCHMARK>,
    Pick<OutputOptions, 'log'> {}

/** Choices that each configuration has besides its own: data mean something only to those that have scales. */
export function resolveBenchmark(
  configurations: Readonly<Record<string, PlanOptions>>,
  options: BenchmarkOptions,
): {
  readonly run: RunOptions;
  readonly opening: Opening;
  readonly named: readonly (readonly [name: string, options: PlanOptions])[];
  readonly inputs: CalibrationInput | undefined;
  readonly calibration: readonly CalibrationInput[];
  readonly rounds: number;
  readonly seed: number;
  readonly log: string | undefined;
} {
  const { log: logEntry } = OUTPUT;
  const given = keysOf(options, BENCHMARK, ...EVERY, { log: logEntry });
  const { calibration = [], inputs = [], rounds = 1, seed = 0 } = checkOptions(BENCHMARK, given);
  const { log } = checkOptions({ log: logEntry }, given);
  if (inputs.length > 1) {
    throw contradiction(
      say`Layers are executed on captured inputs from one file, but ${option('inputs')} names ${inputs.length}.`,
      'Give one file of captured inputs.',
    );
  }
  const opening = openingOf(given);
  const named = Object.entries(checkObject(configurations, 'configurations')).map(
    ([name, own]): readonly [string, PlanOptions] => {
      const choices = withPreset(checkObject(own, name)) as PlanOptions;
      const { bits = 8 } = choices;
      const takesData = calibration.length > 0 && (bits === 4 || bits === 8);
      const whole = { ...(takesData ? { calibration } : {}), ...choices };
      // Mistakes in the last one are told before the first one runs.
      configurationOf(keysOf({ ...opening, ...whole }, OPTIONS));
      return [name, whole];
    },
  );
  if (named.length < 2) {
    throw unexpected('at least two of them', 'configurations', Object.keys(configurations));
  }
  return {
    run: checkOptions(RUN, given),
    opening,
    named,
    inputs: inputs[0] ?? (calibration.length === 1 ? calibration[0] : undefined),
    calibration,
    rounds,
    seed,
    log,
  };
}
