/**
 * Checks of single values that callers pass in: each returns the value, typed, or throws.
 * They exist because JavaScript callers, command lines and recipes have no types.
 * Always 'invalid-options', and always "Expected … for <key> but received …"; undefined is absent.
 */
import { MonoquantError } from './errors.js';
import { nearest } from './nearest.js';
import { option, type Sentence, say } from './sentence.js';

/** `value` as a plain object, one that has no keys but `keys` where these are given. */
export function checkObject(
  value: unknown,
  what: string,
  keys?: readonly string[],
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw unexpected('an object', what, value);
  }
  for (const key of Object.keys(value)) {
    if (keys === undefined || keys.includes(key)) continue;
    const meant = nearest(key, keys);
    throw new MonoquantError('invalid-options', `Unknown key "${key}" in ${what}.`, {
      suggestion:
        meant === undefined ? `The keys are ${list(keys, 'and')}.` : `Did you mean "${meant}"?`,
    });
  }
  return value as Readonly<Record<string, unknown>>;
}

export function checkChoice<T extends string | number>(
  value: unknown,
  key: string,
  choices: readonly T[],
): T | undefined {
  if (value === undefined) return undefined;
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  const words = choices.filter((choice) => typeof choice === 'string');
  const meant = typeof value === 'string' ? nearest(value, words) : undefined;
  const suggestion = meant === undefined ? undefined : `Did you mean ${JSON.stringify(meant)}?`;
  throw unexpected(list(choices.map(show), 'or'), key, value, suggestion);
}

export function checkBoolean(value: unknown, key: string): boolean | undefined {
  if (value === undefined || typeof value === 'boolean') return value;
  throw unexpected('true or false', key, value);
}

export function checkWholeNumber(
  value: unknown,
  key: string,
  smallest: number,
  largest = Number.MAX_SAFE_INTEGER,
): number | undefined {
  if (value === undefined) return undefined;
  if (
    typeof value === 'number' &&
    Number.isInteger(value) &&
    value >= smallest &&
    value <= largest
  ) {
    return value;
  }
  const upTo = largest === Number.MAX_SAFE_INTEGER ? ' upwards' : ` to ${largest}`;
  throw unexpected(`a whole number from ${smallest}${upTo}`, key, value);
}

/** Any text; checkText refuses the empty one. */
export function checkString(value: unknown, key: string): string | undefined {
  if (value === undefined || typeof value === 'string') return value;
  throw unexpected('text', key, value);
}

export function checkText(value: unknown, key: string): string | undefined {
  if (value === undefined || (typeof value === 'string' && value !== '')) return value;
  throw unexpected('text', key, value);
}

/** A list whose elements are checked one by one; `checkElement` gets `key[index]`. */
export function checkList<T>(
  value: unknown,
  key: string,
  checkElement: (element: unknown, key: string) => T | undefined,
): readonly T[] | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) throw unexpected('an array', key, value);
  return value.map((element: unknown, index) => {
    const checked = checkElement(element, `${key}[${index}]`);
    if (checked === undefined) throw unexpected('a value', `${key}[${index}]`, element);
    return checked;
  });
}

export function unexpected(
  expected: string,
  key: string,
  value: unknown,
  suggestion?: string,
): MonoquantError {
  const message = say`Expected ${expected} for ${option(key)} but received ${show(value)}.`;
  return new MonoquantError('invalid-options', message, { suggestion });
}

/** Options that exclude each other: what is wrong, and what to do. */
export function contradiction(message: Sentence, suggestion: Sentence): MonoquantError {
  return new MonoquantError('invalid-options', message, { suggestion });
}

function show(value: unknown): string {
  if (typeof value === 'string') return value === '' ? 'an empty text' : JSON.stringify(value);
  if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : 'an array';
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'object' && value !== null) return 'an object';
  return String(value);
}

function list(words: readonly string[], conjunction: 'and' | 'or'): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} ${conjunction} ${words[words.length - 1]}`;
}
