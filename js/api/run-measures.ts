/**
 * The numbers by which runs are compared, and where a line of a log has them.
 */
import type { RunRecord } from './run-record.js';

/** Numbers that runs are compared by; sizes in bytes, times in milliseconds, quality in dB. */
export const MEASURES = [
  'outputBytes',
  'bitsPerWeight',
  'sqnrDb',
  'outputSqnrDb',
  'worstSqnrDb',
  'ms',
  'peakBytes',
] as const;
export type Measure = (typeof MEASURES)[number];

export function measured(
  { totals, quality, ms, peakBytes }: RunRecord,
  measure: Measure,
): number | null {
  switch (measure) {
    case 'outputBytes':
      return totals?.packedBytes ?? totals?.outputBytes ?? null;
    case 'bitsPerWeight':
      return totals?.bitsPerWeight ?? null;
    case 'worstSqnrDb':
      return quality?.worst?.sqnrDb ?? null;
    case 'ms':
      return ms;
    case 'peakBytes':
      return peakBytes ?? null;
    default:
      return quality?.[measure] ?? null;
  }
}
