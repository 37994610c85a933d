/**
 * What an output stream can show: its width, its styles, whether a line can be drawn over, whether it makes notes.
 * It exists so that reports, help and progress ask once and never look at the environment themselves.
 * A stream that is no terminal gets plain text of any width.
 */
import { annotation, isOnGitHub, withoutCommands } from './github.js';

export type Style = 'plain' | 'bold' | 'dim' | 'red' | 'green' | 'yellow';

const STYLE_CODES: Readonly<Record<Style, readonly [on: number, off: number]>> = {
  plain: [0, 0],
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
};

export interface Screen {
  readonly isTerminal: boolean;
  /** True where a line can be drawn over. */
  readonly canRedraw: boolean;
  /** Columns now, after any resize; infinite where nothing limits a line. */
  columns(): number;
  paint(style: Style, text: string): string;
  write(text: string): void;
  hasWritten(): boolean;
  /** Where a warning or a failure is shown elsewhere too, in a way of its own: writes it. */
  readonly annotate?: (level: 'warning' | 'error', text: string) => void;
}

/** Terminals that do not say how wide they are. */
const USUAL_COLUMNS = 80;
/** Narrower screens get lines that the terminal breaks: nothing readable fits. */
const LEAST_COLUMNS = 40;

export function screenOf(stream: NodeJS.WriteStream): Screen {
  const isTerminal = stream.isTTY === true;
  // hasColors knows NO_COLOR, FORCE_COLOR and TERM=dumb.
  let hasWritten = false;
  const colours = isTerminal && stream.hasColors();
  const onGitHub = isOnGitHub();
  return {
    isTerminal,
    canRedraw: isTerminal && process.env.TERM !== 'dumb',
    columns: () =>
      isTerminal ? Math.max(LEAST_COLUMNS, stream.columns || USUAL_COLUMNS) : Infinity,
    paint: (style, text) => {
      if (!colours || style === 'plain') return text;
      const [on, off] = STYLE_CODES[style];
      return `\u001b[${on}m${text}\u001b[${off}m`;
    },
    write: (text) => {
      hasWritten = true;
      stream.write(onGitHub ? withoutCommands(text) : text);
    },
    hasWritten: () => hasWritten,
    ...(onGitHub && { annotate: (level, text) => void stream.write(annotation(level, text)) }),
  };
}
