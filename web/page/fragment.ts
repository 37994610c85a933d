/**
 * The choices as the fragment of the page's address, so that a link repeats them for any model.
 * A fragment never reaches a server, and the names of files are never in it.
 * What a link says is checked like what a person says: nonsense is passed over.
 */
import {
  type Changes,
  type Entry,
  isPossible,
  type LayerOverride,
  OPTIONS,
  withChanges,
} from 'monoquant';
import { type Choice, FIRST_CHOICE } from './choice.js';
import { isSetting } from './runs.js';

/** `bits=4&groupSize=64&ignore=lm_head`; empty if nothing was chosen. */
export function fragmentOf(choice: Choice): string {
  const said = new URLSearchParams();
  for (const [key, value] of Object.entries(choice)) {
    if (!isSetting(key) || value === undefined || isFirst(key, value)) continue;
    for (const text of textsOf(key, value)) said.append(key, text);
  }
  return said.toString();
}

function isFirst(key: string, value: unknown): boolean {
  const first = (FIRST_CHOICE as unknown as Readonly<Record<string, unknown>>)[key];
  return JSON.stringify(first) === JSON.stringify(value);
}

function textsOf(key: string, value: unknown): readonly string[] {
  if (key === 'overrides') {
    return (value as readonly LayerOverride[]).map((override) => JSON.stringify(override));
  }
  return Array.isArray(value) ? value.map(String) : [String(value)];
}

/** The choices of a fragment, as far as they are possible. */
export function choiceOf(fragment: string): Choice {
  let choice: Choice = FIRST_CHOICE;
  const said = new URLSearchParams(fragment.replace(/^#/, ''));
  for (const key of new Set(said.keys())) {
    if (!isSetting(key)) continue;
    const value = valueFrom(OPTIONS[key], said.getAll(key));
    if (value === undefined) continue;
    try {
      // The same check as for callers of the package.
      const checked = (OPTIONS[key] as Entry).kind.check(value, key);
      if (isPossible(choice, { [key]: checked } as Changes)) {
        choice = withChanges(choice, { [key]: checked } as Changes) as Choice;
      }
    } catch {
      // Of another version, or mistyped.
    }
  }
  return choice;
}

function valueFrom({ kind: { form } }: Entry, texts: readonly string[]): unknown {
  const [text = ''] = texts;
  switch (form.kind) {
    case 'choice':
      return form.choices.find((choice) => String(choice) === text);
    case 'switch':
      return text === 'true' ? true : text === 'false' ? false : undefined;
    case 'number':
      return Number.isFinite(Number(text)) && text !== '' ? Number(text) : undefined;
    case 'overrides':
      return texts.flatMap(parsed);
    case 'text':
      return text;
    default:
      return texts;
  }
}

function parsed(text: string): readonly unknown[] {
  try {
    return [JSON.parse(text)];
  } catch {
    return [];
  }
}
