/** Signal to noise ratios: one rule for reports, comparisons and validations, that of `quant/error_sums.h`. */

/** Of noise without a signal: less than that of any two numbers. */
export const LOWEST_SQNR_DB = -3240;

/** 10 log10(signal / noise) in dB; null if nothing was lost, else finite. */
export function sqnrOf(sums: { readonly signal?: number; readonly noise?: number }): number | null {
  const { signal = 0, noise = 0 } = sums;
  if (noise === 0) return null;
  const ratio = Math.min(signal / noise, Number.MAX_VALUE);
  return ratio > 0 ? 10 * Math.log10(ratio) : LOWEST_SQNR_DB;
}
