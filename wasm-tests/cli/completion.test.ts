/**
 * What `monoquant completion` prints, in the shells themselves, and the manual page.
 * They exist because a script that a shell cannot read is noticed by nobody but the person who types.
 * zsh, fish and man are asked where they are installed; bash always.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Folder, monoquant } from '../support/cli.js';
import { ROOT } from '../support/markdown.js';

const folder = new Folder();
writeFileSync(folder.at('model.safetensors'), '');

function isInstalled(program: string): boolean {
  return spawnSync(program, ['--version']).error === undefined;
}

function run(program: string, words: readonly string[]): string {
  const { stdout, stderr, status } = spawnSync(program, words, {
    cwd: folder.path,
    encoding: 'utf8',
  });
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
  return stdout;
}

async function script(shell: string): Promise<string> {
  const { code, stdout, stderr } = await monoquant('completion', shell);
  expect(code, stderr).toBe(0);
  const path = folder.at(`completion.${shell}`);
  writeFileSync(path, stdout);
  return path;
}

/** What is offered for the last word. */
type Complete = (words: readonly string[]) => string[];

/** Calls what bash would call, with the words that it would make of the line. */
async function inBash(): Promise<Complete> {
  const path = await script('bash');
  return (words) => {
    // Outside of readline there is nothing to set options of.
    const program = `
      source '${path}'
      compopt() { printf 'no files\\n'; }
      COMP_WORDS=(monoquant "$@")
      COMP_CWORD=$#
      $(complete -p monoquant | sed 's/.*-F \\([^ ]*\\).*/\\1/')
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    const offered = run('bash', ['--norc', '-c', program, 'bash', ...words]);
    return offered.split('\n').filter((line) => line !== '');
  };
}

/** What fish says itself. */
async function inFish(): Promise<Complete> {
  const path = await script('fish');
  return (words) => {
    const line = ['monoquant', ...words].join(' ');
    const offered = run('fish', ['--no-config', '-c', `source '${path}'; complete -C '${line}'`]);
    return offered.split('\n').flatMap((each) => each.split('\t')[0] || []);
  };
}

const flagsOf = async (command: string) => {
  const { stdout } = await monoquant(command, '--help');
  return new Set([...stdout.matchAll(/(?<=^|\s|, )--[a-z-]+(?= |$)/gm)].map(([flag]) => flag));
};

const SHELLS = [
  ['bash', inBash],
  ['fish', inFish],
] as const;

for (const [shell, start] of SHELLS.filter(([name]) => isInstalled(name))) {
  describe(shell, async () => {
    const complete = await start();

    it('offers the commands', async () => {
      const { stdout } = await monoquant('--help');
      const names = [...stdout.matchAll(/^ {2}(\w+) (?:MODEL|SHELL|\[)/gm)].map(([, name]) => name);
      expect(names.length).toBeGreaterThan(8);
      expect(complete([''])).toEqual(expect.arrayContaining(names));
      expect(complete(['qua'])).toEqual(['quantize']);
    });

    it.each(['quantize', 'validate'])('offers every flag of %s', async (command) => {
      const flags = await flagsOf(command);
      expect(flags.size).toBeGreaterThan(8);
      const offered = complete([command, '--']);
      for (const flag of flags) expect(offered).toContain(flag);
    });

    it('offers the values that a flag takes', () => {
      expect(complete(['quantize', '--bits', ''])).toEqual([
        '2',
        '3',
        '4',
        '5',
        '6',
        '7',
        '8',
        '16',
      ]);
      expect(complete(['quantize', '--dtype', 'b'])).toEqual(['bf16']);
      expect(complete(['dequantize', '--dtype', ''])).toContain('f32');
      expect(complete(['help', 'val'])).toEqual(['validate']);
      expect(complete(['completion', 'z'])).toEqual(['zsh']);
    });

    it('goes on with lists', () => {
      const offered = complete(['quantize', '--layers', 'linear,conv2']);
      expect(offered).toEqual(['linear,conv2d']);
    });
  });
}

describe('bash', async () => {
  const complete = await inBash();

  it('reads --bits=4, which it takes for three words', () => {
    expect(complete(['quantize', '--bits', '='])).toEqual([
      '2',
      '3',
      '4',
      '5',
      '6',
      '7',
      '8',
      '16',
    ]);
    expect(complete(['quantize', '--bits', '=', '1'])).toEqual(['16']);
  });

  it('leaves files to readline, and offers none where there can be none', () => {
    expect(complete(['quantize', ''])).toEqual([]);
    expect(complete(['quantize', '--output', ''])).toEqual([]);
    expect(complete(['quantize', '--ignore', ''])).toEqual(['no files']);
  });
});

it.runIf(isInstalled('zsh'))('zsh reads the script, and knows the command then', async () => {
  const path = await script('zsh');
  const program = `autoload -U compinit; compinit -u -D; source '${path}'; print $_comps[mq]`;
  expect(run('zsh', ['-f', '-c', program])).toBe('_monoquant\n');
});

it('an unknown shell is answered with those that there are', async () => {
  const { code, stderr } = await monoquant('completion', 'tcsh');
  expect(code).toBe(2);
  expect(stderr).toMatch(/bash, zsh or fish/);
  expect((await monoquant('completion')).code).toBe(2);
});

describe('the manual page', () => {
  const page = readFileSync(join(ROOT, 'dist/man/monoquant.1'), 'utf8');

  it('is what the package names, and has every command and flag', async () => {
    const { man } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { man: string };
    expect(man).toBe('./dist/man/monoquant.1');
    expect((await monoquant('help', '--man')).stdout).toBe(page);
    const plain = page.replaceAll('\\-', '-');
    for (const command of ['quantize', 'calibrate', 'info']) {
      expect(plain).toContain(`.SS monoquant ${command} `);
      for (const flag of await flagsOf(command)) expect(plain).toContain(`\\fB${flag}\\fR`);
    }
  });

  it.runIf(isInstalled('man'))('is read by man without a complaint', () => {
    const { stdout, stderr, status } = spawnSync(
      'man',
      ['--warnings', '-E', 'UTF-8', '-l', join(ROOT, 'dist/man/monoquant.1')],
      { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C.UTF-8', MANWIDTH: '80' } },
    );
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    // Bold letters are printed twice, one over the other.
    const overprinted = new RegExp(`.${String.fromCharCode(8)}`, 'g');
    expect(stdout.replace(overprinted, '')).toContain('monoquant quantize MODEL');
  });
});
