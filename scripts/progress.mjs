// Steps of a build as people see them: what is being done, how far it is, how long it took.
// Why: the first build takes a minute or more, several steps run side by side, and npm shows what they print.
// Always: on a terminal one line that changes under the finished steps; elsewhere whole lines. All on stderr.

import { AsyncLocalStorage } from 'node:async_hooks';
import { processorSeconds } from './processor-time.mjs';

/**
 * @typedef {object} Step
 * @property {string} title
 * @property {number} start in milliseconds
 * @property {string} state how far it is, such as "12 of 31"; empty when that is not known
 * @property {number} told when it was last written about, where there is no terminal
 * @property {number} processor seconds that its programs took
 */

export const isVerbose = process.argv.includes('--verbose');

const IS_LIVE = process.stderr.isTTY === true && !isVerbose;
const REDRAW_MS = 250;
const TELL_EVERY_MS = 10_000;
const CLEAR_LINE = '\r\x1b[2K';

/** @type {AsyncLocalStorage<Step>} */
const current = new AsyncLocalStorage();
/** @type {AsyncLocalStorage<() => boolean>} */
const beside = new AsyncLocalStorage();
/** @type {Set<Step>} */
const underWay = new Set();
/** @type {{title: string, seconds: number, processor: number}[]} */
const finished = [];
/** @type {NodeJS.Timeout | undefined} */
let redrawing;

/**
 * Says what is being done, does it, and says how long it took.
 * @template T
 * @param {string} title
 * @param {() => T | Promise<T>} work
 * @returns {Promise<T>}
 */
export async function step(title, work) {
  const now = performance.now();
  /** @type {Step} */
  const step = { title, start: now, state: '', told: now, processor: 0 };
  underWay.add(step);
  if (IS_LIVE) redrawing ??= setInterval(drawLine, REDRAW_MS).unref();
  else tell(`${title} ...`);
  try {
    const result = await current.run(step, async () => work());
    const seconds = (performance.now() - step.start) / 1000;
    finished.push({ title, seconds, processor: step.processor });
    underWay.delete(step);
    tell(`${title}: ${seconds.toFixed(1)} s`);
    return result;
  } catch (error) {
    underWay.delete(step);
    tell(`${title}: failed`);
    throw error;
  }
}

/**
 * Runs works side by side, and waits for all of them even if one fails: none is left writing somewhere. Throws what
 * failed first; the others may only have failed because of it.
 * @template {(() => Promise<unknown>)[]} Works
 * @param {Works} works
 * @returns {Promise<{[I in keyof Works]: Awaited<ReturnType<Works[I]>>}>}
 */
export async function together(...works) {
  /** @type {unknown[]} */
  const failures = [];
  const note = (/** @type {unknown} */ error) => failures.push(error);
  const isOuterOver = beside.getStore();
  const isOver = () => failures.length > 0 || isOuterOver?.() === true;
  const results = await beside.run(isOver, () =>
    Promise.all(works.map((work) => work().catch(note))),
  );
  if (failures.length > 0) throw failures[0];
  return /** @type {any} */ (results);
}

/** Whether something has failed beside which the caller runs: then nothing new should be begun. */
export function isOver() {
  return beside.getStore()?.() === true;
}

/**
 * How far the step is that the caller belongs to.
 * @param {string} state
 */
export function showState(state) {
  const step = current.getStore();
  if (step === undefined || step.state === state) return;
  step.state = state;
  if (IS_LIVE || performance.now() - step.told < TELL_EVERY_MS) return;
  step.told = performance.now();
  tell(`${step.title}: ${state}`);
}

/** Adds what programs took since the last call to the step that the caller belongs to. */
export function countProcessorTime() {
  const all = processorSeconds() ?? 0;
  const step = current.getStore();
  if (step !== undefined) step.processor += all - counted;
  counted = all;
}
let counted = 0;

/** The steps so far: what they took on the clock, and what their programs took of the processors. */
export function timings() {
  const own = process.cpuUsage();
  const rows = finished.map(({ title, seconds, processor }) => row(title, seconds, processor));
  const ownSeconds = (own.user + own.system) / 1e6;
  const total = ownSeconds + (processorSeconds() ?? 0);
  return [
    '| step | seconds | processor seconds |',
    '|---|---|---|',
    ...rows,
    row('bundlers and these scripts, which are one process', undefined, ownSeconds),
    row('all, as far as steps run side by side', performance.now() / 1000, total),
    '',
  ].join('\n');
}

/**
 * @param {string} title
 * @param {number | undefined} seconds
 * @param {number} processor
 */
function row(title, seconds, processor) {
  return `| ${title} | ${seconds?.toFixed(1) ?? ''} | ${processor.toFixed(1)} |`;
}

/**
 * Something that a person should know now, as a line of its own.
 * @param {string} text
 */
export function tell(text) {
  process.stderr.write(`${IS_LIVE ? CLEAR_LINE : ''}monoquant: ${text}\n`);
  if (IS_LIVE) drawLine();
}

function drawLine() {
  if (underWay.size === 0) {
    clearInterval(redrawing);
    redrawing = undefined;
    process.stderr.write(CLEAR_LINE);
    return;
  }
  const seconds = Math.round(performance.now() / 1000);
  const parts = [...underWay].map(({ title, state }) => (state ? `${title}: ${state}` : title));
  const line = `monoquant: ${seconds} s  ${parts.join(' · ')}`;
  process.stderr.write(`${CLEAR_LINE}${line.slice(0, (process.stderr.columns || 80) - 1)}`);
}
