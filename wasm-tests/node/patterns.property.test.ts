/**
 * Patterns choose what JavaScript's own regular expressions would choose, and never take long to say so.
 * It exists because names come from files: whoever makes one chooses what a pattern has to work on.
 * Expressions and names are made up from seeds; the measure is the RegExp of this process.
 */
import { describe, expect, it } from 'vitest';
import { MonoquantError, open } from '#package/node';
import { Folder } from '../support/cli.js';
import { failureOf } from '../support/failures.js';
import { filled } from '../support/models.js';
import { Random } from '../support/random.js';

const folder = new Folder();
const RANDOM = new Random(11);

const below = (count: number) => RANDOM.below(count);

function oneOf<Item>(items: readonly Item[]): Item {
  return items[below(items.length)] as Item;
}

const UNITS = [
  'a',
  'b',
  '.',
  '\\.',
  '\\w',
  '\\d',
  '\\s',
  '[ab.]',
  '[^a]',
  '\\x61',
  '\\u0062',
  '\\/',
];
const ASSERTIONS = ['^', '$', '\\b', '\\B'];
const GROUPS = ['(', '(?:', '(?=', '(?!', '(?<=', '(?<!', '(?<name>'];
const QUANTIFIERS = ['*', '+', '?', '{2}', '{1,2}', '{0,}', '*?', '+?', '??'];

function expressionOf(depth: number): string {
  let text = '';
  for (let parts = below(4); parts > 0; parts -= 1) {
    const kind = below(depth > 0 ? 6 : 4);
    if (kind === 3) text += oneOf(ASSERTIONS);
    else {
      const group = kind > 3 ? oneOf(GROUPS) : '';
      text += group === '' ? oneOf(UNITS) : `${group}${expressionOf(depth - 1)})`;
      if (!group.startsWith('(?<') && below(3) === 0) text += oneOf(QUANTIFIERS);
    }
  }
  return depth > 0 && below(4) === 0 ? `${text}|${expressionOf(depth - 1)}` : text;
}

async function withNames<Answer>(
  names: readonly string[],
  work: (chosen: (pattern: string) => Promise<readonly string[]>) => Promise<Answer>,
): Promise<Answer> {
  const path = folder.write(
    'model.safetensors',
    names.map((name) => filled(name, 'F32', [1], [1])),
  );
  const model = await open(path);
  try {
    return await work(async (pattern) => {
      try {
        const { tensors } = await model.plan({ ignore: [pattern] });
        return tensors.filter(({ reason }) => reason === 'ignored').map(({ name }) => name);
      } catch (error) {
        if (error instanceof MonoquantError && error.code === 'pattern-unmatched') return [];
        throw error;
      }
    });
  } finally {
    await model.close();
  }
}

const NAMES = [
  ...new Set(
    Array.from({ length: 80 }, () =>
      Array.from({ length: 1 + below(8) }, () => oneOf([...'ab.1 /'])).join(''),
    ),
  ),
];

/** Of a name and of its module. */
function isChosen(name: string, matches: (text: string) => boolean): boolean {
  const dot = name.lastIndexOf('.');
  return matches(name) || (dot >= 0 && matches(name.slice(0, dot)));
}

it('regular expressions mean what they mean in JavaScript', async () => {
  await withNames(NAMES, async (chosen) => {
    let compared = 0;
    while (compared < 400) {
      const source = expressionOf(3);
      let native: RegExp;
      try {
        native = new RegExp(`^(?:${source})`);
      } catch {
        continue; // two groups of one name
      }
      const expected = NAMES.filter((name) => isChosen(name, (text) => native.test(text)));
      expect(new Set(await chosen(`re:${source}`)), source).toEqual(new Set(expected));
      compared += 1;
    }
  });
});

it('stars stand for anything, and the subtree of a module goes with it', async () => {
  await withNames(NAMES, async (chosen) => {
    for (let compared = 0; compared < 200; compared += 1) {
      const pattern = Array.from({ length: 1 + below(5) }, () => oneOf([...'ab.1*']))
        .concat('*')
        .sort(() => below(3) - 1)
        .join('');
      const parts = pattern.split(/\*+/).map((text) => text.replaceAll('.', '\\.'));
      const native = new RegExp(`^${parts.join('.*')}(?:\\.|$)`);
      const expected = NAMES.filter((name) => native.test(name));
      expect(new Set(await chosen(pattern)), pattern).toEqual(new Set(expected));
    }
  });
});

describe('time grows with the length of a name, and with nothing else', () => {
  it.each([
    ['*a*a*a*b', 20_000],
    ['*a*b', 900_000],
    ['re:(a+)+$', 100_000],
    ['re:.*.*.*x', 100_000],
    ['re:(?:(?!.*b).)*x', 100_000],
    ['re:(a|a)*b', 100_000],
  ])('%s', async (pattern, length) => {
    const begin = performance.now();
    await withNames([`${'a'.repeat(length)}c`], async (chosen) => {
      expect(await chosen(pattern)).toEqual([]);
    });
    // Going back and trying again takes from half a minute to for ever.
    expect(performance.now() - begin).toBeLessThan(15_000);
  });
});

it('what would need going back is refused in words', async () => {
  const model = await open(folder.write('small.safetensors', [filled('a', 'F32', [1], [1])]));
  for (const source of ['(a)\\1', '(?<n>a)\\k<n>', '(?:a{1000}){1000}']) {
    const { message } = await failureOf(
      model.plan({ ignore: [`re:${source}`] }),
      'invalid-options',
    );
    expect(message).toContain(source);
  }
  await model.close();
});
