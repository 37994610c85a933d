/**
 * The table of commands: names, words for the help, flags, and where the work is done.
 * It exists so that a new command is one entry here and one file beside it.
 * A command's file is loaded only when that command runs.
 */
import type { MonoquantError } from '../../js/api/errors.js';
import { nearest } from '../../js/api/nearest.js';
import { type Arguments, parseArguments } from './arguments.js';
import { usageError } from './failure.js';
import { allFlags, type Flag, type FlagOf, type FlagSection } from './flag.js';
import { nearestFlag } from './flag-value.js';
import { GLOBAL_FLAGS, HELP_FLAGS, INFO_FLAGS, QUANTIZE_FLAGS } from './flags.js';
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
function command<const Sections extends readonly FlagSection[]>(
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

export const COMMANDS: readonly Command[] = [
  command({
    name: 'quantize',
    operand: 'MODEL',
    summary: 'write a smaller copy of a model',
    sections: QUANTIZE_FLAGS,
    notes: [
      'PATTERN is the name of a tensor or module, with * for anything, or re: and a',
      'regular expression. CHOICES are bits:4|8|16|none, group:N and scheme:NAME.',
    ],
    examples: [
      'monoquant quantize model.safetensors --bits 4 -o small.safetensors',
      "monoquant quantize model.safetensors --layer 'encoder=bits:4,group:64' --dry-run",
    ],
    load: async () => (await import('./quantize.js')).runQuantize,
  }),
  command({
    name: 'info',
    operand: 'MODEL',
    summary: 'show what is in a model',
    sections: INFO_FLAGS,
    examples: ['monoquant info model.safetensors', 'monoquant info model.safetensors --json'],
    load: async () => (await import('./info.js')).runInfo,
  }),
  command({
    name: 'help',
    operand: '[COMMAND]',
    summary: 'show how a command is used',
    sections: HELP_FLAGS,
    examples: ['monoquant help quantize'],
    load: async () => (await import('./help.js')).runHelp,
  }),
];

/** The command of this name; anything else is an error that names the nearest thing. */
export function findCommand(word: string): Command {
  const found = COMMANDS.find((candidate) => candidate.name === word);
  if (found !== undefined) return found;
  if (word.startsWith('-')) throw misplacedFlag(word);
  const names = COMMANDS.map((candidate) => candidate.name);
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
function misplacedFlag(word: string): MonoquantError {
  const name = word.replace(/^--?/, '').replace(/=.*/, '');
  const near = nearestFlag(name, allFlags(GLOBAL_FLAGS));
  for (const { name: command, operand, sections } of COMMANDS) {
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
