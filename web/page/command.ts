/**
 * The command that writes the same bytes as the page.
 * It exists so that what was found here can go into a script.
 * Only choices that were made are in it, in the order of the table of options.
 */
import {
  type Configuration,
  type Entry,
  flagName,
  type LayerOverride,
  OPTIONS,
  type OpenOptions,
  type PlanOptions,
  SWITCH_OF,
} from 'monoquant';
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
export function commandOf(options: Options, { model, output, calibration }: CommandFiles): string {
  const { mode, ...others } = options;
  const chosen: Readonly<Record<string, unknown>> = {
    ...others,
    ...(mode === undefined ? {} : { [SWITCH_OF[mode]]: true }),
    calibration: calibration.map(asPath),
  };
  const words = ['npx', 'monoquant', 'quantize', asPath(model)];
  for (const [key, entry] of Object.entries<Entry>(OPTIONS)) {
    words.push(...flagWords(key, entry, chosen[key]));
  }
  if (options.container === 'pt') words.push(...flag('output', asPath(output)));
  return words.map(quoted).join(' ');
}

/** `model-int4.safetensors` of `model.pt`. */
export function outputName(model: string, configuration: Configuration): string {
  const stem = modelStem(model);
  const { container } = configuration;
  return `${stem === '' ? 'model' : stem}${outputSuffix(configuration)}.${container}`;
}

function flagWords(key: string, entry: Entry, value: unknown): string[] {
  const { form } = entry.kind;
  // Text by default says nothing; empty text may say something.
  const isSaid = value !== undefined && (form.kind !== 'text' || value !== entry.default);
  if (entry.flag === undefined || !isSaid) return [];
  const name = flagName(key, entry);
  switch (form.kind) {
    case 'switch':
      return value === (entry.default ?? false) ? [] : [`--${name}`];
    case 'texts':
      return (value as readonly string[]).flatMap((text) =>
        flag(name, form.commas === true ? asOne(text) : text),
      );
    case 'overrides':
      return (value as readonly LayerOverride[]).flatMap((text) => flag(name, layerWord(text)));
    default:
      return flag(name, String(value));
  }
}

/** Commas part several, but not in a regular expression. */
function asOne(text: string): string {
  return text.startsWith('re:') ? text : text.replaceAll(',', '\\,');
}

/** What begins like a flag is tied to its own. */
function flag(name: string, text: string): string[] {
  return text.startsWith('-') ? [`--${name}=${text}`] : [`--${name}`, text];
}

function asPath(name: string): string {
  return name.startsWith('-') ? `./${name}` : name;
}

function layerWord({ pattern, ...choices }: LayerOverride): string {
  const said = Object.entries<unknown>(choices).map(([key, value]) => {
    const { override }: Entry = OPTIONS[key as keyof typeof OPTIONS];
    return `${override}:${value}`;
  });
  return `${pattern}=${said.join(',')}`;
}

/** For the shells of Unix: single quotes around whatever they would read as something else. */
function quoted(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", "'\\''")}'`;
}
