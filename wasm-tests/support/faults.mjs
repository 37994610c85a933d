/**
 * Preloaded into the command: notes what it does to the disk, and lets chosen calls fail as a disk would.
 * It exists because disks fail, fill up and lose power too seldom for a test. Threads of the command have it, too.
 * MONOQUANT_FAULTS is JSON: `log`, a file that gets a line of JSON for each call, and `faults`.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { constants } from 'node:os';
import threads from 'node:worker_threads';

/** @typedef {import('./faults.js').Fault} Fault */

/** @type {{log?: string, faults?: Fault[]}} */
const { log, faults = [] } = JSON.parse(process.env.MONOQUANT_FAULTS ?? '{}');
const { fstatSync, openSync, readlinkSync, writeSync } = fs;
const notes = log === undefined ? undefined : openSync(log, 'a');

/** The file that a call is about: the one that is open, or the last of two names. @param {unknown[]} given */
function pathOf(given) {
  const [first, second] = given;
  if (typeof first !== 'number') return typeof second === 'string' ? second : String(first);
  try {
    return readlinkSync(`/proc/self/fd/${first}`);
  } catch {
    return '';
  }
}

/** @param {string} call @param {unknown[]} given */
function fault(call, given) {
  const path = pathOf(given);
  return faults.find(
    (fault) =>
      fault.call === call &&
      (fault.inThread === undefined || fault.inThread === !threads.isMainThread) &&
      (fault.path === undefined || path.includes(fault.path)) &&
      (fault.after === undefined || fault.after-- <= 0) &&
      (fault.times === undefined || fault.times-- > 0),
  );
}

/** @param {string} call @param {unknown[]} given */
function note(call, given) {
  if (notes === undefined) return;
  const size = typeof given[0] === 'number' ? fstatSync(given[0]).size : undefined;
  writeSync(notes, `${JSON.stringify({ call, path: pathOf(given), size })}\n`);
}

/** As Node has them: the system's number, and a name if Node knows one. @param {Fault} fault */
function failure({ call, error = 'EIO' }) {
  const unnamed = ['EDQUOT', 'ESTALE'].includes(error);
  const message = `${unnamed ? 'UNKNOWN: unknown error' : error}, ${call}`;
  const errno = -constants.errno[/** @type {'EIO'} */ (error)];
  return Object.assign(new Error(message), { errno, code: unnamed ? 'UNKNOWN' : error });
}

/** @type {Record<string, any>} */
const calls = fs;
for (const call of [
  'openSync',
  'readSync',
  'writeSync',
  'writeFileSync',
  'fstatSync',
  'ftruncateSync',
  'statfsSync',
  'fsyncSync',
  'linkSync',
  'renameSync',
  'unlinkSync',
  'closeSync',
]) {
  const real = calls[call];
  calls[call] = (/** @type {unknown[]} */ ...given) => {
    const chosen = fault(call, given);
    if (chosen?.answer !== undefined) return chosen.answer;
    note(call, call === 'openSync' ? [given[0]] : given);
    // Closed it is all the same.
    if (chosen !== undefined && call === 'closeSync') real(...given);
    if (chosen !== undefined) throw failure(chosen);
    return real(...given);
  };
}
const { fdatasync } = fs;
calls.fdatasync = (/** @type {number} */ file, /** @type {(error: unknown) => void} */ done) => {
  const chosen = fault('fdatasync', [file]);
  note('fdatasync', [file]);
  if (chosen === undefined) fdatasync(file, done);
  else setImmediate(() => done(failure(chosen)));
};
const { Worker } = threads;
threads.Worker = class extends Worker {
  /** @param {string | URL} file @param {import('node:worker_threads').WorkerOptions} options */
  constructor(file, options) {
    super(file, { ...options, execArgv: ['--import', import.meta.url] });
  }
};
syncBuiltinESMExports();
