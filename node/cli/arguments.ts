/**
 * Turns the words of a command line into values, by a table of flags.
 * It exists because everything unknown must be an error that names the nearest valid choice.
 * What leaves here is checked word by word; whether the choices fit together is for js/api/options.ts.
 */
import { statSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { usageError } from './failure.js';
import {
  allFlags,
  type ChosenOptions,
  type Flag,
  type FlagSection,
  type FlagValues,
} from './flag.js';
import { nearestFlag, readValue } from './flag-value.js';
import { knownFlag } from './other-words.js';

export interface Arguments<F extends Flag> {
  /** By flags of the command's own. */
  readonly values: FlagValues<F>;
  /** By flags of options, under the options' names. */
  readonly options: ChosenOptions<F>;
  /** Choices of each run, if a flag asks for several; one without any, if none does. */
  readonly variants: readonly ChosenOptions<F>[];
  /** Words that are no flags, in their order. */
  readonly operands: readonly string[];
  /** `--help` is among the words; then nothing else was checked. */
  readonly wantsHelp: boolean;
}

type Token = ReturnType<typeof tokenize>[number];
type OptionToken = Extract<Token, { kind: 'option' }>;

/** `F` must be the flags of `sections`: that is what makes the values' types true. */
export function parseArguments<F extends Flag>(
  command: string,
  sections: readonly FlagSection[],
  typed: readonly string[],
): Arguments<F> {
  const flags = allFlags(sections);
  const words = withoutValues(flags, typed);
  const tokens = tokenize(flags, words);
  const options = tokens.filter((token) => token.kind === 'option');
  const wantsHelp = options.some((token) => token.name === 'help');
  if (wantsHelp) {
    return { values: {}, options: {}, variants: [{}], operands: [], wantsHelp } as Arguments<F>;
  }

  const own: Record<string, unknown> = {};
  const chosen: Record<string, unknown> = {};
  for (const token of options) {
    const flag = findFlag(command, flags, token, words[token.index] ?? token.rawName);
    const [given, name] = 'option' in flag ? [chosen, flag.option] : [own, flag.name];
    given[name] = merge(flag, given[name], readValue(flag, token));
  }
  takeVariables(flags, chosen);
  const variants = takeVariants(flags, chosen);
  refuseContradictions(flags, new Set(options.map(({ name }) => name)));
  const operands = tokens.flatMap((token) => (token.kind === 'positional' ? [token.value] : []));
  const values = own as FlagValues<F>;
  const of = { options: chosen as ChosenOptions<F>, variants: variants as ChosenOptions<F>[] };
  return { values, ...of, operands, wantsHelp };
}

/** Flags that stand alone and may do so get the value that this means. No file of ours is the value of such a flag. */
function withoutValues(flags: readonly Flag[], words: readonly string[]): readonly string[] {
  const end = words.indexOf('--');
  return words.map((word, index) => {
    const flag = flags.find(({ name, alone }) => alone !== undefined && word === `--${name}`);
    const next = words[index + 1];
    if (flag === undefined || (end >= 0 && index > end)) return word;
    const isAlone = next === undefined || next.startsWith('-') || next === '' || isModel(next);
    return isAlone ? `${word}=${ofEnvironment(flag) ?? flag.alone}` : word;
  });
}

function isModel(word: string): boolean {
  if (/^https?:/i.test(word)) return true;
  try {
    return statSync(word).isFile();
  } catch {
    return false;
  }
}

function ofEnvironment({ variable }: Flag): string | undefined {
  const value = variable === undefined ? undefined : process.env[variable];
  return value === '' ? undefined : value;
}

/** What nobody has typed, and the environment says. */
function takeVariables(flags: readonly Flag[], chosen: Record<string, unknown>): void {
  for (const flag of flags) {
    const value = ofEnvironment(flag);
    if (value !== undefined && 'option' in flag) chosen[flag.option] ??= value;
  }
}

/** Takes out of `chosen` what asks for several runs; at most one flag does. */
function takeVariants(flags: readonly Flag[], chosen: Record<string, unknown>): object[] {
  const flag = flags.find((each) => 'option' in each && each.several && each.option in chosen);
  if (flag === undefined || !('option' in flag)) return [{}];
  const values = [...new Set(chosen[flag.option] as readonly unknown[])];
  delete chosen[flag.option];
  return values.map((value) => ({ [flag.option]: value }));
}

function tokenize(flags: readonly Flag[], words: readonly string[]) {
  const options = flags.map(({ name, kind, short }) => {
    const type = kind === 'switch' ? ('boolean' as const) : ('string' as const);
    return [name, short === undefined ? { type } : { type, short }] as const;
  });
  // Not strict: parseArgs would stop at the first unknown flag without naming the nearest one.
  return parseArgs({
    args: [...words],
    options: Object.fromEntries(options),
    strict: false,
    allowPositionals: true,
    tokens: true,
  }).tokens;
}

function findFlag(command: string, flags: readonly Flag[], token: OptionToken, word: string): Flag {
  // `-bits 8` would be read as -b with the value "its".
  const singleDash = /^-([^-=]{2,}[^=]*)/.exec(word)?.[1];
  const misspelt = singleDash !== undefined && flags.some((flag) => flag.name === singleDash);
  const flag = flags.find((candidate) => candidate.name === token.name);
  if (flag !== undefined && !misspelt) return flag;
  const written = misspelt ? `-${singleDash}` : token.rawName;
  const near = misspelt ? `--${singleDash}` : meantFlag(token.name, flags);
  throw usageError(
    `Unknown flag "${written}" of monoquant ${command}.`,
    hintOf(command, near, token),
  );
}

/** By what other tools call it, or the nearest. */
function meantFlag(name: string, flags: readonly Flag[]): string | undefined {
  const known = knownFlag(name);
  const [first = ''] = known?.slice(2).split(' ') ?? [];
  return flags.some((flag) => flag.name === first) ? known : nearestFlag(name, flags);
}

function hintOf(command: string, near: string | undefined, { name }: OptionToken): string {
  if (/^(no-?)?colou?r$/.test(name))
    return 'Colours follow the variables NO_COLOR=1 and FORCE_COLOR=1.';
  return near === undefined
    ? `monoquant ${command} --help lists the flags.`
    : `Did you mean ${near}?`;
}

/** Repeated flags add up where they may; a flag that says two things is an error. */
function merge(flag: Flag, before: unknown, value: unknown): unknown {
  if (before === undefined) return value;
  if (Array.isArray(before) && Array.isArray(value)) return [...before, ...value];
  if (before === value) return value;
  const message = `--${flag.name} is given twice: "${before}", then "${value}".`;
  throw usageError(message, 'Give it once.');
}

function refuseContradictions(flags: readonly Flag[], given: ReadonlySet<string>): void {
  for (const { name, excludes } of flags) {
    if (excludes !== undefined && given.has(name) && given.has(excludes)) {
      throw usageError(`--${name} and --${excludes} exclude each other.`, 'Leave one of them out.');
    }
  }
}

type WithModel = Pick<
  Arguments<{ kind: 'text'; name: 'model'; value: string; help: string }>,
  'values' | 'operands'
>;

/** The models that a command works on, one after the other. */
export function severalModels(command: string, { values, operands }: WithModel): readonly string[] {
  const models = values.model === undefined ? operands : [values.model, ...operands];
  if (models.length > 0 && models.every((model) => model !== '')) return models;
  throw usageError(
    `${command} needs a model.`,
    `For example: monoquant ${command} model.safetensors`,
  );
}

/** The one model that a command works on. */
export function oneModel(command: string, given: WithModel, hint?: string): string {
  const models = severalModels(command, given);
  const [model = '', ...others] = models;
  if (others.length === 0) return model;
  const list = models.map((word) => `"${word}"`).join(', ');
  throw usageError(
    `Expected one model but received ${models.length}: ${list}.`,
    hint ?? 'Run the command once for each; a name with spaces needs quotes.',
  );
}
