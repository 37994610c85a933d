/**
 * How codes stand for values.
 * It exists apart because files, calibrations, plans and options all speak of it.
 */

export const SCHEMES = ['symmetric', 'asymmetric'] as const;
export type Scheme = (typeof SCHEMES)[number];

/** What shares one scale: the tensor, an output channel, or a group of consecutive inputs. */
export const STRATEGIES = ['tensor', 'channel', 'group'] as const;
export type Strategy = (typeof STRATEGIES)[number];

/** How scales are chosen: from the extremes (round to nearest), or searched for the smallest squared error. */
export const METHODS = ['rtn', 'mse'] as const;
export type Method = (typeof METHODS)[number];
