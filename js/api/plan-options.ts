/**
 * The choices of a quantization, as callers make them and as they come out.
 */
import type { Inputs, Settlements, Values } from './option-table/entry.js';
import type { OPENING } from './option-table/files.js';
import type { CHOICES, OPTIONS } from './option-table/table.js';

export type { LayerOverride } from './option-table/what.js';

/** Which part of a file is meant, and under which names. */
export interface OpenOptions extends Inputs<typeof OPENING> {}

/**
 * The choices of a quantization; every one has a default. The `configuration` of a report, given as it is,
 * repeats that run.
 */
export interface PlanOptions extends Inputs<typeof CHOICES> {}

/** Choices that a caller made, each of them possible; what was not chosen is not there. */
export interface Choices extends Values<typeof OPTIONS> {}

/** Choices to make, and, undefined, to take back. */
export type Changes = { readonly [Key in keyof Choices]?: Choices[Key] | undefined };

/**
 * The effective configuration of a run: every choice spelled out, so that it can be repeated.
 * Patterns match a tensor or module name exactly, a module's whole subtree by its name, `*` for any
 * run of characters, or are regular expressions behind `re:`.
 */
export interface Configuration extends Settlements<typeof OPTIONS> {}
