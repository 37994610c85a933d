/**
 * A MonoquantError on its way from a worker to its session.
 * What is no MonoquantError arrives as 'internal': it is a defect.
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

function unexpected(thrown: unknown): MonoquantError {
  const message = `The engine failed unexpectedly: ${String(thrown)}`;
  const error = new MonoquantError('internal', message, { cause: thrown });
  if (thrown instanceof Error && thrown.stack !== undefined) error.stack = thrown.stack;
  return error;
}
