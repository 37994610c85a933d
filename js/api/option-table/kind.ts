/**
 * What an option takes: the check of it, and its form as data.
 * From the form alone flags are read, help and completion are made, and controls of a page are chosen.
 */
import { budgetOf } from '../budget.js';
import {
  checkBoolean,
  checkChoice,
  checkList,
  checkString,
  checkText,
  checkWholeNumber,
  unexpected,
} from '../check.js';

export type Form =
  | { readonly kind: 'switch' }
  /** `empty`: the empty text says something. */
  | { readonly kind: 'text'; readonly empty?: true }
  /** `commas`: a list in one word is several. */
  | { readonly kind: 'texts'; readonly commas?: true }
  | { readonly kind: 'choice'; readonly choices: readonly (string | number)[] }
  | { readonly kind: 'choices'; readonly choices: readonly string[] }
  | {
      readonly kind: 'number';
      readonly whole?: true;
      readonly least?: number;
      readonly most?: number;
    }
  /** Choices of their own for some tensors. */
  | { readonly kind: 'overrides' }
  /** For programs only. */
  | { readonly kind: 'object' };

export interface Kind<Value, Input = Value> {
  readonly form: Form;
  /** The value, if it is one; undefined is absent. */
  check(value: unknown, key: string): Value | undefined;
  /** What callers may give, as a type; never there. */
  readonly input?: Input;
}

export const onOrOff: Kind<boolean> = { form: { kind: 'switch' }, check: checkBoolean };

export const text: Kind<string> = { form: { kind: 'text' }, check: checkText };

/** Any text, the empty one too. */
export const anyText: Kind<string> = { form: { kind: 'text', empty: true }, check: checkString };

export const patterns: Kind<readonly string[]> = {
  form: { kind: 'texts', commas: true },
  check: (value, key) => checkList(value, key, checkText),
};

export function choice<const T extends string | number>(choices: readonly T[]): Kind<T> {
  return {
    form: { kind: 'choice', choices },
    check: (value, key) => checkChoice(value, key, choices),
  };
}

/** One at least; what is named twice counts once. */
export function choices<const T extends string>(all: readonly T[]): Kind<readonly T[]> {
  const one = choice(all);
  return {
    form: { kind: 'choices', choices: all },
    check: (value, key) => {
      const chosen = checkList(value, key, one.check);
      if (chosen?.length === 0) throw unexpected('at least one of them', key, chosen);
      return chosen && [...new Set(chosen)];
    },
  };
}

export function wholeNumber(least: number, most?: number): Kind<number> {
  return {
    form: { kind: 'number', whole: true, least, ...(most === undefined ? {} : { most }) },
    check: (value, key) => checkWholeNumber(value, key, least, most),
  };
}

/** Any number; `within` names bounds that it must keep. */
export function number(within?: { readonly above: number; readonly most: number }): Kind<number> {
  const { above = Number.NEGATIVE_INFINITY, most = Number.MAX_VALUE } = within ?? {};
  const expected = within ? `a number above ${above}, at most ${most},` : 'a finite number';
  return {
    form: { kind: 'number', ...(within ? { least: above, most } : {}) },
    check: (value, key) => {
      if (value === undefined) return undefined;
      if (typeof value === 'number' && value > above && value <= most) return value;
      throw unexpected(expected, key, value);
    },
  };
}

export const budget: Kind<string> = {
  form: { kind: 'text' },
  check: (value, key) => {
    if (value === undefined) return undefined;
    if (typeof value === 'string' && budgetOf(value) !== undefined) return value;
    throw unexpected('a size such as 4.25bpw, 800MB or 40%', key, value);
  },
};

export function nullable<Value, Input>(kind: Kind<Value, Input>): Kind<Value | null, Input | null> {
  return {
    form: kind.form,
    check: (value, key) => (value === null ? null : kind.check(value, key)),
  };
}

/** What only programs can give. */
export function object<T>(expected: string, isOne: (value: unknown) => boolean): Kind<T> {
  return {
    form: { kind: 'object' },
    check: (value, key) => {
      if (value === undefined || isOne(value)) return value as T | undefined;
      throw unexpected(expected, key, value);
    },
  };
}
