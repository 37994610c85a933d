/**
 * The lines of a journal: each a text with a digest of its own, so that one that was cut off is one less.
 */
import { createHash } from 'node:crypto';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import type { Journal } from '../js/worker/record-keeping.js';
import { writeFailed } from './write-failed.js';

/** For the threads that do the work: several may add to one file. */
export function appendTo(place: string): Journal {
  return {
    append: (text) => {
      try {
        appendFileSync(place, lineOf(text));
      } catch (error) {
        throw writeFailed(place, error);
      }
    },
  };
}

/** Instead of whatever was there. */
export function writeLines(place: string, texts: readonly string[]): void {
  writeFileSync(place, texts.map(lineOf).join(''), { mode: 0o600 });
}

/** Those that are whole; none if there is no such file. */
export function linesOf(place: string): readonly string[] {
  let content: string;
  try {
    content = readFileSync(place, 'utf8');
  } catch {
    return [];
  }
  return content.split('\n').flatMap((line) => {
    const text = line.slice(line.indexOf(' ') + 1);
    return text !== '' && `${line}\n` === lineOf(text) ? [text] : [];
  });
}

function lineOf(text: string): string {
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 16);
  return `${digest} ${text}\n`;
}
