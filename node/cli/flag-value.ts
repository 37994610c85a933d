/**
 * Reads what stands behind a flag, as its entry in the table says.
 * It exists so that every bad value gets the same kind of answer: what was expected, what was found, what is nearest.
 * A value that leaves here is one that the flag takes.
 */
import { nearest } from '../../js/api/nearest.js';
import { usageError } from './failure.js';
import type { Flag } from './flag.js';
import { parseLayerOverride } from './layer-override.js';
import { matchChoice } from './match-choice.js';

interface WrittenValue {
  readonly rawName: string;
  readonly value: string | undefined;
  /** It stands in one word with its flag, as in `--bits=8`. */
  readonly inlineValue: boolean | undefined;
}

export function readValue(flag: Flag, written: WrittenValue): unknown {
  switch (flag.kind) {
    case 'switch':
      if (written.value === undefined) return !('negated' in flag && flag.negated);
      throw usageError(
        `--${flag.name} takes no value but received "${written.value}".`,
        `Write --${flag.name}.`,
      );
    case 'text':
      return textOf(flag, written);
    case 'texts':
      return 'commas' in flag && flag.commas
        ? textsOf(textOf(flag, written))
        : [textOf(flag, written)];
    case 'choice': {
      const match = (word: string) => matchChoice(`--${flag.name}`, flag.choices, word);
      const text = textOf(flag, written);
      return 'several' in flag && flag.several ? text.split(',').map(match) : match(text);
    }
    case 'choices': {
      const words = textOf(flag, written).split(',');
      return words.map((word) => matchChoice(`--${flag.name}`, flag.choices, word.trim()));
    }
    case 'number':
      return parseNumber(flag, textOf(flag, written));
    case 'overrides':
      return [parseLayerOverride(textOf(flag, written))];
  }
}

/** A flag by a name that no flag has: with its dashes, or undefined where nothing is near. */
export function nearestFlag(name: string, flags: readonly Flag[]): string | undefined {
  if (name.length > 1) {
    const near = nearest(
      name,
      flags.map((flag) => flag.name),
    );
    return near === undefined ? undefined : `--${near}`;
  }
  // Another case of the same letter, or the one flag that begins with it.
  const sameLetter = flags.find((flag) => flag.short?.toLowerCase() === name.toLowerCase());
  if (sameLetter !== undefined) return `-${sameLetter.short} (--${sameLetter.name})`;
  const [only, ...others] = flags.filter((flag) => flag.name.startsWith(name.toLowerCase()));
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
  const mayBeEmpty = flag.kind === 'text' && 'empty' in flag;
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

/** Several, if there are commas; behind a backslash, and in a regular expression, a comma is one. */
function textsOf(text: string): readonly string[] {
  if (text.startsWith('re:')) return [text];
  const texts = text.split(/(?<!\\),/).map((word) => word.trim().replaceAll('\\,', ','));
  const wanted = texts.filter((word) => word !== '');
  return wanted.length === 0 ? [text] : wanted;
}

function parseNumber(flag: Flag & { kind: 'number' }, text: string): number {
  const number = /^[+-]?(\d+\.?\d*|\.\d+)(e-\d+)?$/.test(text) ? Number(text) : Number.NaN;
  const fits = flag.whole === true ? Number.isSafeInteger(number) : Number.isFinite(number);
  if (fits && (flag.least === undefined || number >= flag.least)) return number;
  const expected = flag.whole === true ? 'a whole number' : 'a number';
  const least = flag.least === undefined ? '' : ` of at least ${flag.least}`;
  throw usageError(`Expected ${expected}${least} for --${flag.name} but received "${text}".`);
}
