/**
 * The command that does again what was done, for shells of Unix: the page shows it, and reports hold it.
 * Only choices that were made are in it, in the order of the table of options.
 */
import { type Entries, type Entry, flagName } from '../api/option-table/entry.js';
import { SWITCH_OF } from '../api/option-table/mode.js';
import type { LayerOverride, Mode } from '../api/types.js';

export interface Command {
  /** Without it `quantize`. */
  readonly verb?: string;
  /** The options that it may have; what is chosen of others is not in it. */
  readonly table: Entries;
  readonly choices: object;
  /** As the command takes it: a file, or a folder that ends in a slash. */
  readonly model: string;
  /** Undefined: where the command puts it by itself. */
  readonly output: string | undefined;
  readonly calibration: readonly string[];
}

export function commandOf(command: Command): string {
  const { verb = 'quantize', table, choices, model, output, calibration } = command;
  const { mode, ...others } = choices as Readonly<Record<string, unknown>> & { mode?: Mode };
  const chosen: Readonly<Record<string, unknown>> = {
    ...others,
    ...(mode === undefined ? {} : { [SWITCH_OF[mode]]: true }),
    calibration: calibration.map(asPath),
  };
  const words = ['npx', 'monoquant', verb, asPath(model)];
  for (const [key, entry] of Object.entries(table)) {
    words.push(...flagWords(table, key, entry, chosen[key]));
  }
  if (output !== undefined) words.push(...flag('output', asPath(output)));
  return words.map(quoted).join(' ');
}

function flagWords(table: Entries, key: string, entry: Entry, value: unknown): string[] {
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
      return (value as readonly LayerOverride[]).flatMap((text) =>
        flag(name, layerWord(table, text)),
      );
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

function layerWord(table: Entries, { pattern, ...choices }: LayerOverride): string {
  const said = Object.entries<unknown>(choices).map(([key, value]) => {
    return `${table[key]?.override ?? key}:${value}`;
  });
  return `${pattern}=${said.join(',')}`;
}

/** For the shells of Unix: single quotes around whatever they would read as something else. */
export function quoted(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", "'\\''")}'`;
}
