/**
 * Whether all of an output was written.
 */
import { MonoquantError } from '../api/errors.js';
import type { EncodedShare } from '../worker/protocol.js';

/** Every byte of the output belongs to some share; one that nobody wrote would never be verified. */
export function checkWritten(
  shares: readonly EncodedShare[],
  sealedBytes: number,
  outputBytes: number,
): void {
  const written = shares.reduce((sum, { bytes }) => sum + bytes, sealedBytes);
  if (written === outputBytes) return;
  throw new MonoquantError(
    'verification-failed',
    `The output should have ${outputBytes} bytes, but ${written} were written.`,
    { suggestion: 'This is a fault of monoquant: please report it with the model.' },
  );
}
