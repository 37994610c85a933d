/**
 * From the choices of a caller to a complete Configuration, by the table of options.
 * A Configuration that leaves this file is valid and has every choice spelled out.
 */
import { contradiction } from './check.js';
import type { Beside, Conflict } from './option-table/conflict.js';
import { checkOptions, type Entries } from './option-table/entry.js';
import { OPENING } from './option-table/files.js';
import { bitsFor } from './option-table/format.js';
import { modeOf } from './option-table/mode.js';
import { OPTIONS } from './option-table/table.js';
import { type LayerOverride, OF_TENSORS } from './option-table/what.js';
import { USUAL_THRESHOLD } from './outlier-threshold.js';
import type { Changes, Choices, Configuration } from './plan-options.js';
import { areCodes } from './schemes.js';
import { mapTokens, type OptionToken, option, say } from './sentence.js';

const TABLE: Entries = OPTIONS;

/** What every Configuration has, and nobody writes by hand: some of these exclude each other. */
const SPELLED_OUT = ['bits', 'mode', 'scheme', 'strategy', 'groupSize', 'method', 'floatType'];

type Given = Readonly<Record<string, unknown>>;

/** `given` has been checked to have no keys but those of the table and of calls. */
export function configurationOf(given: Given): Configuration {
  const choices = ownChoices(checkOptions(OPTIONS, given));
  const [conflict] = conflictsOf(choices);
  if (conflict !== undefined) throw contradiction(conflict.message, conflict.suggestion);
  return completed(choices);
}

/** What `convert` and `dequantize` do: no value changes. */
export function copyingConfiguration(given: Given): Configuration {
  return configurationOf({ ...given, bits: 'none' });
}

/** An output that is one file: throws if the caller has asked for several. */
export function checkOneFile({ maxShardSize, outliers }: Configuration, what: string): void {
  if (outliers !== null && outliers !== USUAL_THRESHOLD) {
    throw contradiction(
      say`${option('outliers', outliers)} is said in the config.json beside the weights, but the output is ${what}.`,
      say`Name a folder, or leave out ${option('outliers')}.`,
    );
  }
  if (typeof maxShardSize !== 'number') return;
  throw contradiction(
    say`${option('maxShardSize')} divides the weights into several files, but the output is ${what}.`,
    say`Name a folder, or leave out ${option('maxShardSize')}.`,
  );
}

export function openingOf(given: Given): Pick<Configuration, 'key' | 'stripPrefix'> {
  const { key = null, stripPrefix = '' } = checkOptions(OPENING, given);
  return { key, stripPrefix };
}

/**
 * A Configuration, as a report holds it, without what it would have had anyway; other choices as they are.
 * What is left are choices that somebody made, so that they can be told from what only spells them out.
 */
export function ownChoices(choices: Choices): Choices {
  if (!SPELLED_OUT.every((key) => key in choices)) return choices;
  const { codes = 'integers', calibration = [], format, container } = choices;
  const bits = bitsFor(choices);
  const file = { ...(format && { format }), ...(container && { container }) };
  const defaults: Given = completed({
    bits,
    ...file,
    ...(areCodes(bits) ? { codes, calibration } : {}),
  });
  // What other defaults follow from stays.
  const isBase = (key: string) =>
    ['bits', 'format', 'container'].includes(key) || (key === 'codes' && codes !== 'integers');
  const isOwn = ([key, value]: [string, unknown]) =>
    isBase(key) || TABLE[key]?.needs === undefined || value !== defaults[key];
  return Object.fromEntries(Object.entries(choices).filter(isOwn));
}

/**
 * Choices with some of them changed; undefined takes one back. What was chosen before and means nothing beside the
 * change goes, and so does what was chosen for other bits.
 */
export function withChanges<Chosen extends Choices>(before: Chosen, changes: Changes): Chosen {
  const changesBits = before.bits !== undefined && (changes.bits ?? before.bits) !== before.bits;
  const kept = new Map(
    Object.entries(before).filter(
      ([key]) => !(key in changes || (changesBits && TABLE[key]?.followsBits)),
    ),
  );
  const changed = Object.entries(changes).filter(([, value]) => value !== undefined);
  for (;;) {
    const choices = Object.fromEntries([...kept, ...changed]) as Chosen;
    const losers = conflictsOf(choices).flatMap((conflict) => losersOf(conflict, changes));
    // Each round takes something away, or is the last.
    if (!losers.some((key) => kept.delete(key))) return choices;
  }
}

/** What gives way to the changes. */
function losersOf({ option, beside, isMutual }: Conflict, changes: Changes): readonly string[] {
  if (!(option in changes)) return beside.some((key) => key in changes) ? [option] : [];
  return isMutual ? beside.filter((key) => !(key in changes)) : [];
}

/** Whether the changes can be made; what was chosen before may have to give way. */
export function isPossible(choices: Choices, changes: Changes): boolean {
  return conflictsOf(ownChoices(withChanges(choices, changes))).length === 0;
}

/** Everything that does not go together, in the order of the table. */
function conflictsOf(choices: Choices): readonly Conflict[] {
  const { overrides = [], calibration } = choices;
  const bits = bitsFor(choices);
  const beside: Beside = { ...choices, bits, activations: modeOf(choices) };
  return [
    ...conflictsIn(TABLE, choices, beside),
    ...overrides.flatMap((override, index) =>
      conflictsOfOverride(override, { bits, calibration }, overrides.slice(0, index)),
    ),
  ];
}

function conflictsIn(table: Entries, choices: Given, beside: Beside): readonly Conflict[] {
  return Object.entries(table).flatMap(([key, { needs = [] }]) => {
    const value = choices[key];
    if (value === undefined) return [];
    return needs.flatMap((need) => {
      const refusal = need(key, value, beside);
      return refusal === undefined ? [] : [{ option: key, ...refusal }];
    });
  });
}

/** What is said once, for all tensors. */
interface ForAll {
  readonly bits: NonNullable<Choices['bits']>;
  readonly calibration: Choices['calibration'];
}

/**
 * The same rules for what some tensors have for themselves. Groups fit beside any mode: a layer that has them is packed,
 * and its activations are left alone.
 */
function conflictsOfOverride(
  override: LayerOverride,
  { bits, calibration }: ForAll,
  earlier: readonly LayerOverride[],
): readonly Conflict[] {
  const { pattern, ...choices } = override;
  const about = { option: 'overrides', beside: [] };
  if (Object.keys(choices).length === 0) {
    const ways = Object.keys(OF_TENSORS).map((option) => ({ option, inOverride: true }));
    return [
      {
        ...about,
        message: `The override of "${pattern}" changes nothing.`,
        suggestion: [
          'Give it ',
          ...ways.flatMap((way, i) => (i === 0 ? [way] : [' or ', way])),
          '.',
        ],
      },
    ];
  }
  // An earlier override may have given the same tensors other bits.
  const inherited = [bits, ...earlier.map((other) => other.bits ?? bits)];
  const own = override.bits ?? inherited.find(areCodes) ?? bits;
  const beside: Beside = { ...choices, calibration, bits: own, activations: 'weights-only' };
  const ofOverride = (token: OptionToken) =>
    token.option === 'calibration' ? token : { ...token, inOverride: true };
  const ofBoth = (token: OptionToken) =>
    token.option === 'bits' && override.bits === undefined ? token : ofOverride(token);
  return conflictsIn(OF_TENSORS, choices, beside).map(({ message, suggestion }) => ({
    ...about,
    message: [`The override of "${pattern}": `, mapTokens(message, ofBoth)].flat(),
    suggestion: mapTokens(suggestion, ofOverride),
  }));
}

function completed(choices: Choices): Configuration {
  const known: Record<string, unknown> = {};
  for (const [key, entry] of Object.entries(TABLE)) {
    if (entry.resolve !== undefined) known[key] = entry.resolve(choices, known);
    else if ('default' in entry) known[key] = (choices as Given)[key] ?? entry.default;
  }
  return known as unknown as Configuration;
}
