/**
 * What went wrong, as it is shown: where it happened, with what helps.
 * It exists because errors come from the engine, the browser and the page itself.
 * Never empty words: an unknown error shows its own message.
 */
import { type Entry, MODES, MonoquantError, OPTIONS, type OptionToken, SWITCH_OF } from 'monoquant';

export interface Fault {
  readonly message: string;
  readonly suggestion?: string | undefined;
}

export function faultOf(error: unknown): Fault {
  if (error instanceof MonoquantError) {
    return error.inWords(labelled);
  }
  if (error instanceof DOMException && error.name === 'QuotaExceededError') {
    return {
      message: 'There is not enough space for the output.',
      suggestion: 'Make room on the disk, and do not use a private window.',
    };
  }
  return { message: error instanceof Error ? error.message : String(error) };
}

/** Whether somebody ended it himself, which is no fault. */
export function isAborted(error: unknown): boolean {
  if (error instanceof MonoquantError) return error.code === 'aborted';
  return error instanceof DOMException && error.name === 'AbortError';
}

/** An option as the page calls it; what has no control of its own keeps its name. */
function labelled(token: OptionToken): string {
  const { option, value } = token;
  const mode = MODES.find((each) => SWITCH_OF[each] === option);
  if (mode !== undefined && value === true) return labelled({ option: 'mode', value: mode });
  const entry = Object.entries<Entry>(OPTIONS).find(([key]) => key === option)?.[1];
  if (entry?.control === undefined) return value === undefined ? option : `${option}: ${value}`;
  const { label, words } = entry.control;
  return typeof value === 'string' ? `"${label}: ${words?.[value] ?? value}"` : `"${label}"`;
}
