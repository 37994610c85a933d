/**
 * A MonoquantError on its way from a worker to its session.
 * What is no MonoquantError arrives as 'internal': it is a defect. Except for memory that is used up, by the engine or
 * by what JavaScript holds of it.
 */
import { type ErrorCode, MonoquantError } from '../api/errors.js';

export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly suggestion: string | undefined;
  readonly tensor: string | undefined;
  readonly offset: number | undefined;
  readonly stack: string | undefined;
  /** As text. */
  readonly cause: string | undefined;
}

export function toFailure(thrown: unknown): Failure {
  const error = thrown instanceof MonoquantError ? thrown : unexpected(thrown);
  const { code, message, suggestion, tensor, offset, stack, cause } = error;
  const causeText = cause === undefined ? undefined : String(cause);
  return { code, message, suggestion, tensor, offset, stack, cause: causeText };
}

export function fromFailure({ code, message, stack, ...details }: Failure): MonoquantError {
  const error = new MonoquantError(code, message, details);
  // Where it was thrown in the worker says more than where it arrived.
  if (stack !== undefined) error.stack = stack;
  return error;
}

/**
 * How a module ends whose allocator has nothing left: C++ without exceptions aborts for no other reason. And what V8
 * says of a text that is too long.
 */
const MEMORY_IS_USED_UP = /^Aborted\(|^Invalid string length|string longer than/;

function unexpected(thrown: unknown): MonoquantError {
  if (thrown instanceof Error && MEMORY_IS_USED_UP.test(thrown.message)) return outOfMemory(thrown);
  const message = `The engine failed unexpectedly: ${String(thrown)}`;
  const error = new MonoquantError('internal', message, { cause: thrown });
  if (thrown instanceof Error && thrown.stack !== undefined) error.stack = thrown.stack;
  return error;
}

function outOfMemory(cause: Error): MonoquantError {
  return new MonoquantError(
    'out-of-memory',
    'Expected what the file lists, and what is decided about it, to fit into the 256 MiB of the engine, found more.',
    {
      suggestion:
        'Split the model into several files, or shorten its names and the notes in its metadata.',
      cause,
    },
  );
}
