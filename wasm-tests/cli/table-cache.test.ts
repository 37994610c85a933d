/**
 * Tables of sensitivities that are kept: what was kept is what would be measured.
 * It exists because a table of another model, or of another engine, is a worse model that nobody notices.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type Progress,
  quantize,
  type Sensitivity,
  type SensitivityTensor,
  sensitivity,
} from '#package/node';
import { CLI, Folder, start } from '../support/cli.js';
import { weights } from '../support/models.js';

const folder = new Folder();
const tensors = (seed: number) => [
  weights('model.layers.0.mlp.down_proj.weight', 'F32', [128, 256], seed),
  weights('model.layers.1.mlp.down_proj.weight', 'F32', [128, 256], 2),
];
const model = folder.write('model.safetensors', tensors(1));
const statistics = folder.write('inputs.safetensors', [
  weights('model.layers.0.mlp.down_proj', 'F32', [64, 256], 4),
  weights('model.layers.1.mlp.down_proj', 'F32', [64, 256], 5),
]);
let caches = 0;
let cache = '';

beforeEach(() => {
  cache = folder.at(`cache-${caches++}`);
  process.env.MONOQUANT_CACHE = cache;
});
afterEach(() => {
  process.env.MONOQUANT_CACHE = 'off';
});

const tables = () => {
  const at = join(cache, 'tables');
  return existsSync(at) ? readdirSync(at).map((name) => join(at, name)) : [];
};

/** With whether anything was encoded for it. */
async function asked(options: Parameters<typeof sensitivity>[1] = {}, of = model) {
  const stages = new Set<Progress['stage']>();
  const onProgress = ({ stage }: Progress) => stages.add(stage);
  const found = await sensitivity(of, { threads: 1, ...options, onProgress });
  return { found, isFresh: stages.has('encode') };
}

const only = () => {
  const [path, ...others] = tables();
  if (path === undefined || others.length > 0) throw new Error('There is not one table.');
  return path;
};

describe('a table that is kept', () => {
  it.each([{}, { sample: 16384 }, { calibration: statistics }, { format: 'mlx' as const }])(
    'is the one that is measured: %j',
    async (options) => {
      const [first, second] = [await asked(options), await asked(options)];
      expect([first.isFresh, second.isFresh]).toEqual([true, false]);
      expect(JSON.stringify(second.found)).toBe(JSON.stringify(first.found));
      process.env.MONOQUANT_CACHE = 'off';
      const fresh = await asked(options);
      expect(fresh.isFresh).toBe(true);
      expect(JSON.stringify(fresh.found)).toBe(JSON.stringify(first.found));
    },
  );

  it('serves every budget, with the same bytes', async () => {
    const bytesOf = async (budget: string, name: string) => {
      const output = folder.at(name);
      await quantize(model, { budget, output, force: true, threads: 1 });
      return readFileSync(output);
    };
    const first = await bytesOf('5bpw', 'first.safetensors');
    const kept = only();
    const before = readFileSync(kept);
    expect((await bytesOf('5bpw', 'second.safetensors')).equals(first)).toBe(true);
    await bytesOf('4.5bpw', 'third.safetensors');
    expect(readFileSync(only()).equals(before)).toBe(true);
  });

  it('is another one for other contents of the same size, options or inputs', async () => {
    await asked();
    const path = folder.write('changing.safetensors', tensors(1));
    expect((await asked({}, path)).isFresh).toBe(false);
    folder.write('changing.safetensors', tensors(9));
    const changed = await asked({}, path);
    expect(changed.isFresh).toBe(true);
    expect((await asked({ groupSize: 32 })).isFresh).toBe(true);
    expect((await asked({ sample: 5000 })).isFresh).toBe(true);
    expect((await asked({ calibration: statistics })).isFresh).toBe(true);
    expect((await asked({}, path)).isFresh).toBe(false);
    expect((await asked()).isFresh).toBe(false);
  });

  it.each([
    ['cut off', (text: string) => text.slice(0, -20)],
    ['empty', () => ''],
    ['changed', (text: string) => text.replace(/"error":0\.0/, '"error":0.1')],
    ['of another key', (text: string) => text.replace(/"key":"./, '"key":"x')],
    ['no table', () => '{"format":"monoquant-table-1"}\n{}'],
  ])('is passed over if it is %s', async (_, damage) => {
    const { found } = await asked();
    const path = only();
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, damage(text));
    const again = await asked();
    expect(again.isFresh).toBe(true);
    expect(again.found).toEqual(found);
    // And is there again.
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  it('is none where hashing the files takes longer than measuring', async () => {
    expect((await asked({ sample: 256 })).isFresh).toBe(true);
    expect(tables()).toEqual([]);
  });

  it('is one of at most so many, and the oldest go', async () => {
    const at = join(cache, 'tables');
    mkdirSync(at, { recursive: true });
    for (let index = 0; index < 230; index++) {
      const path = join(at, `old-${index}.json`);
      writeFileSync(path, 'x');
      utimesSync(path, index, index);
    }
    writeFileSync(join(at, 'dead.json.1-x.partial'), 'x');
    utimesSync(join(at, 'dead.json.1-x.partial'), 1, 1);
    await asked();
    const names = readdirSync(at);
    expect(names).toHaveLength(200);
    expect(names).not.toContain('old-0.json');
    expect(names).not.toContain('dead.json.1-x.partial');
    expect(names).toContain('old-229.json');
    expect((await asked()).isFresh).toBe(false);
  });

  it('is nobody else’s business, and no failure where it cannot be', async () => {
    await asked();
    if (process.platform !== 'win32') expect(statSync(only()).mode & 0o077).toBe(0);
    writeFileSync(folder.at('file'), '');
    process.env.MONOQUANT_CACHE = folder.at('file');
    expect((await asked()).isFresh).toBe(true);
  });
});

describe('the folder of the cache', () => {
  const run = (environment: NodeJS.ProcessEnv) => {
    const env = { ...process.env, ...environment };
    const words = [CLI, 'sensitivity', model, '--sample', '16384', '--json', '--threads', '1'];
    return start(process.execPath, words, { env }).finished;
  };

  it('is where tools keep what they can make again', async () => {
    const home = folder.at('home');
    mkdirSync(home);
    const [first, second] = [
      await run({ MONOQUANT_CACHE: '', XDG_CACHE_HOME: join(home, 'xdg') }),
      await run({ MONOQUANT_CACHE: '', XDG_CACHE_HOME: join(home, 'xdg') }),
    ];
    expect([first.code, second.code]).toEqual([0, 0]);
    expect(second.stdout).toBe(first.stdout);
    expect(readdirSync(join(home, 'xdg/monoquant/tables'))).toHaveLength(1);
    const { tensors: found }: Sensitivity = JSON.parse(second.stdout);
    expect(found.map(({ role }: SensitivityTensor) => role)).toEqual(['down_proj', 'down_proj']);
  });

  it('is none if that is asked for', async () => {
    expect((await run({ MONOQUANT_CACHE: 'off', XDG_CACHE_HOME: cache })).code).toBe(0);
    expect(existsSync(cache)).toBe(false);
  });
});
