/**
 * A word of the command line as one of a few: the one that is meant, or an error that names the nearest.
 */
import { nearest } from '../../js/api/nearest.js';
import { formatChoices } from '../../js/words/format.js';
import { usageError } from './failure.js';
import { knownWords } from './other-words.js';

/** The one of `choices` that was written, in any case of letters; `what` is its name in messages. */
export function matchChoice<Choice extends string | number>(
  what: string,
  choices: readonly Choice[],
  written: string,
): Choice {
  for (const word of [written, ...knownWords(written)]) {
    const found = choices.find((choice) => String(choice).toLowerCase() === word.toLowerCase());
    if (found !== undefined) return found;
  }
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
  const near = numbers.reduce((best, word) => (distance(word) < distance(best) ? word : best));
  // Who asks for 32 bits does not mean 16.
  return distance(near) < Math.abs(Number(near)) ? near : undefined;
}
