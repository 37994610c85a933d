/**
 * JSON that people give: configurations, indices, options, calibrations. Read as Python's json module reads it, which
 * wrote most of it: NaN and infinities are numbers, a byte order mark is white space, and UTF-16 is told by its mark or
 * by its zeros (PowerShell's `>` writes it).
 */

export type Encoding = 'utf-8' | 'utf-16le' | 'utf-16be';

/** The text of a file, and how it stands there. */
export interface GivenText {
  /** With its byte order mark, where it has one: so it goes back as it came. */
  readonly text: string;
  readonly encoding: Encoding;
}

/** Of JSON, as an expression. Loops in loops would take a stack as deep as the string is long. */
export const STRING = String.raw`"[^"\\]*(?:\\.[^"\\]*)*"`;
const PYTHON_NUMBER = new RegExp(`${STRING}|-?Infinity|NaN`, 'g');

/** Throws a TypeError where the bytes are no text. */
export function decodeText(bytes: Uint8Array<ArrayBuffer>): GivenText {
  const encoding = encodingOf(bytes);
  const decoder = new TextDecoder(encoding, { fatal: true, ignoreBOM: true });
  return { text: decoder.decode(bytes), encoding };
}

export function encodeText({ text, encoding }: GivenText): Uint8Array<ArrayBuffer> {
  if (encoding === 'utf-8') return new TextEncoder().encode(text);
  const bytes = new Uint8Array(2 * text.length);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < text.length; i += 1) {
    view.setUint16(2 * i, text.charCodeAt(i), encoding === 'utf-16le');
  }
  return bytes;
}

/** JSON begins with a character of ASCII, of which UTF-16 makes a zero and itself. */
function encodingOf([first, second]: Uint8Array): Encoding {
  if (first === undefined || second === undefined) return 'utf-8';
  if ((first === 0xff && second === 0xfe) || (first !== 0 && second === 0)) return 'utf-16le';
  if ((first === 0xfe && second === 0xff) || (first === 0 && second !== 0)) return 'utf-16be';
  return 'utf-8';
}

/**
 * As every reader of JSON takes it. What only Python calls a number becomes an infinity: no choice and no statistic
 * may be one, so that nobody takes it for a number of its own.
 */
export function plainJson(text: string): string {
  const plain = text.replace(/^\uFEFF/, '');
  if (!/NaN|Infinity/.test(plain)) return plain;
  return plain.replace(PYTHON_NUMBER, (token) => {
    if (token.startsWith('"')) return token;
    // The space keeps it apart from digits before it: `1NaN` is none.
    return token.startsWith('-') ? ' -1e999' : ' 1e999';
  });
}

/** Throws a SyntaxError where it is no JSON, and a TypeError where it is no text. */
export function parseGiven(given: string | Uint8Array<ArrayBuffer>): unknown {
  const text = typeof given === 'string' ? given : decodeText(given).text;
  return JSON.parse(plainJson(text));
}
