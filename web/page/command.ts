/**
 * The command that writes the same bytes as the page.
 * It exists so that what was found here can go into a script.
 * Only choices that were made are in it, in the order of the command's help.
 */
import type { LayerOverride, OpenOptions, PlanOptions } from 'monoquant';
import { modelStem } from '../../js/words/model-stem.js';

export type Options = PlanOptions & OpenOptions;

export interface CommandFiles {
  /** As the command takes it: a file, or a folder that ends in a slash. */
  readonly model: string;
  /** The name of the file that the page would save. */
  readonly output: string;
  readonly calibration: readonly string[];
}

/** A `.pt` file is asked for by its name; any other is named by the command as it is here. */
export function commandOf(options: Options, { model, output, calibration }: CommandFiles): string {
  const words = ['npx', 'monoquant', 'quantize', asPath(model), ...choiceWords(options)];
  for (const file of calibration) words.push(...flag('--calibration', asPath(file)));
  if (options.container === 'pt') words.push(...flag('--output', asPath(output)));
  return words.map(quoted).join(' ');
}

/** `model_quantized.safetensors` of `model.pt`. */
export function outputName(model: string, container: 'safetensors' | 'pt'): string {
  const stem = modelStem(model);
  return `${stem === '' ? 'model' : stem}_quantized.${container}`;
}

function choiceWords(options: Options): string[] {
  const { key, stripPrefix, layers, ignore = [], overrides = [] } = options;
  const valued = [
    ['--bits', options.bits],
    ['--scheme', options.scheme],
    ['--strategy', options.strategy],
    ['--group-size', options.groupSize],
    ['--method', options.method],
    ['--dtype', options.floatType],
    ['--observer', options.observer],
    ['--percentile', options.percentile],
    ['--input-scheme', options.inputScheme],
    ['--layers', layers?.join(',')],
    ['--min-elements', options.minElements],
    ['--strip-prefix', stripPrefix === '' ? undefined : stripPrefix],
    ['--key', key ?? undefined],
  ] as const;
  const words = valued.flatMap(([name, value]) => (value === undefined ? [] : flag(name, value)));
  if (options.mode !== undefined) words.push(`--${options.mode}`);
  for (const pattern of ignore) words.push(...flag('--ignore', pattern));
  if (options.defaultIgnore === false) words.push('--no-default-ignore');
  for (const override of overrides) words.push(...flag('--layer', layerWord(override)));
  if (options.duplicateTies) words.push('--duplicate-ties');
  return words;
}

/** What begins like a flag is tied to its own. */
function flag(name: string, value: string | number): string[] {
  const text = String(value);
  return text.startsWith('-') ? [`${name}=${text}`] : [name, text];
}

function asPath(name: string): string {
  return name.startsWith('-') ? `./${name}` : name;
}

function layerWord({ pattern, bits, scheme, groupSize, method }: LayerOverride): string {
  const choices = [
    ['bits', bits],
    ['scheme', scheme],
    ['group', groupSize],
    ['method', method],
  ] as const;
  const said = choices.filter(([, value]) => value !== undefined);
  return `${pattern}=${said.map(([name, value]) => `${name}:${value}`).join(',')}`;
}

/** For the shells of Unix: single quotes around whatever they would read as something else. */
function quoted(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", "'\\''")}'`;
}
