// What programs that a script has run took of the processors.
// Why: on a busy machine the clock says little about a build; this stays nearly the same.
// Always: a program counts when it has ended; only Linux says it.

import { readFileSync } from 'node:fs';

const TICKS_A_SECOND = 100;

/** Seconds that all processors spent on programs that have ended; undefined where the system does not say. */
export function processorSeconds() {
  try {
    // Behind the name, which is in parentheses, cutime and cstime are the 13th and 14th field further (proc(5)).
    const fields = readFileSync('/proc/self/stat', 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return (Number(fields[13]) + Number(fields[14])) / TICKS_A_SECOND;
  } catch {
    return undefined;
  }
}
