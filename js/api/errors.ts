/**
 * The one error type of the package.
 * Whoever catches it can tell what went wrong (`code`), say it (`message`) and what helps (`suggestion`).
 * Always one sentence in `message`: what was expected, what was found, where.
 */

import { inCode, type OptionToken, type Sentence, spell } from './sentence.js';

/** What went wrong. The first eleven are made by the C++ core (base/result.h mirrors them). */
export const ERROR_CODES = [
  'unsupported-format',
  'unsupported-layout',
  'already-quantized',
  'malformed-file',
  'limit-exceeded',
  'file-truncated',
  'invalid-options',
  'nothing-to-quantize',
  'non-finite-weights',
  'verification-failed',
  'internal',
  'pattern-unmatched',
  'nothing-to-dequantize',
  'file-not-found',
  'read-failed',
  'write-failed',
  'output-exists',
  'file-changed',
  'quality-gate',
  'strict-warnings',
  'unsafe-pickle',
  'engine-unavailable',
  'out-of-memory',
  'aborted',
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

/** What is wrong with a file itself, as opposed to the machine. */
export const FILE_FAULTS: readonly ErrorCode[] = [
  'unsupported-format',
  'malformed-file',
  'limit-exceeded',
  'file-truncated',
];

export interface ErrorDetails {
  /** What to do about it. */
  readonly suggestion?: Sentence | undefined;
  /** The tensor it is about. */
  readonly tensor?: string | undefined;
  /** Where in the file, in bytes. */
  readonly offset?: number | undefined;
  readonly cause?: unknown;
}

export class MonoquantError extends Error {
  readonly code: ErrorCode;
  readonly suggestion: string | undefined;
  readonly tensor: string | undefined;
  readonly offset: number | undefined;

  readonly #message: Sentence;
  readonly #suggestion: Sentence | undefined;

  constructor(code: ErrorCode, message: Sentence, details: ErrorDetails = {}) {
    super(
      spell(message, inCode),
      details.cause === undefined ? undefined : { cause: details.cause },
    );
    this.name = code === 'aborted' ? nameOfAbort(details.cause) : 'MonoquantError';
    this.code = code;
    this.#message = message;
    this.#suggestion = details.suggestion;
    this.suggestion =
      details.suggestion === undefined ? undefined : spell(details.suggestion, inCode);
    this.tensor = details.tensor;
    this.offset = details.offset;
  }

  /** All that `JSON.stringify` shows of it. */
  toJSON(): object {
    const { name, code, message, suggestion, tensor, offset } = this;
    return { name, code, message, suggestion, tensor, offset };
  }

  /** What is said, with the names that somebody else has for options. */
  inWords(nameOf: (token: OptionToken) => string): {
    readonly message: string;
    readonly suggestion: string | undefined;
  } {
    const suggestion = this.#suggestion === undefined ? undefined : spell(this.#suggestion, nameOf);
    return { message: spell(this.#message, nameOf), suggestion };
  }
}

/** As the host's own calls are named when their signal ends them: by that name programs tell it from a failure. */
function nameOfAbort(reason: unknown): string {
  const isTimeout = reason instanceof Error && reason.name === 'TimeoutError';
  return isTimeout ? 'TimeoutError' : 'AbortError';
}
