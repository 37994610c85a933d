// Says what processes take: time on the wall, processor time, memory. Whole commands, and browsers while they work.
// Why: what users wait for is all of it, from the start of Node to the exit.
// Always: nothing of this process is counted; what /proc tells is zero where there is none.

import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { BuildError } from './run.mjs';

/**
 * @typedef {object} Cost
 * @property {number} wall seconds
 * @property {number} user seconds of processor time in the program, all threads
 * @property {number} system the same in the operating system
 * @property {number} peak largest resident memory in bytes, where /proc tells it; else 0
 */

const POLL_MS = 10;

/** As Linux counts processor time for people, whatever the kernel's own clock. */
const TICKS_PER_SECOND = 100;

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
  const children = read(pid, `task/${pid}/children`).trim().split(' ');
  return Math.max(...children.map((child) => memoryOf(child, 'VmHWM')));
}

/** User and system time of all living processes that this one started, by itself or through others. */
export function processorSeconds() {
  return descendants().reduce((sum, { ticks }) => sum + ticks / TICKS_PER_SECOND, 0);
}

/** A browser's processes that show pages and run their workers. */
export function renderers() {
  const pids = descendants().map(({ pid }) => pid);
  return pids.filter((pid) => read(pid, 'cmdline').includes('--type=renderer'));
}

/**
 * Bytes in memory.
 * @param {readonly number[]} pids
 */
export function residentBytes(pids) {
  return pids.reduce((sum, pid) => sum + memoryOf(pid, 'VmRSS'), 0);
}

function descendants() {
  /** @type {Map<number, {pid: number, ticks: number}[]>} */
  const children = new Map();
  for (const pid of allProcesses()) {
    // The name, in parentheses, may hold anything.
    const fields = read(pid, 'stat')
      .replace(/^.*\) /s, '')
      .split(' ');
    const child = { pid, ticks: Number(fields[11]) + Number(fields[12]) };
    const parent = Number(fields[1]);
    children.set(parent, [...(children.get(parent) ?? []), child]);
  }
  const found = [...(children.get(process.pid) ?? [])];
  for (const { pid } of found) found.push(...(children.get(pid) ?? []));
  return found;
}

function allProcesses() {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

/**
 * @param {number | string} pid
 * @param {'VmHWM' | 'VmRSS'} what the most so far, or now
 * @returns {number} bytes
 */
function memoryOf(pid, what) {
  const found = new RegExp(`^${what}:\\s+(\\d+) kB$`, 'm').exec(read(pid, 'status'));
  return Number(found?.[1] ?? 0) * 1024;
}

/**
 * Nothing where the process has ended.
 * @param {number | string | undefined} pid
 * @param {string} name
 */
function read(pid, name) {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return '';
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
