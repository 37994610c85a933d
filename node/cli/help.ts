/**
 * Help: the overview of all commands, and the page of one.
 * It exists so that help is made from the tables that also drive parsing, and cannot tell anything else.
 * A page fits on a screen of 80 columns.
 */
import { version } from '../../js/api/version.js';
import type { Arguments } from './arguments.js';
import { type Command, findCommand } from './command.js';
import { usageError } from './failure.js';
import type { Flag, FlagSection } from './flag.js';
import { placeholder } from './flag-value.js';
import { GLOBAL_FLAGS, type HelpFlag } from './flags.js';
import type { Screen } from './screen.js';
import type { Session } from './session.js';

const DESCRIPTION = 'Quantizes neural-network checkpoints: INT8, INT4 or 16-bit floats.';
const EXAMPLES = [
  'npx monoquant quantize model.safetensors',
  'npx monoquant info model.safetensors',
];
const GAP = 2;

export async function runHelp(
  given: Arguments<HelpFlag>,
  { out }: Session,
  commands: readonly Command[],
): Promise<void> {
  const [name, ...others] = given.operands;
  if (given.values.man === true) {
    const { manPage } = await import('./man-page.js');
    out.write(manPage(DESCRIPTION, commands));
    return;
  }
  if (others.length > 0) throw usageError('monoquant help takes one command.');
  out.write(
    name === undefined ? overview(commands, out) : commandHelp(findCommand(name, commands), out),
  );
}

/** `monoquant --help`. */
export function overview(available: readonly Command[], screen: Screen): string {
  const rows = available.map(
    ({ name, operand, summary }) => [`${name} ${operand}`, summary] as const,
  );
  const left = Math.max(...rows.map(([usage]) => usage.length)) + GAP;
  const commands = rows.map(([usage, summary]) => usage.padEnd(left) + summary);
  return page([
    [`monoquant ${version()}`, DESCRIPTION],
    section('Usage', ['monoquant COMMAND [flags]'], screen),
    section('Commands', commands, screen),
    ...GLOBAL_FLAGS.map((flags) => flagSection(flags, leftWidth(GLOBAL_FLAGS), screen)),
    section('Examples', EXAMPLES, screen),
    ['monoquant COMMAND --help tells more about a command.'],
  ]);
}

/** `monoquant quantize --help`. */
export function commandHelp(command: Command, screen: Screen): string {
  const { name, operand, summary, sections, notes, examples } = command;
  const left = leftWidth(sections);
  return page([
    [`${screen.paint('bold', `monoquant ${name} ${operand} [flags]`)}   ${summary}`],
    ...sections.map((flags) => flagSection(flags, left, screen)),
    ...(notes === undefined ? [] : [notes]),
    section('Examples', examples, screen),
  ]);
}

function page(blocks: readonly (readonly string[])[]): string {
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function section(title: string, lines: readonly string[], screen: Screen): string[] {
  return [screen.paint('bold', title), ...lines.map((line) => `  ${line}`)];
}

function flagSection(given: FlagSection, left: number, screen: Screen): string[] {
  const { title, columns } = given;
  const flags = given.flags.filter(({ rare }) => rare !== true);
  if (columns === 2) return section(title, inTwoColumns(flags), screen);
  const lines = flags.map((flag) => flagNames(flag).padEnd(left) + flag.help);
  return section(title, lines, screen);
}

/** Two flags a line, each half with a width of its own for the names. */
function inTwoColumns(flags: readonly Flag[]): string[] {
  const halves = [0, 1].map((half) => {
    const own = flags.filter((_, index) => index % 2 === half);
    const names = own.map((flag) => flagNames(flag, ''));
    const left = Math.max(...names.map((name) => name.length)) + GAP;
    return own.map(({ help, brief }, index) => (names[index] ?? '').padEnd(left) + (brief ?? help));
  });
  const [first = [], second = []] = halves;
  const width = Math.max(...first.map((cell) => cell.length)) + GAP;
  return first.map((cell, index) => (cell.padEnd(width) + (second[index] ?? '')).trimEnd());
}

/** One width for all sections: their explanations stand below each other. */
function leftWidth(sections: readonly FlagSection[]): number {
  const listed = sections.filter(({ columns }) => columns === undefined);
  const names = listed.flatMap(({ flags }) =>
    flags.filter(({ rare }) => rare !== true).map((flag) => flagNames(flag)),
  );
  return Math.max(...names.map((name) => name.length)) + GAP;
}

/** `-b, --bits 4|8|16`; where there is no short name, `indent` stands in its place. */
function flagNames(flag: Flag, indent = '    '): string {
  const short = flag.short === undefined ? indent : `-${flag.short}, `;
  const value = placeholder(flag);
  return `${short}--${flag.name}${value === undefined ? '' : ` ${value}`}`;
}
