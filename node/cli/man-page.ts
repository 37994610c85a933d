/**
 * The manual page of monoquant(1), made from the tables that help is made from.
 */
import { version } from '../../js/api/version.js';
import type { Command } from './command.js';
import { EXIT_STATUS } from './failure.js';
import { allFlags, type Flag } from './flag.js';
import { placeholder } from './flag-value.js';
import { GLOBAL_FLAGS } from './flags.js';

export function manPage(description: string, commands: readonly Command[]): string {
  const lines = [
    // Without a date: the same sources make the same page.
    `.TH MONOQUANT 1 "" "monoquant ${version()}" "User Commands"`,
    '.SH NAME',
    'monoquant \\- quantize neural\\-network checkpoints',
    '.SH SYNOPSIS',
    '.B monoquant',
    '.I COMMAND',
    'flags',
    '.SH DESCRIPTION',
    roff(description),
    ...allFlags(GLOBAL_FLAGS).flatMap(flagLines),
    '.SH COMMANDS',
    ...commands.flatMap(commandLines),
    '.SH EXIT STATUS',
    ...EXIT_STATUS.flatMap(([code, meaning]) => ['.TP', `.B ${code}`, roff(meaning)]),
    '.SH EXAMPLES',
    '.EX',
    ...commands.flatMap(({ examples }) => examples.map(roff)),
    '.EE',
  ];
  return `${lines.join('\n')}\n`;
}

function commandLines({ name, operand, summary, sections, notes = [] }: Command): string[] {
  return [
    `.SS monoquant ${roff(`${name} ${operand}`)}`,
    roff(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`),
    ...sections.flatMap(({ title, flags }) => [
      '.PP',
      `.I ${roff(title)}`,
      ...flags.flatMap(flagLines),
    ]),
    ...(notes.length === 0 ? [] : ['.PP', ...notes.map(roff)]),
  ];
}

function flagLines(flag: Flag): string[] {
  const { name, short, help } = flag;
  const names = [...(short === undefined ? [] : [`-${short}`]), `--${name}`];
  const value = placeholder(flag);
  const bold = names.map((word) => `\\fB${roff(word)}\\fR`).join(', ');
  return ['.TP', value === undefined ? bold : `${bold} \\fI${roff(value)}\\fR`, roff(help)];
}

/** Text of which nothing is a request or an escape of roff. */
function roff(text: string): string {
  const escaped = text.replaceAll('\\', '\\e').replaceAll('-', '\\-');
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}
