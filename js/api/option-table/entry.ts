/**
 * What the table says of one option. Everything that knows options is made from these entries: the checks of calls and
 * of files, defaults, what goes with what, flags and their help, the controls and the command of the page, and what
 * the engine is told.
 */
import type { Need } from './conflict.js';
import type { Form, Kind } from './kind.js';

export interface FlagWords {
  /** Without it the option's own name, `min-elements` for `minElements`. */
  readonly name?: string;
  readonly short?: string;
  /** What stands for the value in the help. Without it the choices are listed. */
  readonly value?: string;
  /** At most 38 columns wide. */
  readonly help: string;
  /** At most 18, for parts of the help that have two columns; else `help`. */
  readonly brief?: string;
  /** The flag says no: `--no-run`. */
  readonly negated?: true;
  /** The name of a flag that says the contrary. */
  readonly excludes?: string;
  /** What it takes, if programs may say more or less. */
  readonly form?: Form;
  /** Given with several values, the command runs once for each. */
  readonly several?: true;
  /** What it means without a value. */
  readonly alone?: string;
  /** Few need it: it stands in the manual page and the documents, but not on the one screen of the help. */
  readonly rare?: true;
  /** A variable of the environment that says the same, if nobody gives the flag. */
  readonly variable?: string;
}

export interface Control {
  readonly label: string;
  readonly help?: string;
  /** What each choice is called; else the choice itself. */
  readonly words?: Readonly<Record<string | number, string>>;
}

export interface Entry {
  readonly kind: Kind<unknown>;
  /** What a Configuration holds where nobody chose. */
  readonly default?: unknown;
  /** The same, if it follows from the choice or from others; `known` is what comes before it in the table. */
  resolve?(choices: object, known: object): unknown;
  /** What must be beside it, or it means nothing. */
  readonly needs?: readonly Need[];
  /** A choice in an earlier configuration that does not outlive other `bits`. */
  readonly followsBits?: true;
  /** Its name in `--layer 'PATTERN=bits:4,group:64'`, if tensors may have it each for itself. */
  readonly override?: string;
  readonly flag?: FlagWords;
  readonly control?: Control;
}

export type Entries = Readonly<Record<string, Entry>>;

/** What callers may give. */
export type InputOf<Option extends Entry> =
  Option['kind'] extends Kind<unknown, infer Input> ? Input : never;

/** What leaves the check. */
export type ValueOf<Option extends Entry> =
  Option['kind'] extends Kind<infer Value, infer _> ? Value : never;

/** Options as callers give them. */
export type Inputs<Table extends Entries> = { readonly [Key in keyof Table]?: InputOf<Table[Key]> };

/** Options that were given, checked. */
export type Values<Table extends Entries> = { readonly [Key in keyof Table]?: ValueOf<Table[Key]> };

type Settled = { readonly default: unknown } | { resolve(...known: never[]): unknown };

/** Options with every choice spelled out. */
export type Settlements<Table extends Entries> = {
  readonly [Key in keyof Table as Table[Key] extends Settled ? Key : never]: Table[Key] extends {
    resolve(...known: never[]): infer Value;
  }
    ? Value
    : ValueOf<Table[Key]>;
};

/** Of the keys in `table`: what is there in `given`, checked. `nameOf` says how messages call a key. */
export function checkOptions<Table extends Entries>(
  table: Table,
  given: Readonly<Record<string, unknown>>,
  nameOf = (key: string) => key,
): Values<Table> {
  const values = Object.entries(table).map(
    ([key, { kind }]) => [key, kind.check(given[key], nameOf(key))] as const,
  );
  return Object.fromEntries(values.filter(([, value]) => value !== undefined)) as Values<Table>;
}

/** The long name of an option's flag without its dashes: `min-elements` of `minElements`, or one of its own. */
export function flagName(key: string, { flag }: Entry): string {
  return flag?.name ?? key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
