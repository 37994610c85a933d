/**
 * Sentences that speak of options: text, and tokens for the options in it.
 * A program calls an option `groupSize: 64`, the command line `--group-size 64`, a page by its label: whoever shows a
 * sentence puts the names in.
 */

export interface OptionToken {
  /** As programs call it. */
  readonly option: string;
  readonly value?: unknown;
  /** It is about some tensors only. */
  readonly inOverride?: boolean;
}

export type Sentence = string | readonly (string | OptionToken)[];

/** An option, perhaps with a value, as a part of `say`. */
export function option(name: string, value?: unknown): OptionToken {
  return value === undefined ? { option: name } : { option: name, value };
}

export function say(
  texts: TemplateStringsArray,
  ...parts: readonly (OptionToken | string | number)[]
): Sentence {
  return texts.flatMap((text, index) => {
    const part = parts[index];
    if (part === undefined) return [text];
    return [text, typeof part === 'object' ? part : String(part)];
  });
}

/** The sentence with every token changed by `change`. */
export function mapTokens(
  sentence: Sentence,
  change: (token: OptionToken) => OptionToken | string,
): Sentence {
  if (typeof sentence === 'string') return sentence;
  return sentence.map((part) => (typeof part === 'string' ? part : change(part)));
}

export function spell(sentence: Sentence, nameOf: (token: OptionToken) => string): string {
  const named = mapTokens(sentence, nameOf);
  return typeof named === 'string' ? named : named.join('');
}

/** As it stands in a program: `groupSize`, `bits: 4`, `mode: "static"`. */
export function inCode({ option: name, value }: OptionToken): string {
  return value === undefined ? name : `${name}: ${JSON.stringify(value)}`;
}
