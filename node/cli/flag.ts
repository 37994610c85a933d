/**
 * What a flag is: its names, what it takes, and the sentence that explains it.
 * It exists so that one table of flags drives parsing, help and the search for the nearest name.
 * The type of a parsed value follows from the flag that takes it.
 */

interface FlagNames {
  /** The long name without its dashes. */
  readonly name: string;
  readonly short?: string;
  readonly help: string;
  /** The name of a flag that says the contrary. */
  readonly excludes?: string;
}

/** There or not there. */
interface SwitchFlag extends FlagNames {
  readonly kind: 'switch';
  /** A switch that people know from elsewhere and that cannot be had here: why, and what to do. */
  readonly refusal?: { readonly message: string; readonly suggestion: string };
}

/** Any text, once. */
interface TextFlag extends FlagNames {
  readonly kind: 'text';
  /** The empty text says something. */
  readonly empty?: true;
  readonly value: string;
}

/** Any text, as often as wanted. */
interface TextsFlag extends FlagNames {
  readonly kind: 'texts';
  readonly value: string;
}

/** One of a few. */
interface ChoiceFlag extends FlagNames {
  readonly kind: 'choice';
  /** Stands in the help where the choices themselves would take too much room. */
  readonly value?: string;
  readonly choices: readonly (string | number)[];
}

/** Several of a few, with commas between them. */
interface ChoicesFlag extends FlagNames {
  readonly kind: 'choices';
  readonly value: string;
  readonly choices: readonly string[];
}

interface NumberFlag extends FlagNames {
  readonly kind: 'number';
  readonly value: string;
  readonly whole?: true;
  readonly least?: number;
}

export type Flag = SwitchFlag | TextFlag | TextsFlag | ChoiceFlag | ChoicesFlag | NumberFlag;

type ValueOf<F extends Flag> = F extends { kind: 'switch' }
  ? true
  : F extends { kind: 'text' }
    ? string
    : F extends { kind: 'texts' }
      ? readonly string[]
      : F extends { kind: 'choice'; choices: readonly (infer Choice)[] }
        ? Choice
        : F extends { kind: 'choices'; choices: readonly (infer Choice)[] }
          ? readonly Choice[]
          : number;

/** The flags that were given, by their long names. */
export type FlagValues<F extends Flag> = {
  readonly [Given in F as Given['name']]?: ValueOf<Given>;
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
