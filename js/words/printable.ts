/**
 * Text from files, made safe to show.
 * It exists because a control character in a name could drive a terminal, or turn a line of a page around.
 * What is spelled out can be told apart: nothing is dropped.
 */

/** What may not be shown as it is: controls, direction overrides and other invisible marks, lone surrogates. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const ESCAPES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** The text with every unprintable character spelled out, as `\n` or `\u{1b}`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    return ESCAPES[character] ?? `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
  });
}

/** The name of a tensor; names may be empty. */
export function printableName(name: string): string {
  return name === '' ? '""' : printable(name);
}

/** What JSON leaves as it is within texts, although a terminal or a viewer may obey it. */
const UNPRINTABLE_IN_JSON = /[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu;

/** The document as JSON that is safe to show; it means the same. */
export function printableJson(document: unknown, indentation = 2): string {
  return JSON.stringify(document, null, indentation).replace(UNPRINTABLE_IN_JSON, (character) =>
    Array.from({ length: character.length }, (_, index) => {
      return `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`;
    }).join(''),
  );
}
