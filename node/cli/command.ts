/**
 * What a command is, how one is found by its name, and what a wrong name is told.
 * It exists apart from the table of commands so that help can be made from that table too.
 * A command's file is loaded only when that command runs.
 */
import type { MonoquantError } from '../../js/api/errors.js';
import { nearest } from '../../js/api/nearest.js';
import { type Arguments, parseArguments } from './arguments.js';
import { usageError } from './failure.js';
import { allFlags, type Flag, type FlagOf, type FlagSection } from './flag.js';
import { nearestFlag } from './flag-value.js';
import { GLOBAL_FLAGS } from './flags.js';
import type { Session } from './session.js';

export interface Command {
  readonly name: string;
  /** What it takes besides flags, as the usage line shows it. */
  readonly operand: string;
  readonly summary: string;
  readonly sections: readonly FlagSection[];
  /** What the flags have no room to say, at most 80 columns wide. */
  readonly notes?: readonly string[];
  readonly examples: readonly string[];
  /** Checks the arguments, then does the work. `help` comes back where the arguments only ask for it. */
  run(words: readonly string[], session: Session): Promise<'done' | 'help'>;
}

type Run<F extends Flag> = (given: Arguments<F>, session: Session) => Promise<void>;

/** A command whose `load` brings the function that takes exactly the flags of its sections. */
export function command<const Sections extends readonly FlagSection[]>(
  definition: Omit<Command, 'run' | 'sections'> & {
    readonly sections: Sections;
    readonly load: () => Promise<Run<FlagOf<Sections>>>;
  },
): Command {
  const { load, ...described } = definition;
  return {
    ...described,
    run: async (words, session) => {
      const given = parseArguments<FlagOf<Sections>>(definition.name, definition.sections, words);
      if (given.wantsHelp) return 'help';
      await (await load())(given, session);
      return 'done';
    },
  };
}

/** The command of this name; anything else is an error that names the nearest thing. */
export function findCommand(word: string, commands: readonly Command[]): Command {
  const found = commands.find((candidate) => candidate.name === word);
  if (found !== undefined) return found;
  if (word.startsWith('-')) throw misplacedFlag(word, commands);
  const names = commands.map((candidate) => candidate.name);
  throw usageError(`Unknown command "${word}".`, commandHint(word, names));
}

function commandHint(word: string, names: readonly string[]): string {
  const near = nearest(word, names);
  if (near !== undefined) return `Did you mean ${near}?`;
  // A model where a command belongs: the commonest slip.
  if (/[./\\]/.test(word)) return `Did you mean monoquant quantize ${word}?`;
  return `The commands are ${names.join(', ')}.`;
}

/** A flag where a command belongs. */
function misplacedFlag(word: string, commands: readonly Command[]): MonoquantError {
  const name = word.replace(/^--?/, '').replace(/=.*/, '');
  const near = nearestFlag(name, allFlags(GLOBAL_FLAGS));
  for (const { name: command, operand, sections } of commands) {
    const flag = allFlags(sections).find((candidate) =>
      [candidate.name, candidate.short].includes(name),
    );
    if (flag === undefined) continue;
    const example = `Flags follow their command, as in monoquant ${command} ${operand} --${flag.name}`;
    const other = near === undefined ? '' : `; or did you mean ${near}?`;
    return usageError(`Expected a command before the flag "${word}".`, example + (other || '.'));
  }
  const hint =
    near === undefined ? 'monoquant --help lists the commands.' : `Did you mean ${near}?`;
  return usageError(`Unknown flag "${word}".`, hint);
}
