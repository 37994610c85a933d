/**
 * What GitHub Actions makes of a step's log: lines that are commands become annotations of the run.
 * The runner reads both outputs of a step, so annotations go where warnings go. Everything else that is printed is
 * kept from being a command: the names of a hostile model are in it.
 * https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
 */
import { appendFileSync, statSync } from 'node:fs';

/** Whether the outputs of this process are read by a runner. */
export function isOnGitHub(): boolean {
  return process.env.GITHUB_ACTIONS === 'true';
}

/** A line of the log that becomes an annotation. `text` may have several lines. */
export function annotation(level: 'warning' | 'error', text: string): string {
  return `::${level} title=monoquant::${escaped(text)}\n`;
}

/** Signs that end a command, or begin an escape. */
function escaped(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

/** The text without commands: those begin a line, or stand anywhere in it in an older form. It stays the same JSON. */
export function withoutCommands(text: string): string {
  return text.replace(/^(\s*):(?=:)/gm, '$1\\u003a').replace(/#(?=#\[)/g, '\\u0023');
}

/** Of all that a step writes; more is refused as a whole. */
const SUMMARY_BYTES = 1024 * 1024;

/** Where the summary of this step is written; undefined: nowhere. */
export function summaryPath(): string | undefined {
  const path = process.env.GITHUB_STEP_SUMMARY;
  return isOnGitHub() && path !== undefined && path !== '' ? path : undefined;
}

/** Adds the first of `texts` that there is room for. Throws what the system says. */
export function appendSummary(path: string, texts: readonly string[]): void {
  const taken = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const fitting = texts.find((text) => taken + Buffer.byteLength(text) < SUMMARY_BYTES);
  if (fitting === undefined) throw new Error('the summary of a step has at most 1 MiB');
  appendFileSync(path, fitting);
}
