/**
 * Text as it stands on a screen: how wide it is, cut to fit, wrapped.
 * It exists because names and messages are longer than lines.
 * Widths are columns of the screen, never UTF-16 units.
 */

const PLAIN = /^[\x20-\x7e]*$/;
const MARK = /\p{M}/u;
/** East Asian wide and full-width forms, and pictographs: two columns each. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

const ELLIPSIS = '…';

export function displayWidth(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

function characterWidth(character: string): number {
  if (MARK.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

/** The text in at most `width` columns. Cut in the middle, both ends of a name stay to be told apart. */
export function elide(text: string, width: number, where: 'middle' | 'end'): string {
  if (displayWidth(text) <= width) return text;
  if (width <= 1) return width === 1 ? ELLIPSIS : '';
  const kept = width - 1;
  const front = where === 'end' ? kept : Math.floor(kept / 2);
  const characters = Array.from(text);
  const back = firstOf(characters.slice().reverse(), kept - front).reverse();
  return firstOf(characters, front).join('') + ELLIPSIS + back.join('');
}

function firstOf(characters: readonly string[], width: number): string[] {
  let used = 0;
  const taken: string[] = [];
  for (const character of characters) {
    used += characterWidth(character);
    if (used > width) break;
    taken.push(character);
  }
  return taken;
}

/**
 * Lines that end before column `width`, broken at spaces; a longer word stands on a line of its own.
 * The first line begins at column `indent`, where something else has been printed; the others are indented to it.
 */
export function wrap(text: string, width: number, indent: number): string {
  const lines: string[] = [];
  let line = '';
  let used = indent;
  for (const word of text.split(' ')) {
    const needed = displayWidth(word);
    if (line !== '' && used + 1 + needed > width) {
      lines.push(line);
      line = ' '.repeat(indent) + word;
      used = indent + needed;
    } else {
      used += needed + (line === '' ? 0 : 1);
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].join('\n');
}
