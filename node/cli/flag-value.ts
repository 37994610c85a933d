/**
 * Reads what stands behind a flag, as its entry in the table says.
 * It exists so that every bad value gets the same kind of answer: what was expected, what was found, what is nearest.
 * A value that leaves here is one that the flag takes.
 */
import { nearest } from '../../js/api/nearest.js';
import { formatChoices } from '../../js/words/format.js';
import { usageError } from './failure.js';
import type { Flag } from './flag.js';

interface WrittenValue {
  readonly rawName: string;
  readonly value: string | undefined;
  /** It stands in one word with its flag, as in `--bits=8`. */
  readonly inlineValue: boolean | undefined;
}

type Value = true | string | number | readonly (string | number)[];

export function readValue(flag: Flag, written: WrittenValue): Value {
  switch (flag.kind) {
    case 'switch':
      if (flag.refusal !== undefined)
        throw usageError(flag.refusal.message, flag.refusal.suggestion);
      if (written.value === undefined) return true;
      throw usageError(
        `--${flag.name} takes no value but received "${written.value}".`,
        `Write --${flag.name}.`,
      );
    case 'text':
      return textOf(flag, written);
    case 'texts':
      return [textOf(flag, written)];
    case 'choice':
      return matchChoice(`--${flag.name}`, flag.choices, textOf(flag, written));
    case 'choices': {
      const words = textOf(flag, written).split(',');
      return words.map((word) => matchChoice(`--${flag.name}`, flag.choices, word.trim()));
    }
    case 'number':
      return parseNumber(flag, textOf(flag, written));
  }
}

/** The one of `choices` that was written, in any case of letters; `what` is its name in messages. */
export function matchChoice<Choice extends string | number>(
  what: string,
  choices: readonly Choice[],
  written: string,
): Choice {
  const found = choices.find((choice) => String(choice).toLowerCase() === written.toLowerCase());
  if (found !== undefined) return found;
  const words = choices.map((choice) => String(choice).toLowerCase());
  const near = nearestChoice(words, written);
  throw usageError(
    `Expected ${formatChoices(words)} for ${what} but received "${written}".`,
    near === undefined ? undefined : `Did you mean ${near}?`,
  );
}

/** Numbers are near in value, words in spelling. */
function nearestChoice(words: readonly string[], written: string): string | undefined {
  const numbers = words.filter((word) => !Number.isNaN(Number(word)));
  const number = written === '' ? Number.NaN : Number(written);
  if (numbers.length === 0 || Number.isNaN(number)) return nearest(written, words);
  const distance = (word: string) => Math.abs(Number(word) - number);
  return numbers.reduce((best, word) => (distance(word) < distance(best) ? word : best));
}

/** A flag by a name that no flag has: with its dashes, or undefined where nothing is near. */
export function nearestFlag(name: string, flags: readonly Flag[]): string | undefined {
  const offered = flags.filter((flag) => flag.kind !== 'switch' || flag.refusal === undefined);
  if (name.length > 1) {
    const near = nearest(
      name,
      offered.map((flag) => flag.name),
    );
    return near === undefined ? undefined : `--${near}`;
  }
  // Another case of the same letter, or the one flag that begins with it.
  const sameLetter = offered.find((flag) => flag.short?.toLowerCase() === name.toLowerCase());
  if (sameLetter !== undefined) return `-${sameLetter.short} (--${sameLetter.name})`;
  const [only, ...others] = offered.filter((flag) => flag.name.startsWith(name.toLowerCase()));
  return only === undefined || others.length > 0 ? undefined : `--${only.name}`;
}

/** What a flag takes, in few characters: `4|8|16`, `FILE`. */
export function placeholder(flag: Flag): string | undefined {
  if (flag.kind === 'switch') return undefined;
  return flag.value ?? (flag.kind === 'choice' ? flag.choices.join('|').toLowerCase() : '');
}

function textOf(flag: Flag, { rawName, value, inlineValue }: WrittenValue): string {
  // parseArgs takes `-b=8` for the value "=8".
  const text = inlineValue === true && !rawName.startsWith('--') ? value?.replace(/^=/, '') : value;
  const mayBeEmpty = flag.kind === 'text' && flag.empty === true;
  if (text === undefined || (text === '' && !mayBeEmpty)) {
    throw usageError(`${rawName} needs a value.`, `Write --${flag.name} ${placeholder(flag)}.`);
  }
  const isNumber = /^-\d/.test(text);
  if (inlineValue !== true && text.startsWith('-') && text !== '-' && !isNumber) {
    throw usageError(
      `Expected a value for ${rawName} but received the flag "${text}".`,
      `Write --${flag.name}=${text} if that is the value.`,
    );
  }
  return text;
}

function parseNumber(flag: Flag & { kind: 'number' }, text: string): number {
  const number = /^[+-]?(\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) : Number.NaN;
  const fits = flag.whole === true ? Number.isSafeInteger(number) : Number.isFinite(number);
  if (fits && (flag.least === undefined || number >= flag.least)) return number;
  const expected = flag.whole === true ? 'a whole number' : 'a number';
  const least = flag.least === undefined ? '' : ` of at least ${flag.least}`;
  throw usageError(`Expected ${expected}${least} for --${flag.name} but received "${text}".`);
}
