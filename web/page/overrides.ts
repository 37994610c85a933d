/**
 * Choices for single tensors, as patterns: as few as say the same.
 * It exists because people choose rows and layers, and a command with a thousand names is none.
 * A pattern is taken for several tensors only if it means just those.
 */
import type { Bits, Changes, LayerOverride } from 'monoquant';
import { type Choice, OVERRIDES, type OverrideBits } from './choice.js';

/** The bits that were chosen for tensors by themselves. */
export function overridesOf(
  { overrides }: Choice,
  names: readonly string[],
): ReadonlyMap<string, OverrideBits> {
  const found = new Map<string, OverrideBits>();
  if (overrides.length === 0) return found;
  const { exact, byTemplate } = kindsOf(names);
  for (const { pattern, bits } of overrides) {
    const word = OVERRIDES.find((each) => each === String(bits));
    if (word === undefined) continue;
    const name = exact.get(pattern);
    if (name !== undefined) found.set(name, word);
    else if (pattern.includes('*') && !pattern.startsWith('re:')) {
      const matching = byTemplate.get(pattern) ?? names.filter(globOf(pattern));
      for (const each of matching) found.set(each, word);
    }
  }
  return found;
}

/** The same choices for several tensors; undefined takes them back. */
export function overrideChanges(
  choice: Choice,
  names: readonly string[],
  selected: Iterable<string>,
  bits: OverrideBits | undefined,
): Changes {
  const chosen = new Map(overridesOf(choice, names));
  for (const name of selected) {
    if (bits === undefined) chosen.delete(name);
    else chosen.set(name, bits);
  }
  // What says more than bits was not made here, and stays.
  const others = choice.overrides.filter(
    (override) => override.bits === undefined || Object.keys(override).length > 2,
  );
  return { overrides: [...others, ...patternsFor(chosen, names)] };
}

function patternsFor(
  chosen: ReadonlyMap<string, OverrideBits>,
  names: readonly string[],
): LayerOverride[] {
  const kinds = kindsOf(names);
  const made: LayerOverride[] = [];
  for (const word of OVERRIDES) {
    const bits = word === 'none' ? word : (Number(word) as Bits);
    let left = names.filter((name) => chosen.get(name) === word);
    for (const templateOf of [kinds.every, kinds.later]) {
      const { patterns, others } = joined(left, templateOf, kinds);
      made.push(...patterns.map((pattern) => ({ pattern, bits })));
      left = others;
    }
    made.push(...left.map((name) => ({ pattern: patternOf(name), bits })));
  }
  return made;
}

/** Names that are all of their kind, as one pattern for each kind. */
function joined(
  wanted: readonly string[],
  templateOf: ReadonlyMap<string, string>,
  kinds: Kinds,
): { readonly patterns: string[]; readonly others: string[] } {
  const groups = new Map<string, string[]>();
  const others: string[] = [];
  for (const name of wanted) {
    const template = templateOf.get(name);
    const group = groups.get(template ?? '');
    if (template === undefined) others.push(name);
    else if (group === undefined) groups.set(template, [name]);
    else group.push(name);
  }
  const patterns: string[] = [];
  for (const [template, group] of groups) {
    const isAll = group.length > 1 && kinds.byTemplate.get(template)?.length === group.length;
    if (isAll && isExact(template, kinds)) patterns.push(template);
    else others.push(...group);
  }
  return { patterns, others };
}

/** Names by what they are but for their numbers: `model.layers.*.mlp.up_proj.weight`. */
interface Kinds {
  /** Of names with numbers: all numbers left open, and all but the first. */
  readonly every: ReadonlyMap<string, string>;
  readonly later: ReadonlyMap<string, string>;
  readonly byTemplate: ReadonlyMap<string, readonly string[]>;
  /** One name of each kind. */
  readonly samples: ReadonlyMap<string, string>;
  /** Names by their own patterns. */
  readonly exact: ReadonlyMap<string, string>;
}

/** Of tens of thousands of names they take a while, and names stay. */
const KINDS = new WeakMap<readonly string[], Kinds>();

function kindsOf(names: readonly string[]): Kinds {
  const kept = KINDS.get(names);
  if (kept !== undefined) return kept;
  const [every, later] = [new Map<string, string>(), new Map<string, string>()];
  const byTemplate = new Map<string, string[]>();
  const samples = new Map<string, string>();
  const exact = new Map<string, string>();
  const add = (template: string, name: string) => {
    const group = byTemplate.get(template);
    if (group === undefined) byTemplate.set(template, [name]);
    else group.push(name);
  };
  for (const name of names) {
    exact.set(patternOf(name), name);
    const open = name.replace(NUMBER, '$1*');
    if (!samples.has(open)) samples.set(open, name);
    if (open === name || name.includes('*')) continue;
    every.set(name, open);
    add(open, name);
    const rest = laterNumbers(name);
    if (rest === name || rest === open) continue;
    later.set(name, rest);
    add(rest, name);
  }
  const kinds = { every, later, byTemplate, samples, exact };
  KINDS.set(names, kinds);
  return kinds;
}

/** Whether a pattern means no names of another kind: one of each kind stands for all. */
function isExact(template: string, { samples }: Kinds): boolean {
  const isMatch = globOf(template);
  const own = template.replace(NUMBER, '$1*');
  const first = /(?:^|\.)(\d+)(?=\.|$)/.exec(template)?.[1];
  for (const [kind, sample] of samples) {
    if (kind === own) continue;
    const name = first === undefined ? sample : sample.replace(/(^|\.)\d+(?=\.|$)/, `$1${first}`);
    if (isMatch(name)) return false;
  }
  return true;
}

const NUMBER = /(^|\.)\d+(?=\.|$)/g;

/** All numbers but the first left open: experts of one layer. */
function laterNumbers(name: string): string {
  let count = 0;
  return name.replace(NUMBER, (found, dot: string) => (count++ === 0 ? found : `${dot}*`));
}

/** As the package reads `*`: any run of characters, and the subtree of a module goes with it. */
function globOf(pattern: string): (name: string) => boolean {
  const [first = '', ...others] = pattern.split(/\*+/);
  const last = others.pop() ?? '';
  return (name) => {
    if (!name.startsWith(first)) return false;
    let at = first.length;
    for (const part of others) {
      at = name.indexOf(part, at);
      if (at < 0) return false;
      at += part.length;
    }
    return name.slice(at).endsWith(last) || name.includes(`${last}.`, at);
  };
}

/** A pattern for one tensor; names with signs of the pattern language need a regular expression. */
function patternOf(name: string): string {
  if (!name.includes('*') && !name.startsWith('re:')) return name;
  return `re:${name.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')}$`;
}
