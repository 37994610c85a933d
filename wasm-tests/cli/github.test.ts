/**
 * The command as a step of a job of GitHub Actions: annotations, the summary of the job.
 * It exists because a runner reads every line that a step prints: a hostile name must not be a command to it.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CLI, type Finished, Folder, start } from '../support/cli.js';
import { filled, weights } from '../support/models.js';

const folder = new Folder();
// Nearly everything in a group becomes zero beside its one large value.
const noisy = filled('100%.weight', 'F32', [16, 128], (index) => (index % 128 === 0 ? 60 : 1));
const head = weights('lm_head.weight', 'F32', [16, 128]);
const model = folder.write('model.safetensors', [noisy, head]);

function step(words: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return start(process.execPath, [CLI, ...words], {
    cwd: folder.path,
    env: { ...process.env, GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: '', ...env },
  }).finished;
}

/** As a runner finds and reads them: at the beginning of a line of either output, else the older form anywhere. */
function commandsIn({ stdout, stderr }: Finished) {
  return `${stdout}\n${stderr}`.split(/\r\n|\r|\n/).flatMap((line) => {
    const [, command, text = ''] = /^\s*::(.*?)::(.*)$/.exec(line) ?? [];
    if (command !== undefined) return [{ command, text: decodeURIComponent(text) }];
    return /^\s*::|##\[/.test(line) ? [{ command: line, text: '' }] : [];
  });
}

it('warnings and failures are annotations', async () => {
  const words = ['quantize', model, '-b', '4', '-o', 'a.safetensors', '--fail-under', '90'];
  const finished = await step(words);
  expect(finished.code).toBe(4);
  const found = commandsIn(finished);
  expect(found.map(({ command }) => command)).toEqual([
    'warning title=monoquant',
    'error title=monoquant',
  ]);
  expect(found[0]?.text).toMatch(/^"100%\.weight" has an SQNR of/);
  expect(found[1]?.text).toMatch(/^Expected an SQNR of at least 90 dB.*\nMore bits/s);
  // Once, and not also in the way of a terminal.
  expect(finished.stderr).not.toMatch(/^(warning|monoquant):/m);
  const elsewhere = await step(words, { GITHUB_ACTIONS: '' });
  expect(commandsIn(elsewhere)).toEqual([]);
  expect(elsewhere.stderr).toMatch(/^monoquant: Expected/m);
});

it('names in a model are no commands, and stay the same in JSON', async () => {
  const names = [
    '::stop-commands::x.weight',
    'a##[add-mask]b.weight',
    '\n::error::x.weight',
    ' ::add-path::x.weight',
  ];
  const hostile = folder.write('hostile.safetensors', [
    ...names.map((name) => ({ ...noisy, name })),
    head,
  ]);
  for (const more of [[], ['--json'], ['-v'], ['--dry-run']]) {
    const words = ['quantize', hostile, '-b', '4', '-o', 'h.safetensors', '--force', ...more];
    const finished = await step(words);
    expect(finished.code, finished.stderr).toBe(0);
    for (const { command } of commandsIn(finished)) expect(command).toBe('warning title=monoquant');
    if (more[0] !== '--json') continue;
    const { tensors } = JSON.parse(finished.stdout) as { tensors: { name: string }[] };
    expect(tensors.map(({ name }) => name).sort()).toEqual([...names].sort());
  }
});

describe('the summary of a job', () => {
  const summary = folder.at('summary.md');
  const words = ['quantize', model, '-b', '8', '-o', 's.safetensors', '--force'];

  it('gets the report behind what is there, also of a failed gate', async () => {
    writeFileSync(summary, 'Before.\n');
    const env = { GITHUB_STEP_SUMMARY: summary };
    expect((await step(words, env)).code).toBe(0);
    expect((await step([...words, '--fail-under', '90'], env)).code).toBe(4);
    const text = readFileSync(summary, 'utf8');
    expect(text).toMatch(/^Before\.\n## Quantization of model\.safetensors\n/);
    expect(text.match(/^## /gm)).toHaveLength(2);
    expect(text).toContain('`100%.weight`');
    expect(text).toContain('**Failed:** Expected an SQNR');
  });

  it('gets a report without tables if there is little room, and else a warning', async () => {
    const room = (bytes: number) => writeFileSync(summary, ' '.repeat(1024 * 1024 - bytes));
    const env = { GITHUB_STEP_SUMMARY: summary };
    writeFileSync(summary, '');
    expect((await step(words, env)).code).toBe(0);
    const whole = readFileSync(summary);
    expect(whole.toString()).toContain('`100%.weight`');
    // The time in it is never ten signs longer.
    room(whole.length - 10);
    expect((await step(words, env)).code).toBe(0);
    const text = readFileSync(summary, 'utf8').trim();
    expect(text).toMatch(/^## Quantization/);
    expect(text).not.toContain('`100%.weight`');
    room(10);
    const full = await step(words, env);
    expect(full.code).toBe(0);
    expect(commandsIn(full)[0]?.text).toMatch(/^Could not write the summary .*1 MiB/);
  });

  it('never fails a run if it cannot be written', async () => {
    mkdirSync(folder.at('folder'));
    const finished = await step(words, { GITHUB_STEP_SUMMARY: folder.at('folder') });
    expect(finished.code).toBe(0);
    expect(commandsIn(finished)).toMatchObject([{ command: 'warning title=monoquant' }]);
  });

  it('is not written where no runner reads it', async () => {
    const nowhere = folder.at('nowhere.md');
    const env = { GITHUB_ACTIONS: 'false', GITHUB_STEP_SUMMARY: nowhere };
    expect((await step(words, env)).code).toBe(0);
    expect(existsSync(nowhere)).toBe(false);
  });
});
