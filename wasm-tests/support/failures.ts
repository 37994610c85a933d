/**
 * Failures as the package promises them: a MonoquantError that says what, why and what to do.
 * It exists so that every test of an error also checks how the error speaks.
 * A call that succeeds, or fails with anything else, fails the test.
 */
import { expect } from 'vitest';
import { host } from '#host';
import type { ErrorCode, MonoquantError } from '#package';

export async function failureOf(call: Promise<unknown>, code?: ErrorCode): Promise<MonoquantError> {
  const outcome = await call.then(
    () => ({ error: undefined }),
    (error: unknown) => ({ error }),
  );
  expect(outcome.error, 'an error was due').toBeDefined();
  expect(outcome.error).toBeInstanceOf(host.MonoquantError);
  const error = outcome.error as MonoquantError;
  const names = error.code === 'aborted' ? ['AbortError', 'TimeoutError'] : ['MonoquantError'];
  expect(names).toContain(error.name);
  if (code !== undefined) expect(error, error.message).toMatchObject({ code });
  expect(error.message, 'ends in a full stop').toMatch(/[^.]\.$/);
  return error;
}

/** With something that the reader can do about it. */
export async function helpfulFailureOf(
  call: Promise<unknown>,
  code?: ErrorCode,
): Promise<MonoquantError> {
  const error = await failureOf(call, code);
  expect(error.suggestion, `suggestion after "${error.message}"`).toMatch(/\S/);
  return error;
}
