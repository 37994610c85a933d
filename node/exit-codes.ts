/**
 * The exit code of each error: scripts rely on them, and logs of runs hold them.
 */
import type { ErrorCode } from '../js/api/errors.js';

export const USAGE_EXIT = 2;

export const EXIT_CODES: Readonly<Record<ErrorCode, number>> = {
  internal: 1,
  'engine-unavailable': 1,
  'invalid-options': USAGE_EXIT,
  'pattern-unmatched': USAGE_EXIT,
  'output-exists': USAGE_EXIT,
  'nothing-to-quantize': 3,
  'nothing-to-dequantize': 3,
  'already-quantized': 3,
  'non-finite-weights': 3,
  'quality-gate': 4,
  'strict-warnings': 4,
  'verification-failed': 4,
  'unsafe-pickle': 4,
  'unsupported-format': 5,
  'unsupported-layout': 5,
  'malformed-file': 5,
  'limit-exceeded': 5,
  'file-truncated': 5,
  'file-not-found': 5,
  'file-changed': 5,
  'read-failed': 5,
  'write-failed': 5,
  'out-of-memory': 5,
  aborted: 130,
};
