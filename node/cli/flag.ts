/**
 * What a flag is: its names, what it takes, and the sentence that explains it.
 * It exists so that one table of flags drives parsing, help and the search for the nearest name.
 * Flags of options are made from the table of options; those of the command alone are written down here and there.
 */
import { type Entry, flagName, type ValueOf } from '../../js/api/option-table/entry.js';
import type { Form } from '../../js/api/option-table/kind.js';

export interface FlagNames {
  /** The long name without its dashes. */
  readonly name: string;
  readonly short?: string;
  /** What stands for its value in the help; else its choices do. */
  readonly value?: string;
  readonly help: string;
  /** For two columns, where `help` is too long. */
  readonly brief?: string;
  /** The name of a flag that says the contrary. */
  readonly excludes?: string;
  /** What it means without a value. */
  readonly alone?: string;
  /** Not on the one screen of the help. */
  readonly rare?: true;
  /** A variable of the environment that says the same, if nobody gives the flag. */
  readonly variable?: string;
}

type FlagForm = Exclude<Form, { readonly kind: 'object' }>;

/** A flag of the command itself. */
export type OwnFlag = FlagNames & { readonly kind: 'switch' | 'text' | 'texts' };

/** A flag that chooses an option of the package. */
export type OptionFlag<Key extends string = string, Value = unknown> = FlagNames &
  FlagForm & {
    readonly option: Key;
    /** The switch says no. */
    readonly negated: boolean;
    /** It may be given several times, or with a list: the command runs once for each value. */
    readonly several?: true;
    /** What it chooses, as a type; never there. */
    readonly chosen?: Value;
  };

export type Flag = OwnFlag | OptionFlag;

type Table = Readonly<Record<string, Entry>>;

/** The flags of all options in `table` that have one, in its order. */
export function flagsOf<const Options extends Table>(
  table: Options,
): readonly {
  [Key in keyof Options & string]: OptionFlag<Key, ValueOf<Options[Key]>>;
}[keyof Options & string][] {
  return Object.entries(table).flatMap(([key, entry]) => {
    const flag = flagOf(key, entry);
    return flag === undefined ? [] : [flag];
  }) as never;
}

export function flagOf(option: string, entry: Entry): OptionFlag | undefined {
  const { kind, flag } = entry;
  const form = flag?.form ?? kind.form;
  if (flag === undefined || form.kind === 'object') return undefined;
  const { negated = false, form: _, ...names } = flag;
  return { ...names, name: flagName(option, entry), ...form, option, negated };
}

interface OwnValues {
  readonly switch: true;
  readonly text: string;
  /** Of a flag that may be repeated. */
  readonly texts: readonly string[];
}

type Own<F> = F extends { option: string } ? never : F;
type OfOptions<F> = F extends { option: string } ? F : never;

/** The command's own flags that were given, by their long names. */
export type FlagValues<F extends Flag> = {
  readonly [Given in Own<F> as Given['name']]?: OwnValues[Given['kind']];
};

/** The options that were chosen by flags. */
export type ChosenOptions<F extends Flag> = {
  readonly [Given in OfOptions<F> as Given['option']]?: NonNullable<Given['chosen']>;
};

/** Flags that belong together, under one heading of the help. */
export interface FlagSection {
  readonly title: string;
  /** 2: two flags a line, read across. */
  readonly columns?: 2;
  readonly flags: readonly Flag[];
}

/** The flags of a table, as a type: what `FlagValues` takes. */
export type FlagOf<Sections extends readonly FlagSection[]> = Sections[number]['flags'][number];

export function allFlags(sections: readonly FlagSection[]): Flag[] {
  return sections.flatMap((section) => section.flags);
}
