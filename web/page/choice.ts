/**
 * What the user has chosen: options of the package, as few as were set.
 * It exists because a choice that was never made must follow the bits, and what it excludes must go with it.
 * Always something that the package accepts, but for patterns, which are typed.
 */
import type { Bits, LayerOverride, Mode, OpenOptions, PlanOptions, Strategy } from 'monoquant';

export interface Choice extends PlanOptions, OpenOptions {
  readonly bits: Bits;
  readonly ignore: readonly string[];
  readonly overrides: readonly LayerOverride[];
}

export const FIRST_CHOICE: Choice = { bits: 8, ignore: [], overrides: [] };

/** What means something with stored scales of inputs only. */
const OF_INPUTS: readonly (keyof PlanOptions)[] = ['observer', 'percentile', 'inputScheme'];
/** What means something with these bits only. */
const OF_BITS: readonly (keyof PlanOptions)[] = [
  ...OF_INPUTS,
  ...(['mode', 'scheme', 'strategy', 'groupSize', 'method'] as const),
];

export function withBits(choice: Choice, bits: Bits): Choice {
  if (bits === choice.bits) return choice;
  return tidied({ ...without(choice, OF_BITS), bits });
}

/** Groups of 8-bit weights go only with activations that are left alone. */
export function withMode(choice: Choice, mode: Mode | undefined): Choice {
  const grouped = choice.groupSize !== undefined && mode !== 'weights-only' && choice.bits === 8;
  const kept = without(choice, [
    'mode',
    ...(grouped ? (['groupSize', 'strategy'] as const) : []),
    ...(mode === 'static' ? [] : OF_INPUTS),
  ]);
  return mode === undefined ? kept : { ...kept, mode };
}

/** What one scale serves: a strategy, or a group of so many weights. */
export type Sharing = 'tensor' | 'channel' | '32' | '64' | '128' | '256';
export const SHARINGS: readonly Sharing[] = ['tensor', 'channel', '256', '128', '64', '32'];

export function sharingOf(strategy: Strategy, groupSize: number): Sharing {
  return strategy === 'group' ? (String(groupSize) as Sharing) : strategy;
}

export function withSharing(choice: Choice, sharing: Sharing | undefined): Choice {
  const kept = without(choice, ['strategy', 'groupSize']);
  if (sharing === undefined) return kept;
  if (sharing === 'tensor' || sharing === 'channel') return { ...kept, strategy: sharing };
  const groupSize = Number(sharing) as Exclude<PlanOptions['groupSize'], undefined>;
  return { ...kept, groupSize };
}

/** Whether these bits and this treatment of activations allow it. */
export function canShare({ bits }: Choice, mode: Mode, sharing: Sharing): boolean {
  if (sharing === 'tensor') return bits === 8;
  return sharing === 'channel' || bits === 4 || mode === 'weights-only';
}

export const OVERRIDES = ['8', '4', '16', 'none'] as const;
export type OverrideBits = (typeof OVERRIDES)[number];

/** The bits that were chosen for one tensor. */
export function overrideOf({ overrides }: Choice, name: string): OverrideBits | undefined {
  const pattern = patternOf(name);
  const found = overrides.find((override) => override.pattern === pattern)?.bits;
  return found === undefined ? undefined : (String(found) as OverrideBits);
}

export function withOverride(choice: Choice, name: string, bits: OverrideBits | undefined): Choice {
  const pattern = patternOf(name);
  const others = choice.overrides.filter((override) => override.pattern !== pattern);
  if (bits === undefined) return tidied({ ...choice, overrides: others });
  const chosen = bits === 'none' ? bits : (Number(bits) as Bits);
  return tidied({ ...choice, overrides: [...others, { pattern, bits: chosen }] });
}

/** Which part of the file is meant, spelled out. */
export function openingOf({ key, stripPrefix }: OpenOptions): Required<OpenOptions> {
  return { key: key ?? null, stripPrefix: stripPrefix ?? '' };
}

/** Sets an option, or takes it back. */
export function withOption<Key extends keyof Choice>(
  choice: Choice,
  key: Key,
  value: Choice[Key] | undefined,
): Choice {
  const kept = without(choice, [key]);
  return value === undefined ? kept : { ...kept, [key]: value };
}

/** For another model: patterns and parts are about names that it may not have. */
export function forAnotherModel(choice: Choice): Choice {
  const kept = without(choice, ['key', 'stripPrefix', ...OF_INPUTS]);
  const mode = kept.mode === 'static' ? without(kept, ['mode']) : kept;
  return tidied({ ...mode, ignore: [], overrides: [] });
}

/** A pattern for one tensor; names with signs of the pattern language need a regular expression. */
function patternOf(name: string): string {
  if (!name.includes('*') && !name.startsWith('re:')) return name;
  return `re:${name.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')}$`;
}

/** The type of 16-bit floats means something only where they are written. */
function tidied(choice: Choice): Choice {
  const writesFloats = choice.bits === 16 || choice.overrides.some(({ bits }) => bits === 16);
  return writesFloats ? choice : without(choice, ['floatType']);
}

function without(choice: Choice, keys: readonly (keyof Choice)[]): Choice {
  const kept = Object.entries(choice).filter(([key]) => !keys.some((name) => name === key));
  return Object.fromEntries(kept) as unknown as Choice;
}
