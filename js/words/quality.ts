/**
 * What a run has left of a model, in words.
 */
import type { Report } from '../api/types.js';
import { formatDecibels } from './format.js';

/** `SQNR 17.2 dB, of what layers compute 26.9 dB`. */
export function qualityWords({
  sqnrDb,
  outputSqnrDb,
}: Pick<Report, 'sqnrDb' | 'outputSqnrDb'>): string {
  if (sqnrDb === null) return 'nothing was lost';
  const outputs =
    outputSqnrDb === null ? '' : `, of what layers compute ${formatDecibels(outputSqnrDb)}`;
  return `SQNR ${formatDecibels(sqnrDb)}${outputs}`;
}
