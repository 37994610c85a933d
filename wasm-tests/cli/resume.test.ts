/**
 * Runs that were interrupted, and others that go on with them: the output is that of a run that nobody disturbed.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { quantize } from '#package/node';
import { CLI, Folder, monoquant, start } from '../support/cli.js';
import { failureOf } from '../support/failures.js';
import { weights } from '../support/models.js';
import { until } from '../support/poll.js';
import { writeSafetensors } from '../support/safetensors.js';
import { parseReport } from '../support/schema.js';
import { dealt, shardsOf } from '../support/shards.js';

const LAYERS = Array.from({ length: 6 }, (_, layer) =>
  weights(`layers.${layer}.weight`, 'F32', [1024, 4096], layer),
);

const root = new Folder();
const MODEL = root.at('model.safetensors');
const FOLDER = root.at('model');
const place = root.at('place');

/** Each kind of output: its name, and how it is made. */
const KINDS = [
  ['out.safetensors', MODEL, ['-b', '4']],
  ['out.safetensors', MODEL, ['-b', '8', '--strategy', 'tensor']],
  ['out.pt', MODEL, ['-b', '4']],
  ['out.safetensors.zst', MODEL, ['-b', '4', '--zstd-level', '1']],
  ['out/', FOLDER, ['-b', '4']],
] as const;
type Kind = (typeof KINDS)[number];
const [FILE] = KINDS;

const wordsOf = ([name, model, words]: Kind) => [
  'quantize',
  model,
  '-o',
  `${place}/${name}`,
  ...words,
];

/** Files of weights and all else below the place, with their bytes; hidden ones too. */
function content(): Map<string, string> {
  const names = readdirSync(place, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile());
  return new Map(
    files
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => [path, createHash('sha256').update(readFileSync(path)).digest('hex')]),
  );
}

const undisturbed = new Map<Kind, Map<string, string>>();

beforeAll(async () => {
  writeFileSync(MODEL, writeSafetensors(LAYERS, { format: 'pt' }));
  mkdirSync(FOLDER);
  for (const { name, bytes } of shardsOf(dealt(LAYERS, 3)))
    writeFileSync(join(FOLDER, name), bytes);
  writeFileSync(join(FOLDER, 'config.json'), '{"model_type":"test"}');
  for (const kind of KINDS) {
    mkdirSync(place);
    expect(await monoquant(...wordsOf(kind))).toMatchObject({ code: 0 });
    undisturbed.set(kind, content());
    rmSync(place, { recursive: true });
  }
}, 120_000);

beforeEach(() => {
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place);
});

const leftBehind = (ending: string) =>
  readdirSync(place, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(place, name));

/** Whether a journal has a band: what comes before all bands is done by every run. */
const tellsOfBands = () =>
  leftBehind('.journal').some((path) =>
    /^\w+ \[.*\[\d+,\d+,\[\[/m.test(readFileSync(path, 'utf8')),
  );

/** Kills a run once it has said what it has done; answers its journal. */
async function killed(kind: Kind, ...more: string[]): Promise<string> {
  const { child, finished } = start(process.execPath, [CLI, ...wordsOf(kind), ...more]);
  await until('a band is done', () => child.exitCode !== null || tellsOfBands());
  child.kill('SIGKILL');
  expect((await finished).code, 'the run was over before it could be killed').toBe(null);
  const [journal = ''] = leftBehind('.journal');
  return journal;
}

async function resumed(kind: Kind, ...more: string[]) {
  const done = await monoquant(...wordsOf(kind), '--resume', '--json', ...more);
  return { ...done, report: done.code === 0 ? parseReport(done.stdout) : undefined };
}

describe('a run that was killed', () => {
  it.each(KINDS)('goes on: %s from %s with %j', async (...kind) => {
    const same = KINDS.find((each) => each[0] === kind[0] && each[2] === kind[2]) ?? FILE;
    await killed(same);
    const { report, stderr } = await resumed(same);
    expect(stderr).not.toMatch(/error/);
    expect(report?.resumedBytes).toBeGreaterThan(0);
    expect(content()).toEqual(undisturbed.get(same));
  });

  it('goes on from wherever it was', async () => {
    for (let attempt = 0; attempt < 10; attempt++) {
      rmSync(place, { recursive: true });
      mkdirSync(place);
      const { child, finished } = start(process.execPath, [CLI, ...wordsOf(FILE), '--resume']);
      setTimeout(() => child.kill('SIGKILL'), 60 + 60 * attempt);
      await finished;
      const { code } = await resumed(FILE, '--force');
      expect(code).toBe(0);
      expect(content()).toEqual(undisturbed.get(FILE));
    }
  }, 60_000);

  it('is measured as a whole', async () => {
    await killed(FILE);
    const { report } = await resumed(FILE);
    rmSync(place, { recursive: true });
    mkdirSync(place);
    const whole = parseReport((await monoquant(...wordsOf(FILE), '--json')).stdout);
    expect(report?.tensors).toEqual(whole.tensors);
    expect(report?.sqnrDb).toBe(whole.sqnrDb);
  });

  it('goes on several times', async () => {
    await killed(FILE);
    await killed(FILE, '--resume');
    expect((await resumed(FILE)).code).toBe(0);
    expect(content()).toEqual(undisturbed.get(FILE));
  });

  it('is begun anew without the flag, and nothing is left of it', async () => {
    await killed(FILE);
    const done = await monoquant(...wordsOf(FILE), '--json');
    expect(parseReport(done.stdout).resumedBytes).toBe(undefined);
    expect(content()).toEqual(undisturbed.get(FILE));
  });

  it('outlives other runs in its folder, and rehearsals', async () => {
    await killed(FILE);
    const [name, model, words] = FILE;
    const other = `${place}/other.safetensors`;
    await monoquant('quantize', model, '-o', other, ...words);
    await monoquant('quantize', model, '-o', `${place}/${name}`, ...words, '--dry-run');
    rmSync(other);
    expect((await resumed(FILE)).report?.resumedBytes).toBeGreaterThan(0);
    expect(content()).toEqual(undisturbed.get(FILE));
  });
});

describe('what was left is not believed', () => {
  it.each([0, 0.3, 0.7, 0.99])('bytes that changed, at %d of the file', async (share) => {
    await killed(FILE);
    const [partial = ''] = leftBehind('.partial');
    const size = readFileSync(partial).length;
    const descriptor = openSync(partial, 'r+');
    writeSync(descriptor, Buffer.alloc(4096, 0xa5), 0, 4096, Math.floor((size - 4096) * share));
    closeSync(descriptor);
    expect((await resumed(FILE)).code).toBe(0);
    expect(content()).toEqual(undisturbed.get(FILE));
  });

  it('a file that lost its end, or everything', async () => {
    for (const size of [1_000_000, 0]) {
      rmSync(place, { recursive: true });
      mkdirSync(place);
      await killed(FILE);
      const [partial = ''] = leftBehind('.partial');
      truncateSync(partial, size);
      expect((await resumed(FILE)).code).toBe(0);
      expect(content()).toEqual(undisturbed.get(FILE));
    }
  });

  it.each([
    ['cut off', (text: string) => text.slice(0, -30)],
    ['with another digit', (text: string) => text.replace(/\d(?=\d{4})(?=[^ ]*\n$)/, '0')],
    ['without its first line', (text: string) => text.slice(text.indexOf('\n') + 1)],
    ['empty', () => ''],
    ['something else', () => 'once upon a time\n'],
  ])('a journal %s', async (_, change) => {
    const journal = await killed(FILE);
    writeFileSync(journal, change(readFileSync(journal, 'utf8')));
    expect((await resumed(FILE)).code).toBe(0);
    expect(content()).toEqual(undisturbed.get(FILE));
  });
});

/** Writes the first line of a journal again, with a digest that is right. */
function changeHeader(journal: string, change: (header: { run: { version: string } }) => void) {
  const [first = '', ...lines] = readFileSync(journal, 'utf8').split('\n');
  const header = JSON.parse(first.slice(first.indexOf(' ')));
  change(header);
  const text = JSON.stringify(header);
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 16);
  writeFileSync(journal, [`${digest} ${text}`, ...lines].join('\n'));
}

describe('what belongs to another run is refused', () => {
  async function expectRefused(words: readonly string[], message: RegExp) {
    const { code, stdout, stderr } = await monoquant(...words, '--resume');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/--resume/);
  }

  it('other options', async () => {
    await killed(FILE);
    const [name, model] = FILE;
    const words = ['quantize', model, '-o', `${place}/${name}`, '-b', '4', '--group-size', '32'];
    await expectRefused(words, /interrupted run .* groupSize|group-size/s);
    expect((await resumed(FILE)).report?.resumedBytes).toBeGreaterThan(0);
    expect(content()).toEqual(undisturbed.get(FILE));
  });

  it('another model, or another version of it', async () => {
    const copy = root.at('copy.safetensors');
    writeFileSync(copy, readFileSync(MODEL));
    const kind = [FILE[0], copy, FILE[2]] as unknown as Kind;
    await killed(kind);
    utimesSync(copy, new Date(), new Date(Date.now() - 60_000));
    await expectRefused(wordsOf(kind), /another version/);
    rmSync(copy);
  });

  it('another version of the program', async () => {
    const journal = await killed(FILE);
    changeHeader(journal, ({ run }) => {
      run.version = '0.0.9';
    });
    await expectRefused(wordsOf(FILE), /0\.0\.9/);
  });

  it('a run that is under way', async () => {
    const { child, finished } = start(process.execPath, [CLI, ...wordsOf(FILE)]);
    const hasBegun = () => leftBehind('.journal').length > 0 || child.exitCode !== null;
    await until('it has begun', hasBegun);
    child.kill('SIGSTOP');
    const second = await monoquant(...wordsOf(FILE), '--resume');
    expect(second.code).toBe(2);
    expect(second.stderr).toMatch(/being written by another run/);
    child.kill('SIGCONT');
    expect((await finished).code).toBe(0);
    expect(content()).toEqual(undisturbed.get(FILE));
  });
});

describe('a run that goes on', () => {
  it('begins if there is nothing to go on with', async () => {
    const { report } = await resumed(FILE);
    expect(report?.resumedBytes).toBe(undefined);
    expect(content()).toEqual(undisturbed.get(FILE));
  });

  it('leaves what is done if it is asked to stop; another one does not', async () => {
    for (const flags of [['--resume'], []]) {
      rmSync(place, { recursive: true });
      mkdirSync(place);
      const { child, finished } = start(process.execPath, [CLI, ...wordsOf(FILE), ...flags]);
      await until('a band is done', tellsOfBands);
      child.kill('SIGINT');
      const { code, stderr } = await finished;
      expect(code).toBe(130);
      expect(content().size).toBe(flags.length === 0 ? 0 : 2);
      expect(stderr).toMatch(flags.length === 0 ? /nothing was written/ : /goes on/);
    }
    rmSync(place, { recursive: true });
    mkdirSync(place);
    await killed(FILE);
    expect((await resumed(FILE)).code).toBe(0);
  });

  it('leaves it in a program, too, and the same program goes on', async () => {
    const [name] = FILE;
    const output = `${place}/${name}`;
    const controller = new AbortController();
    const running = quantize(MODEL, {
      bits: 4,
      output,
      resume: true,
      signal: controller.signal,
      onProgress: () => {
        if (tellsOfBands()) controller.abort();
      },
    });
    expect(await failureOf(running)).toMatchObject({ code: 'aborted' });
    const result = await quantize(MODEL, { bits: 4, output, resume: true });
    expect(result.report.resumedBytes).toBeGreaterThan(0);
    expect(content()).toEqual(undisturbed.get(FILE));
  });

  it('needs a place that can be found again', async () => {
    expect(await failureOf(quantize(MODEL, { resume: true }))).toMatchObject({
      code: 'invalid-options',
    });
  });
});
