/**
 * `monoquant completion`: a script that completes commands, flags and their values in a shell.
 * It exists so that nobody has to remember a flag. The script is made from the table of commands, and asks nobody while
 * somebody types.
 */
import type { Arguments } from './arguments.js';
import type { Command } from './command.js';
import { usageError } from './failure.js';
import { allFlags, type Flag } from './flag.js';
import { type CompletionFlag, GLOBAL_FLAGS } from './flags.js';
import { matchChoice } from './match-choice.js';
import { ACTIONS } from './runs-actions.js';
import type { Session } from './session.js';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

/** What may stand behind a flag, or beside flags. */
interface Completed {
  readonly words?: readonly string[];
  /** Several of them, with commas between. */
  readonly isList?: boolean;
  readonly isFile?: boolean;
}

interface CompletedFlag extends Completed {
  readonly long: string;
  readonly short: string | undefined;
  readonly help: string;
  readonly takesValue: boolean;
}

interface CompletedCommand {
  readonly name: string;
  readonly summary: string;
  readonly operand: Completed;
  readonly flags: readonly CompletedFlag[];
}

export async function runCompletion(
  { operands }: Arguments<CompletionFlag>,
  { out }: Session,
  commands: readonly Command[],
): Promise<void> {
  const [shell, ...others] = operands;
  if (shell === undefined || others.length > 0) {
    const example = 'For example: monoquant completion bash >> ~/.bashrc';
    throw usageError('completion takes one shell: bash, zsh or fish.', example);
  }
  out.write(completionOf(matchChoice('completion', SHELLS, shell), commands));
}

/** The whole script. */
export function completionOf(shell: Shell, commands: readonly Command[]): string {
  const names = commands.map(({ name }) => name);
  return SCRIPTS[shell](commands.map((command) => completed(command, names)));
}

function completed(
  { name, summary, operand, sections }: Command,
  names: readonly string[],
): CompletedCommand {
  const operands = { '[COMMAND]': names, SHELL: SHELLS, 'ACTION [RUN...]': ACTIONS }[operand];
  return {
    name,
    summary,
    operand: operands === undefined ? { isFile: true } : { words: operands },
    flags: allFlags(sections).map(completedFlag),
  };
}

function completedFlag(flag: Flag): CompletedFlag {
  const { name, short, help, kind, value } = flag;
  const choices = kind === 'choice' || kind === 'choices' ? flag.choices : undefined;
  return {
    long: name,
    short,
    help,
    takesValue: kind !== 'switch',
    isFile: value !== undefined && /^\[?(FILE|DIR)\]?$/.test(value),
    ...(choices && { words: choices.map((choice) => String(choice).toLowerCase()) }),
    ...(kind === 'choices' && { isList: true }),
  };
}

const SCRIPTS: Readonly<Record<Shell, (commands: readonly CompletedCommand[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

const GLOBAL = allFlags(GLOBAL_FLAGS).map(completedFlag);

function namesOf({ long, short }: CompletedFlag): string[] {
  return short === undefined ? [`--${long}`] : [`-${short}`, `--${long}`];
}

/** Where nothing is said, readline offers files. It takes `--bits=4` for three words. */
function bashScript(commands: readonly CompletedCommand[]): string {
  // Numbers and patterns: only the person knows them.
  const actionOf = ({ words, isList, isFile }: Completed) => {
    if (words !== undefined) return `_monoquant_${isList ? 'list' : 'words'} ${words.join(' ')}`;
    return isFile === true ? ':' : 'compopt +o default';
  };
  const cases = commands.flatMap(({ name, operand, flags }) => {
    const behind = flags
      .filter(({ takesValue }) => takesValue)
      .map((flag) => {
        const patterns = namesOf(flag).map((word) => `'${name} ${word}'`);
        return `    ${patterns.join(' | ')}) ${actionOf(flag)} ;;`;
      });
    const flagNames = `_monoquant_words ${flags.flatMap(namesOf).join(' ')}`;
    const beside = `if [[ $current == -* ]]; then ${flagNames}; else ${actionOf(operand)}; fi`;
    return [...behind, `    '${name} '*) ${beside} ;;`];
  });
  const first = [...commands.map(({ name }) => name), ...GLOBAL.flatMap(namesOf)];
  return `# Completes monoquant in bash: monoquant completion bash >> ~/.bashrc
_monoquant() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]}
  if [[ $current == = ]]; then current=''
  elif [[ $previous == = ]]; then previous=\${COMP_WORDS[COMP_CWORD - 2]}; fi
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then _monoquant_words ${first.join(' ')}; return; fi
  case "\${COMP_WORDS[1]} $previous" in
${cases.join('\n')}
  esac
}
# Both see the word that is being completed.
_monoquant_words() { COMPREPLY=($(compgen -W "$*" -- "$current")); }
_monoquant_list() {
  local done=''
  if [[ $current == *,* ]]; then done=\${current%,*},; fi
  COMPREPLY=($(compgen -P "$done" -W "$*" -- "\${current##*,}"))
}
complete -o default -F _monoquant monoquant mq
`;
}

function zshScript(commands: readonly CompletedCommand[]): string {
  const actionOf = ({ words, isList, isFile }: Completed) => {
    if (words === undefined) return isFile === true ? '_files' : ' ';
    return isList ? `_values -s , value ${words.join(' ')}` : `(${words.join(' ')})`;
  };
  const specOf = (flag: CompletedFlag) => {
    const help = `[${quotedFor(flag.help, /[[\]:\\]/g)}]`;
    const value = flag.takesValue ? `:value:${actionOf(flag)}` : '';
    // Any number of times: what may stand once only, the command says.
    return namesOf(flag).map((name) => {
      const joint = !flag.takesValue ? '' : name.startsWith('--') ? '=' : '+';
      return `'*${name}${joint}${singleQuoted(help + value)}'`;
    });
  };
  const cases = commands.map(({ name, operand, flags }) => {
    const specs = [...flags.flatMap(specOf), `'*:argument:${actionOf(operand)}'`];
    return `    ${name}) _arguments ${specs.join(' ')} ;;`;
  });
  const described = commands.map(({ name, summary }) => `'${name}:${singleQuoted(summary)}'`);
  return `#compdef monoquant mq
# Completes monoquant in zsh: monoquant completion zsh > "$fpath[1]/_monoquant"
_monoquant() {
  local -a commands=(${described.join(' ')})
  if ((CURRENT == 2)); then
    if [[ $words[2] == -* ]]; then _arguments ${GLOBAL.flatMap(specOf).join(' ')}
    else _describe command commands; fi
    return
  fi
  shift words
  ((CURRENT--))
  case $words[1] in
${cases.join('\n')}
  esac
}
if [[ $funcstack[1] == _monoquant ]]; then _monoquant "$@"; else compdef _monoquant monoquant mq; fi
`;
}

function fishScript(commands: readonly CompletedCommand[]): string {
  const line = (when: string, rest: string) => `complete -c monoquant -n '${when}' ${rest}`;
  const flagLine = (when: string, { long, short, help, ...flag }: CompletedFlag) => {
    const { takesValue, isFile, isList, words } = flag;
    const names = `${short === undefined ? '' : `-s ${short} `}-l ${long}`;
    const listed = words?.join(' ') ?? '';
    const offered = isList ? `'(__fish_append , ${listed})'` : `'${listed}'`;
    const value = !takesValue ? '' : isFile === true ? ' -rF' : words ? ` -xa ${offered}` : ' -x';
    return line(when, `${names}${value} -d '${quotedFor(help, /['\\]/g)}'`);
  };
  const lines = commands.flatMap(({ name, summary, operand, flags }) => {
    const seen = `__fish_seen_subcommand_from ${name}`;
    return [
      line('__fish_use_subcommand', `-fa ${name} -d '${quotedFor(summary, /['\\]/g)}'`),
      ...flags.map((flag) => flagLine(seen, flag)),
      ...(operand.words === undefined ? [] : [line(seen, `-fa '${operand.words.join(' ')}'`)]),
    ];
  });
  return `# Completes monoquant in fish: monoquant completion fish > ~/.config/fish/completions/monoquant.fish
complete -c monoquant -e
${[...GLOBAL.map((flag) => flagLine('__fish_use_subcommand', flag)), ...lines].join('\n')}
complete -c mq -w monoquant
`;
}

function quotedFor(text: string, signs: RegExp): string {
  return text.replace(signs, '\\$&');
}

/** Within single quotes of a shell. */
function singleQuoted(text: string): string {
  return text.replaceAll("'", "'\\''");
}
