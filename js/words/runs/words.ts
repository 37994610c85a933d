/**
 * Runs of a log in words: how a run was made, what came of it, how far it is from another.
 */

import { type Measure, measured } from '../../api/run-measures.js';
import type { RunRecord } from '../../api/run-record.js';
import { formatBytes, formatDuration } from '../format.js';

/** `INT4 group 128 mse`, `INT8 channel asymmetric`, `F16`; of what is no quantization, the command. */
export function howWords({ command, options }: RunRecord): string {
  if (command !== 'quantize') return command;
  const { bits, floatType, scheme, strategy, groupSize, method, overrides } = options;
  if (bits === undefined) return '';
  if (bits === 16) return String(floatType);
  const words = [
    `INT${bits}`,
    strategy === 'group' ? `group ${groupSize}` : String(strategy),
    ...(scheme === 'asymmetric' ? ['asymmetric'] : []),
    ...(method === 'auto' ? [] : [String(method)]),
    ...(Array.isArray(overrides) && overrides.length > 0 ? ['+ layers'] : []),
  ];
  return words.join(' ');
}

/** `ok`, or the error. */
export function outcomeWords({ exit, error }: RunRecord): string {
  return exit === 0 ? 'ok' : (error?.code ?? `exit ${exit}`);
}

/** `2026-11-30 13:45`, in UTC, as ids have it. */
export function timeWords({ started }: RunRecord): string {
  return started.slice(0, 16).replace('T', ' ');
}

/** The last part of a path. */
export function nameWords(name: string | null): string {
  return name === null ? '(bytes)' : (/[^/\\]+[/\\]?$/.exec(name)?.[0] ?? name);
}

export const MEASURE_WORDS: Readonly<Record<Measure, string>> = {
  outputBytes: 'size',
  bitsPerWeight: 'bits per weight',
  sqnrDb: 'SQNR',
  outputSqnrDb: 'of outputs',
  worstSqnrDb: 'worst tensor',
  ms: 'time',
  peakBytes: 'peak memory',
};

export function measureWords(run: RunRecord, measure: Measure): string {
  const value = measured(run, measure);
  return value === null ? '' : valueWords(measure, value);
}

export function valueWords(measure: Measure, value: number): string {
  if (measure === 'ms') return formatDuration(value);
  if (measure === 'outputBytes' || measure === 'peakBytes') return formatBytes(value);
  return measure === 'bitsPerWeight' ? value.toFixed(2) : `${value.toFixed(2)} dB`;
}

/** `+1.20 dB`, `−35.1 %`: what is a size or a time is told by its share. */
export function deltaWords(measure: Measure, delta: number, base: number): string {
  const sign = delta < 0 ? '−' : '+';
  if (delta === 0) return '=';
  if (measure.endsWith('Db')) return `${sign}${Math.abs(delta).toFixed(2)} dB`;
  if (base === 0) return '';
  return `${sign}${((100 * Math.abs(delta)) / base).toFixed(1)} %`;
}
