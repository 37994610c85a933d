/**
 * The command that writes the same bytes as the page.
 * It exists so that what was found here can go into a script.
 */
import { type Configuration, OPTIONS, type OpenOptions, type PlanOptions } from 'monoquant';
import { commandOf as commandFor } from '../../js/words/command.js';
import { modelStem, outputSuffix } from '../../js/words/model-stem.js';

export type Options = PlanOptions & OpenOptions;

/** What is written: codes, the same values in another file, or floats of codes. */
export const TASKS = ['quantize', 'convert', 'dequantize'] as const;
export type Task = (typeof TASKS)[number];

export interface CommandFiles {
  /** Without it `quantize`. */
  readonly task?: Task;
  /** Whether the output has another name than the command gives it. */
  readonly isNamed?: boolean;
  /** As the command takes it: a file, or a folder that ends in a slash. */
  readonly model: string;
  /** The name of the file that the page would save. */
  readonly output: string;
  readonly calibration: readonly string[];
}

/** A `.pt` file is asked for by its name; any other is named by the command as it is here, if nobody named it. */
export function commandOf(choices: Options, files: CommandFiles): string {
  const { task = 'quantize', isNamed = false, model, output, calibration } = files;
  const named = isNamed || choices.container === 'pt' ? output : undefined;
  const { key, stripPrefix } = choices;
  // Of the other tasks only the part of the file is a choice.
  const said = task === 'quantize' ? choices : { key, stripPrefix };
  return commandFor({
    verb: task,
    table: OPTIONS,
    choices: said,
    model,
    output: named,
    calibration,
  });
}

/** `model-int4.safetensors` of `model.pt`. */
export function outputName(model: string, configuration: Configuration): string {
  const stem = modelStem(model);
  const { container } = configuration;
  return `${stem === '' ? 'model' : stem}${outputSuffix(configuration)}.${container}`;
}
