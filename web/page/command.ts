/**
 * The command that writes the same bytes as the page.
 * It exists so that what was found here can go into a script.
 */
import { type Configuration, OPTIONS, type OpenOptions, type PlanOptions } from 'monoquant';
import { commandOf as commandFor } from '../../js/words/command.js';
import { modelStem, outputSuffix } from '../../js/words/model-stem.js';

export type Options = PlanOptions & OpenOptions;

export interface CommandFiles {
  /** As the command takes it: a file, or a folder that ends in a slash. */
  readonly model: string;
  /** The name of the file that the page would save. */
  readonly output: string;
  readonly calibration: readonly string[];
}

/** A `.pt` file is asked for by its name; any other is named by the command as it is here. */
export function commandOf(choices: Options, { model, output, calibration }: CommandFiles): string {
  const named = choices.container === 'pt' ? output : undefined;
  return commandFor({ table: OPTIONS, choices, model, output: named, calibration });
}

/** `model-int4.safetensors` of `model.pt`. */
export function outputName(model: string, configuration: Configuration): string {
  const stem = modelStem(model);
  const { container } = configuration;
  return `${stem === '' ? 'model' : stem}${outputSuffix(configuration)}.${container}`;
}
