/**
 * What went wrong, as it is shown: where it happened, with what helps.
 * It exists because errors come from the engine, the browser and the page itself.
 * Never empty words: an unknown error shows its own message.
 */
import { MonoquantError } from 'monoquant';

export interface Fault {
  readonly message: string;
  readonly suggestion?: string | undefined;
}

export function faultOf(error: unknown): Fault {
  if (error instanceof MonoquantError) {
    const { message, suggestion } = error;
    return {
      message,
      suggestion: suggestion === undefined ? undefined : inPageWords(suggestion),
    };
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

/** Suggestions name options of the API; here they have labels. */
const LABELS: readonly (readonly [pattern: RegExp, words: string])[] = [
  [/\bweightsOnly: true\b/g, '"Inputs of layers: Left alone"'],
  [/\bdefaultIgnore: false\b/g, '"Also embeddings, heads and routers"'],
  [/\bminElements\b/g, '"Smallest tensor to quantize"'],
  [/\boverrides\b/g, 'the choices in the table of tensors'],
];

function inPageWords(text: string): string {
  return LABELS.reduce((result, [pattern, words]) => result.replace(pattern, words), text);
}
