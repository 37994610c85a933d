// Kills, failing disks, races and power cuts: many runs of the built command, each ended or hindered somewhere else.
// Why: what tests look at in a few chosen places has to hold at any moment.
// Always: every run is judged by what is on the disk afterwards; one that breaks a promise is told, and ends with code 1.
//
// node scripts/faults.mjs            everything
// node scripts/faults.mjs kills 50   kills, resumes, disks, races or power, and how many

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BuildError, run, runMain } from './run.mjs';

const ROOT = join(import.meta.dirname, '..');
const CLI = join(ROOT, 'dist', 'node', 'cli.js');
const PRELOAD = pathToFileURL(join(ROOT, 'wasm-tests', 'support', 'faults.mjs')).href;
/** Where programs are that make and mount file systems: not everybody's PATH has it. */
const SYSTEM = {
  ...process.env,
  PATH: `${process.env.PATH}${delimiter}/usr/sbin${delimiter}/sbin`,
};
/** Rows and columns of the one matrix: a run of half a second. */
const SHAPE = [8192, 4096];

/** @typedef {{code: number | null, stderr: string, milliseconds: number}} Ended */
/** @typedef {{folder: string, model: string, input: string, expected: Map<string, string>, usual: number}} Place */

/** @type {Record<string, {count: number, work: (place: Place, count: number) => Promise<void>}>} */
const KINDS = {
  kills: { count: 200, work: kills },
  resumes: { count: 40, work: resumes },
  disks: { count: 160, work: disks },
  races: { count: 40, work: races },
  power: { count: 6, work: power },
};

/** What was promised and not kept. @type {string[]} */
const broken = [];

await runMain(async () => {
  const [kind, given] = process.argv.slice(2);
  if (kind !== undefined && KINDS[kind] === undefined) {
    throw new BuildError(`There are ${Object.keys(KINDS).join(', ')}, but no "${kind}".`);
  }
  const place = await makePlace();
  try {
    for (const [name, { count, work }] of Object.entries(KINDS)) {
      if (kind === undefined || kind === name) await work(place, Number(given ?? count));
    }
  } finally {
    rmSync(place.folder, { recursive: true });
  }
  if (broken.length > 0) {
    throw new BuildError(`${broken.length} promises were broken:\n${broken.join('\n')}`);
  }
});

/** A model in its folder, and what a run that nobody hinders makes of it. */
async function makePlace() {
  const folder = mkdtempSync(join(tmpdir(), 'monoquant-faults-'));
  const model = join(folder, 'model');
  const input = join(model, 'model.safetensors');
  mkdirSync(model);
  const [rows = 0, columns = 0] = SHAPE;
  const bytes = rows * columns * 4;
  const tensor = { dtype: 'F32', shape: SHAPE, data_offsets: [0, bytes] };
  const header = Buffer.from(JSON.stringify({ 'layer.weight': tensor }));
  const file = Buffer.alloc(8 + header.length + bytes);
  file.writeBigUInt64LE(BigInt(header.length));
  header.copy(file, 8);
  for (let index = 0; index < rows * columns; index += 1) {
    file.writeFloatLE(Math.sin(index * 12.9898) / 20, 8 + header.length + 4 * index);
  }
  writeFileSync(input, file);
  writeFileSync(join(model, 'config.json'), '{"model_type": "x"}');
  for (const name of ['tokenizer.json', 'LICENSE']) writeFileSync(join(model, name), name);
  /** @type {Place} */
  const place = { folder, model, input, expected: new Map(), usual: 0 };
  const { code, stderr, milliseconds } = await command(wordsOf(place));
  if (code !== 0) throw new BuildError(`The command does not work: ${stderr}`);
  place.usual = milliseconds;
  place.expected = hashesIn(join(folder, 'out'));
  place.expected.set('input', hashOf(input));
  clear(place);
  return place;
}

/** @param {Place} place @param {...string} more */
function wordsOf({ folder, model }, ...more) {
  return ['quantize', model, '-o', `${join(folder, 'out')}/`, ...more];
}

/** @param {Place} place */
function clear({ folder }) {
  for (const name of readdirSync(folder)) {
    if (name !== 'model') rmSync(join(folder, name), { recursive: true });
  }
}

/**
 * @param {string[]} words
 * @param {{killAfter?: number, faults?: object[]}} [fate]
 * @returns {Promise<Ended>}
 */
function command(words, { killAfter, faults } = {}) {
  const begin = performance.now();
  const preload = faults === undefined ? [] : ['--import', PRELOAD];
  const env = { ...process.env, MONOQUANT_FAULTS: JSON.stringify({ faults }) };
  const child = spawn(process.execPath, [...preload, CLI, ...words], { env });
  const timer =
    killAfter === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfter);
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  child.stdout.resume();
  return new Promise((resolve) => {
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, stderr, milliseconds: performance.now() - begin });
    });
  });
}

/** @param {string} path */
function hashOf(path) {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

/** Of what has its name. @param {string} folder @returns {Map<string, string>} */
function hashesIn(folder) {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const finished = names.filter((name) => !name.startsWith('.'));
  return new Map(finished.map((name) => [name, hashOf(join(folder, name))]));
}

/**
 * What is in the output folder; names that are broken promises are noted.
 * @param {Place} place
 * @param {string} what
 * @returns {'whole' | 'half' | 'none'}
 */
function judge({ folder, input, expected }, what) {
  const found = hashesIn(join(folder, 'out'));
  if (hashOf(input) !== expected.get('input')) broken.push(`${what}: the input was changed`);
  for (const [name, hash] of found) {
    if (hash !== expected.get(name)) broken.push(`${what}: ${name} is not what it should be`);
  }
  if (found.size === 0) return 'none';
  if (found.size === expected.size - 1) return 'whole';
  if (found.has('model.safetensors')) broken.push(`${what}: weights without what belongs to them`);
  return 'half';
}

/** @param {Place} place */
function hiddenIn({ folder }) {
  const out = join(folder, 'out');
  return existsSync(out) ? readdirSync(out).filter((name) => name.startsWith('.')).length : 0;
}

/** SIGKILL at moments all over a run. @param {Place} place @param {number} count */
async function kills(place, count) {
  const states = { whole: 0, half: 0, none: 0 };
  let left = 0;
  for (let index = 0; index < count; index += 1) {
    const killAfter = (place.usual * 1.1 * (index + Math.random())) / count;
    await command(wordsOf(place), { killAfter });
    const state = judge(place, `killed after ${killAfter.toFixed(0)} ms`);
    states[state] += 1;
    left += hiddenIn(place) > 0 ? 1 : 0;
    if (state === 'none' && index % 10 === 0) {
      const { code } = await command(wordsOf(place));
      if (code !== 0 || judge(place, 'after a kill') !== 'whole')
        broken.push('no run after a kill');
      if (hiddenIn(place) > 0) broken.push('the next run left what the dead one did');
    }
    clear(place);
  }
  tell('kills', count, { ...states, 'with leftovers': left });
}

/**
 * Killed once or twice at moments all over a run, and gone on with: what is whole is what nobody disturbed.
 * @param {Place} place
 * @param {number} count
 */
async function resumes(place, count) {
  // A killed run may have given some files their names.
  const words = wordsOf(place, '--bits', '4', '--resume', '--force');
  const whole = await command(words);
  const usual = { ...place, expected: hashesIn(join(place.folder, 'out')) };
  usual.expected.set('input', place.expected.get('input') ?? '');
  clear(place);
  let kept = 0;
  for (let index = 0; index < count; index += 1) {
    // Before that nothing is done yet.
    const killAfter = whole.milliseconds * (0.4 + (0.6 * (index + Math.random())) / count);
    const what = `killed after ${killAfter.toFixed(0)} ms`;
    await command(words, { killAfter });
    if (index % 2 === 1) await command(words, { killAfter: whole.milliseconds * Math.random() });
    const { code, stderr } = await command(words);
    kept += stderr.includes('resume ') ? 1 : 0;
    if (code !== 0) broken.push(`${what}: no run goes on: ${stderr}`);
    if (judge(usual, what) !== 'whole') broken.push(`${what}: not everything is there`);
    if (hiddenIn(place) > 0) broken.push(`${what}: something was left behind`);
    clear(place);
  }
  if (kept === 0) broken.push('no run had anything to go on with');
  tell('resumes', count, { 'went on': kept });
}

/** Every kind of call fails, at its first time, its second, and so on. @param {Place} place @param {number} count */
async function disks(place, count) {
  const calls = [
    'writeSync',
    'writeFileSync',
    'readSync',
    'openSync',
    'closeSync',
    'fdatasync',
    'fsyncSync',
  ];
  const more = ['renameSync', 'fstatSync', 'unlinkSync'];
  const errors = ['EIO', 'ENOSPC', 'EDQUOT', 'ESTALE'];
  /** @type {Record<string, number>} */
  const ends = {};
  for (let index = 0; index < count; index += 1) {
    const call = [...calls, ...more][index % 10] ?? '';
    const error = errors[Math.floor(index / 10) % 4] ?? '';
    const after = Math.floor(index / 40);
    // Of the outputs, and of nothing that Node itself opens.
    const path = call === 'readSync' ? 'model.safetensors' : '/out/';
    const faults = [{ call, error, after, path, times: 1 }];
    if (call === 'renameSync') faults.push({ ...faults[0], call: 'linkSync' });
    const what = `${call} fails with ${error} after ${after}`;
    const { code, stderr } = await command(wordsOf(place), { faults });
    const state = judge(place, what);
    const end = `exit ${code}, ${state}`;
    ends[end] = (ends[end] ?? 0) + 1;
    const isFine = (code === 0 && state === 'whole') || (code === 5 && state === 'none');
    if (!isFine || /defect|UNKNOWN/.test(stderr)) broken.push(`${what}: ${end}: ${stderr}`);
    if (hiddenIn(place) > (call === 'unlinkSync' ? 1 : 0)) broken.push(`${what}: leftovers`);
    clear(place);
  }
  tell('failing disks', count, ends);
}

/** Two runs for one output, begun at almost the same moment. @param {Place} place @param {number} count */
async function races(place, count) {
  /** @type {Record<string, number>} */
  const ends = {};
  for (let index = 0; index < count; index += 1) {
    const later = new Promise((resolve) => setTimeout(resolve, Math.random() * 60));
    const pair = await Promise.all([
      command(wordsOf(place)),
      later.then(() => command(wordsOf(place, ...(index % 2 === 0 ? [] : ['--force'])))),
    ]);
    const codes = pair.map(({ code }) => code).sort();
    const end = `exits ${codes.join(' and ')}`;
    ends[end] = (ends[end] ?? 0) + 1;
    // Of two that do not meet after all, the second may replace what the first made.
    const isFine = codes.join() === '0,2' || (codes.join() === '0,0' && index % 2 === 1);
    if (!isFine) broken.push(`a race: ${end}`);
    if (judge(place, 'a race') !== 'whole') broken.push('a race: no whole output');
    if (hiddenIn(place) > 0) broken.push('a race: leftovers');
    clear(place);
  }
  tell('races', count, ends);
}

/** The image of a mounted file system as it is at a moment: what a power cut leaves. @param {Place} place @param {number} count */
async function power(place, count) {
  if (process.getuid?.() !== 0) return tell('power cuts', 0, { 'need root': 1 });
  const [image, cut, at] = ['disk.img', 'cut.img', 'disk'].map((name) => join(place.folder, name));
  if (image === undefined || cut === undefined || at === undefined) return;
  /** @type {Record<string, number>} */
  const ends = {};
  mkdirSync(at);
  for (let index = 0; index < count; index += 1) {
    await run(['truncate', '-s', '256M', image]);
    await run(['mkfs.ext4', '-q', '-F', image], { env: SYSTEM });
    await run(['mount', '-o', 'loop', image, at], { env: SYSTEM });
    try {
      const mounted = { ...place, folder: at };
      const { code, stderr } = await command(wordsOf(mounted));
      if (code !== 0) broken.push(`power: the run failed: ${stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 1000 * (index % 3)));
      copyFileSync(image, cut);
    } finally {
      await run(['umount', at], { env: SYSTEM });
    }
    await run(['mount', '-o', 'loop', cut, at], { env: SYSTEM });
    try {
      const state = judge({ ...place, folder: at }, 'after a power cut');
      ends[state] = (ends[state] ?? 0) + 1;
      if (state !== 'whole') broken.push(`power: ${state} after "done"`);
    } finally {
      await run(['umount', at], { env: SYSTEM });
    }
  }
  clear(place);
  tell('power cuts', count, ends);
}

/** @param {string} what @param {number} count @param {Record<string, number>} outcomes */
function tell(what, count, outcomes) {
  const list = Object.entries(outcomes).map(([outcome, times]) => `${times} ${outcome}`);
  process.stdout.write(`${what}: ${count}; ${list.join(', ')}\n`);
}
