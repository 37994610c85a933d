#!/usr/bin/env node
/**
 * The command `monoquant`: finds the command that was asked for, runs it, and ends with its exit code.
 * It exists as the one place that decides how the process ends.
 * Everything a command needs is loaded only when that command runs.
 */
import { MonoquantError } from '../../js/api/errors.js';
import { reasonOf } from '../reason.js';
import { findCommand } from './command.js';
import { COMMANDS } from './commands.js';
import {
  asMonoquantError,
  exitCodeOf,
  failureDocument,
  printFailure,
  USAGE_EXIT,
} from './failure.js';
import { type Interruption, watchSignals } from './interruption.js';
import type { Screen } from './screen.js';
import { createSession, printJson, type Session } from './session.js';

async function run(words: readonly string[], session: Session): Promise<number> {
  const [first, ...rest] = words;
  if (first === undefined) {
    await showOverview(session.err);
    return USAGE_EXIT;
  }
  if (first === '--help' || first === '-h') {
    await showOverview(session.out);
    return 0;
  }
  if (first === '--version') {
    const { version } = await import('../../js/api/version.js');
    session.out.write(`${version()}\n`);
    return 0;
  }
  const command = findCommand(first, COMMANDS);
  const outcome = await command.run(rest, session);
  if (outcome === 'help') {
    const { commandHelp } = await import('./help.js');
    session.out.write(commandHelp(command, session.out));
  }
  return 0;
}

async function showOverview(screen: Screen): Promise<void> {
  const { overview } = await import('./help.js');
  screen.write(overview(COMMANDS, screen));
}

/** Says what went wrong. The words are looked at directly: they may be the very thing that is wrong. */
function reportFailure(
  thrown: unknown,
  words: readonly string[],
  session: Session,
  interruption: Interruption,
): number {
  const interrupted = interruption.exitCode();
  const error =
    interrupted === undefined
      ? asMonoquantError(thrown)
      : new MonoquantError('aborted', interruptedWords(words));
  const has = (...flags: string[]) => words.some((word) => flags.includes(word));
  printFailure(error, session.err, has('--verbose', '-v'));
  // A gate closes behind the document that it judges: that one says why.
  const isTold = session.out.hasWritten();
  if (has('--json') && !isTold) printJson(session.out, failureDocument(error));
  return interrupted ?? exitCodeOf(error);
}

function interruptedWords(words: readonly string[]): string {
  return words.includes('--resume')
    ? 'Interrupted; the same command goes on with what is done.'
    : 'Interrupted; nothing was written.';
}

/** A reader that has seen enough, as in `| head`, is no error. */
function watchOutputs(fail: (thrown: unknown) => void): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') {
      const message = `Cannot write to the standard output: ${reasonOf(error)}.`;
      fail(new MonoquantError('write-failed', message, { cause: error }));
    }
    process.exit();
  });
  // Nobody listens to progress any more: the work goes on.
  process.stderr.on('error', () => {});
}

async function main(): Promise<void> {
  const words = process.argv.slice(2);
  const interruption = watchSignals();
  const session = createSession(interruption.signal);
  const fail = (thrown: unknown) => {
    process.exitCode = reportFailure(thrown, words, session, interruption);
  };
  watchOutputs(fail);
  process.on('uncaughtException', (thrown) => {
    fail(thrown);
    process.exit();
  });
  try {
    const exitCode = await run(words, session);
    process.exitCode = interruption.exitCode() ?? exitCode;
  } catch (thrown) {
    fail(thrown);
  }
}

await main();
