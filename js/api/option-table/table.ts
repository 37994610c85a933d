/**
 * The options of a quantization: one entry each, and nothing else has to know of a new one.
 * The order is that of a Configuration, of the help and of the page; what follows from others stands behind them.
 */
import { ACTIVATIONS } from './activations.js';
import { FILES, OPENING } from './files.js';
import { HOW } from './how.js';
import { WHAT } from './what.js';

/** What a file becomes. */
export const CHOICES = { ...FILES, ...HOW, ...ACTIVATIONS, ...WHAT } as const;

export const OPTIONS = { ...OPENING, ...CHOICES } as const;

/** Parts of the help, and of the page. */
export const SECTIONS = {
  how: HOW,
  activations: ACTIVATIONS,
  what: WHAT,
  files: { ...OPENING, ...FILES },
} as const;
