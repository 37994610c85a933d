/**
 * What the user has chosen: options of the package, as few as were set.
 * A choice that was never made must follow the others; what goes with what is the package's to say.
 * Always something that the package accepts, but for patterns, which are typed.
 */
import {
  type Bits,
  type Changes,
  type Choices,
  GROUP_SIZES,
  type GroupSize,
  isPossible,
  type LayerOverride,
  OPTIONS,
  type OpenOptions,
  type Strategy,
  withChanges,
} from 'monoquant';

export interface Choice extends Choices {
  readonly bits: Bits;
  readonly ignore: readonly string[];
  readonly overrides: readonly LayerOverride[];
}

export const FIRST_CHOICE: Choice = { bits: 8, ignore: [], overrides: [] };

export type OptionName = keyof typeof OPTIONS;

/** Whether there is anything to choose: another value than the one that holds anyway. */
export function isOpen(options: Choices, name: OptionName, effective: unknown): boolean {
  return probesOf(name).some(
    (value) => value !== effective && isPossible(options, { [name]: value }),
  );
}

/** Values that stand for all that an option may have. */
function probesOf(name: OptionName): readonly unknown[] {
  const { form } = OPTIONS[name].kind;
  if (form.kind === 'choice') return form.choices;
  if (form.kind === 'switch') return [true, false];
  if (form.kind === 'number') return [form.least, form.most];
  return [['*']];
}

/** What one scale serves: a strategy, or a group of so many weights. */
export type Sharing = 'tensor' | 'channel' | 'block' | `${Exclude<GroupSize, -1>}`;
export const SHARINGS = [
  'tensor',
  'channel',
  'block',
  ...GROUP_SIZES.filter((size) => size > 0).reverse(),
].map(String) as readonly Sharing[];

export function sharingOf(strategy: Strategy, groupSize: number): Sharing {
  return strategy === 'group' ? (String(groupSize) as Sharing) : strategy;
}

/** Undefined where nobody has chosen it. */
export function chosenSharing({ strategy, groupSize }: Choices): Sharing | undefined {
  if (groupSize !== undefined) return groupSize === -1 ? 'channel' : (String(groupSize) as Sharing);
  return strategy === 'group' ? undefined : strategy;
}

export function sharingChanges(sharing: Sharing | undefined): Changes {
  const none = { strategy: undefined, groupSize: undefined };
  if (sharing === undefined) return none;
  if (sharing === 'tensor' || sharing === 'channel' || sharing === 'block') {
    return { ...none, strategy: sharing };
  }
  return { ...none, groupSize: Number(sharing) as GroupSize };
}

export const OVERRIDES = ['8', '4', '16', 'none'] as const;
export type OverrideBits = (typeof OVERRIDES)[number];

/** Which part of the file is meant, spelled out. */
export function openingOf({ key, stripPrefix }: OpenOptions): Required<OpenOptions> {
  return { key: key ?? null, stripPrefix: stripPrefix ?? '' };
}

/** For another model: patterns, parts and data are about names that it may not have. */
export function forAnotherModel(choice: Choice): Choice {
  return withChanges(choice, {
    key: undefined,
    stripPrefix: undefined,
    calibration: undefined,
    ignore: [],
    overrides: [],
  });
}
