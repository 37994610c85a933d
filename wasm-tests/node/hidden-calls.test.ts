/**
 * Files that call a function where PyTorch loads them, one of each way to hide that.
 * It exists because lists and parsers are worth what they say of files that were made to get past them.
 * Made by scripts/pickle-names/hostile.py, which also runs them with PyTorch. Nothing of them is ever run here.
 */
import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { load, MonoquantError } from '#package/node';
import { Folder, monoquant } from '../support/cli.js';
import { HIDDEN_CALLS, MARKER, writeCase } from '../support/hidden-calls.js';

const KINDS = [
  ['structure', 35],
  ['opcodes', 34],
  ['names', 100],
  ['exported', 7],
  ['re-exports', 10],
] as const;

const folder = new Folder();

/** What somebody hears of a file: why it is refused, or what is not safe in it. */
async function heardOf(path: string): Promise<string> {
  try {
    const model = await load(path, { threads: 1 });
    await model.close();
    const { globals, opaque } = model.catalog;
    const names = globals.filter(({ danger }) => danger !== 'safe');
    return [
      ...names.map(({ module, name }) => `${module}.${name}`),
      ...opaque.map(({ member, reason }) => `${member} ${reason}`),
    ].join('\n');
  } catch (error) {
    if (!(error instanceof MonoquantError)) throw error;
    return error.message;
  }
}

describe.each(KINDS)('%s', (kind, least) => {
  const cases = HIDDEN_CALLS.filter((each) => each.kind === kind);

  it('none of them passes, and all names are told', { timeout: 300_000 }, async () => {
    expect(cases.length).toBeGreaterThanOrEqual(least);
    const silent: string[] = [];
    for (const each of cases) {
      const heard = await heardOf(writeCase(each, folder));
      const untold = each.names.filter((name) => !heard.includes(name));
      if (heard === '' || untold.length > 0) silent.push(`${each.name}: ${untold} not in ${heard}`);
    }
    expect(silent).toEqual([]);
  });

  it('the command stops', async () => {
    const first = cases.find(({ names }) => names.length > 0);
    if (first === undefined) throw new Error('There are no cases.');
    const { code, stderr } = await monoquant('info', '--strict', writeCase(first, folder));
    expect(code, stderr).toBe(4);
    expect(existsSync(MARKER) || folder.has(MARKER)).toBe(false);
  });
});
