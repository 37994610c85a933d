/**
 * How fast a stage goes and how long it will still take.
 * It exists because the raw speed between two reports jumps: what is shown should be calm.
 * Both numbers are undefined until they mean something.
 */
import type { Progress } from '../api/types.js';

/** Closer reports are taken together. */
const SAMPLE_MS = 100;
/** Speeds older than this count little. */
const MEMORY_MS = 3000;
/** Before, too little has been seen for a forecast. */
const FORECAST_MS = 1000;

export class Pace {
  /** Smoothed; undefined before the first sample. */
  bytesPerSecond: number | undefined;
  millisecondsLeft: number | undefined;
  private stage: Progress['stage'] | undefined;
  private start = 0;
  private last = { time: 0, bytes: 0 };

  /** `now` in milliseconds of any steady clock. */
  add({ stage, bytes, totalBytes }: Progress, now: number): void {
    if (stage !== this.stage || bytes < this.last.bytes) this.begin(stage, bytes, now);
    const elapsed = now - this.last.time;
    if (elapsed < SAMPLE_MS) return;
    const speed = ((bytes - this.last.bytes) / elapsed) * 1000;
    const weight = 1 - Math.exp(-elapsed / MEMORY_MS);
    const before = this.bytesPerSecond ?? speed;
    this.bytesPerSecond = before + weight * (speed - before);
    this.last = { time: now, bytes };
    const foreseeable = now - this.start >= FORECAST_MS && this.bytesPerSecond > 0;
    this.millisecondsLeft = foreseeable
      ? ((totalBytes - bytes) / this.bytesPerSecond) * 1000
      : undefined;
  }

  private begin(stage: Progress['stage'], bytes: number, now: number): void {
    this.stage = stage;
    this.start = now;
    this.last = { time: now, bytes };
    this.bytesPerSecond = undefined;
    this.millisecondsLeft = undefined;
  }
}
