/**
 * Shows how far a run is: one bar on a terminal, a few numbered lines elsewhere, or nothing.
 * It exists so that a run of an hour is never silent and a log of it stays short.
 * What is drawn on a terminal is gone when `end` returns.
 */
import type { Progress } from '../../js/api/types.js';
import { formatBytes, formatClock, formatRate } from '../../js/words/format.js';
import { Pace } from '../../js/words/pace.js';
import { printable } from '../../js/words/printable.js';
import type { Screen } from './screen.js';
import { elide } from './text.js';

interface ProgressView {
  update(progress: Progress): void;
  /** Clears the line; nothing is drawn afterwards. */
  end(): void;
}

/** The steps of a run; what comes alone has no number. */
const STEPS: { readonly [Stage in Progress['stage']]?: number } = { plan: 1, encode: 2, verify: 3 };

/** `quiet` shows nothing; without `lines`, nothing is shown where a line cannot be drawn over. */
function showProgress(
  screen: Screen,
  choices: { readonly quiet: boolean; readonly lines: boolean },
): ProgressView {
  if (!choices.quiet && screen.canRedraw) return new ProgressBar(screen);
  if (!choices.quiet && choices.lines) return new ProgressLines(screen);
  return { update: () => {}, end: () => {} };
}

/** Does some work with its progress on screen, which is clear again before anything else is printed. */
export async function withProgress<Result>(
  screen: Screen,
  choices: { readonly quiet: boolean; readonly lines: boolean },
  work: (onProgress: (progress: Progress) => void) => Promise<Result>,
): Promise<Result> {
  const view = showProgress(screen, choices);
  try {
    return await work((progress) => view.update(progress));
  } finally {
    view.end();
  }
}

const REDRAW_MS = 100;
/** Short runs draw no bar at all: it would only flash. */
const FIRST_DRAW_MS = 200;
const CLEAR_LINE = '\r\u001b[K';

function labelOf(stage: Progress['stage']): string {
  const step = STEPS[stage];
  return step === undefined ? stage : `[${step}/3] ${stage}`;
}

class ProgressBar implements ProgressView {
  private readonly screen: Screen;
  private readonly pace = new Pace();
  private latest: Progress | undefined;
  private timer: NodeJS.Timeout | undefined;
  private lastDraw = performance.now() + FIRST_DRAW_MS - REDRAW_MS;
  private drawn = false;

  constructor(screen: Screen) {
    this.screen = screen;
  }

  update(progress: Progress): void {
    this.latest = progress;
    this.pace.add(progress, performance.now());
    const wait = this.lastDraw + REDRAW_MS - performance.now();
    if (wait <= 0) this.draw();
    else this.timer ??= setTimeout(() => this.draw(), wait).unref();
  }

  end(): void {
    clearTimeout(this.timer);
    if (this.drawn) this.screen.write(CLEAR_LINE);
    this.drawn = false;
  }

  private draw(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.latest === undefined) return;
    this.lastDraw = performance.now();
    this.drawn = true;
    this.screen.write(CLEAR_LINE + this.line(this.latest));
  }

  private line({ stage, bytes, totalBytes, tensor }: Progress): string {
    // The last column stays free: a full line makes some terminals break it.
    const columns = this.screen.columns() - 1;
    const share = shareDone(bytes, totalBytes);
    const length = columns >= 100 ? 30 : columns >= 70 ? 14 : 8;
    const full = Math.floor(share * length);
    const bar = '█'.repeat(full) + this.screen.paint('dim', '░'.repeat(length - full));
    const rate = this.pace.bytesPerSecond;
    const left = this.pace.millisecondsLeft;
    const facts = [
      `${Math.floor(share * 100)} %`.padStart(5),
      (rate === undefined ? '' : formatRate(rate)).padStart(10),
      (left === undefined ? '' : `${formatClock(left)} left`).padStart(9),
    ].join('  ');
    const space = columns - 'encode  '.length - length - facts.length - 4;
    const name = space < 8 ? '' : elide(printable(tensor), space, 'middle');
    return `${stage.padEnd(6)}  ${bar}  ${facts}  ${this.screen.paint('dim', name)}`;
  }
}

const LINE_MS = 2000;
const LINE_SHARE = 0.1;

class ProgressLines implements ProgressView {
  private readonly screen: Screen;
  private readonly pace = new Pace();
  private stage: Progress['stage'] | undefined;
  private lastTime = 0;
  private lastShare = 0;

  constructor(screen: Screen) {
    this.screen = screen;
  }

  update(progress: Progress): void {
    const { stage, bytes, totalBytes } = progress;
    const now = performance.now();
    const share = shareDone(bytes, totalBytes);
    this.pace.add(progress, now);
    const label = labelOf(stage);
    // A run that starts over, because the weights forced another plan, says so.
    if (stage !== this.stage || share < this.lastShare) {
      this.stage = stage;
      this.lastTime = now;
      this.lastShare = share;
      this.screen.write(`${label}${totalBytes > 0 ? ` ${formatBytes(totalBytes)}` : ''}\n`);
    } else if (now - this.lastTime >= LINE_MS && share - this.lastShare >= LINE_SHARE) {
      this.lastTime = now;
      this.lastShare = share;
      const facts = [`${Math.floor(share * 100)} %`];
      if (this.pace.bytesPerSecond !== undefined) facts.push(formatRate(this.pace.bytesPerSecond));
      if (this.pace.millisecondsLeft !== undefined)
        facts.push(`${formatClock(this.pace.millisecondsLeft)} left`);
      this.screen.write(`${label} ${facts.join(', ')}\n`);
    }
  }

  end(): void {}
}

function shareDone(bytes: number, totalBytes: number): number {
  return totalBytes > 0 ? Math.min(1, bytes / totalBytes) : 0;
}
