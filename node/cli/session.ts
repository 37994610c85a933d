/**
 * What a command has to work with: its two outputs and the signal that ends it.
 * It exists so that commands never touch `process` and can be read as plain functions.
 * Results go to `out` and everything else to `err`.
 */
import type { Warning } from '../../js/api/types.js';
import { formatCount } from '../../js/words/format.js';
import { printable, printableJson, printableName } from '../../js/words/printable.js';
import { type Screen, screenOf } from './screen.js';
import { wrap } from './text.js';

export interface Session {
  readonly out: Screen;
  readonly err: Screen;
  readonly signal: AbortSignal;
}

export function createSession(signal: AbortSignal): Session {
  return { out: screenOf(process.stdout), err: screenOf(process.stderr), signal };
}

/** The one JSON document that a command prints with `--json`. */
export function printJson(screen: Screen, document: unknown): void {
  screen.write(jsonText(document));
}

export function jsonText(document: unknown): string {
  return `${printableJson(document)}\n`;
}

/** What `--quiet` leaves of a result. Programs get the path itself, a terminal one that does nothing. */
export function printPath(screen: Screen, path: string): void {
  screen.write(`${screen.isTerminal ? printable(path) : path}\n`);
}

/** Names in a warning. */
const TENSORS_SHOWN = 5;

export function printWarnings(screen: Screen, warnings: readonly Warning[]): void {
  for (const { message, tensors, total } of warnings) {
    const names = tensors.slice(0, TENSORS_SHOWN).map(printableName);
    if (total > names.length) names.push(`… ${formatCount(total - names.length)} more`);
    // One tensor is usually named in the message itself.
    const isSaid = tensors.length < 2 && tensors.every((name) => message.includes(name));
    printWarning(screen, message, ...(isSaid ? [] : [names.join(', ')]));
  }
}

/** `more`: lines below the message. */
export function printWarning(screen: Screen, message: string, ...more: readonly string[]): void {
  const prefix = 'warning: ';
  const [first = '', ...others] = [message, ...more].map(printable);
  if (screen.annotate !== undefined) {
    screen.annotate('warning', [first, ...others].join('\n'));
    return;
  }
  const hang = (text: string) => wrap(text, screen.columns(), prefix.length);
  const lines = [`${screen.paint('yellow', prefix.trimEnd())} ${hang(first)}`];
  for (const text of others) lines.push(' '.repeat(prefix.length) + hang(text));
  screen.write(`${lines.join('\n')}\n`);
}
