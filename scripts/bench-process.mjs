// Runs whole processes and says what they took: time on the wall, processor time, memory.
// Why: what users wait for is all of it, from the start of Node to the exit.
// Always: measured by the shell that starts them, so that nothing of ours is counted.

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { BuildError } from './run.mjs';

/**
 * @typedef {object} Cost
 * @property {number} wall seconds
 * @property {number} user seconds of processor time in the program, all threads
 * @property {number} system the same in the operating system
 * @property {number} peak largest resident memory in bytes, where /proc tells it; else 0
 */

const POLL_MS = 10;

/** Node reads certificates at its start where this is set; nothing here needs them. */
const { NODE_EXTRA_CA_CERTS: _, ...ENVIRONMENT } = process.env;

/**
 * @param {readonly string[]} command
 * @returns {Promise<Cost>}
 */
export function timed(command) {
  return new Promise((resolve, reject) => {
    const script = 'TIMEFORMAT="%3R %3U %3S"; time "$@" >/dev/null 2>&3';
    const shell = spawn('bash', ['-c', script, 'bash', ...command], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      env: ENVIRONMENT,
    });
    let times = '';
    let complaints = '';
    shell.stdio[2]?.on('data', (text) => {
      times += text;
    });
    shell.stdio[3]?.on('data', (text) => {
      complaints += text;
    });
    let peak = 0;
    const poll = setInterval(() => {
      peak = Math.max(peak, childrensPeak(shell.pid));
    }, POLL_MS);
    shell.on('error', reject);
    shell.on('close', (code) => {
      clearInterval(poll);
      const [wall, user, system] = times.trim().split(' ').map(Number);
      if (code === 0) resolve({ wall, user, system, peak });
      else reject(new BuildError(`${command.join(' ')}: exit ${code}\n${complaints}`));
    });
  });
}

/** @param {number | undefined} pid */
function childrensPeak(pid) {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
    const peaks = children.map((child) => {
      const status = readFileSync(`/proc/${child}/status`, 'utf8');
      return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
    });
    return Math.max(...peaks);
  } catch {
    return 0;
  }
}

/**
 * The value that this share of all values does not exceed; between two values, in proportion.
 * @param {readonly number[]} values
 * @param {number} share
 */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}

/** @param {readonly number[]} values */
export function median(values) {
  return quantile(values, 0.5);
}
