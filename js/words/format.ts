/**
 * Numbers as people read them: sizes, rates, ratios, times.
 * It exists so that a number looks the same in the bar, in the reports and in the messages.
 * Units are decimal (1 kB = 1000 bytes), as in file managers and on model hubs.
 */

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;
const LARGE_NUMBERS = ['', 'thousand', 'million', 'billion', 'trillion'] as const;

/** `512 B`, `359.9 kB`, `13.5 GB`. */
export function formatBytes(bytes: number): string {
  const [value, unit] = scaled(bytes, BYTE_UNITS);
  return unit === 'B' ? `${Math.round(bytes)} B` : `${value.toFixed(1)} ${unit}`;
}

/** `359.9 kB (359,944 bytes)`. */
export function formatExactBytes(bytes: number): string {
  return bytes < 1000 ? formatBytes(bytes) : `${formatBytes(bytes)} (${formatCount(bytes)} bytes)`;
}

function scaled<Unit extends string>(
  value: number,
  units: readonly Unit[],
): [number, Unit | undefined] {
  let step = 0;
  // 999.95 would be shown as 1000.0 of its unit.
  while (value >= 999.95 && step < units.length - 1) {
    value /= 1000;
    step += 1;
  }
  return [value, units[step]];
}

/** `89,612`. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `6,738,415,616 (6.7 billion)`; small counts stand alone. */
export function formatLargeCount(count: number): string {
  if (count < 1e6) return formatCount(count);
  const [value, unit] = scaled(count, LARGE_NUMBERS);
  return `${formatCount(count)} (${value.toFixed(1)} ${unit})`;
}

/** `1 tensor`, `1,204 tensors`. */
export function formatPlural(count: number, noun: string, plural = `${noun}s`): string {
  return `${formatCount(count)} ${count === 1 ? noun : plural}`;
}

/** The share of a whole: `98.8 %`. Only nothing is 0 % and only the whole is 100 %. */
export function formatShare(part: number, whole: number): string {
  if (part === 0 || whole === 0) return '0 %';
  if (part === whole) return '100 %';
  const percent = (100 * part) / whole;
  if (percent < 0.1) return '<0.1 %';
  return percent > 99.9 ? '>99.9 %' : `${percent.toFixed(1)} %`;
}

/** `3.20× smaller`. */
export function formatRatio(before: number, after: number): string {
  if (before === after) return 'the same size';
  const [large, small, word] =
    before > after ? [before, after, 'smaller'] : [after, before, 'larger'];
  return small === 0 ? word : `${(large / small).toFixed(2)}× ${word}`;
}

/** Null stands for no error at all. */
export function formatDecibels(decibels: number | null): string {
  return decibels === null ? 'exact' : `${decibels.toFixed(1)} dB`;
}

/** Three significant digits: `0.00123`. */
export function formatError(error: number): string {
  return error === 0 ? '0' : String(Number(error.toPrecision(3)));
}

/** `42 ms`, `4.2 s`, `3 min 12 s`, `1 h 04 min`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 59_950) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${twoDigits(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${twoDigits(minutes % 60)} min`;
}

/** Time that is left, short and of steady width: `0:12`, `1:02:03`. */
export function formatClock(milliseconds: number): string {
  const seconds = Math.ceil(milliseconds / 1000);
  const minutes = Math.floor(seconds / 60);
  const clock = `${minutes % 60}:${twoDigits(seconds % 60)}`;
  return minutes < 60 ? clock : `${Math.floor(minutes / 60)}:${clock.padStart(5, '0')}`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}

/** `812.0 MB/s`. */
export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

/** `64×1024`; a tensor without dimensions is one number. */
export function formatShape(shape: readonly number[]): string {
  return shape.length === 0 ? 'scalar' : shape.join('×');
}

/** `4, 8 or 16`. */
export function formatChoices(choices: readonly (string | number)[]): string {
  const words = choices.map(String);
  const last = words.pop() ?? '';
  return words.length === 0 ? last : `${words.join(', ')} or ${last}`;
}
