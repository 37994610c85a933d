/**
 * Rows of cells as aligned lines of text.
 * It exists so that every list of tensors looks alike and fits the screen it is shown on.
 * Columns that may shrink do so, the widest first, until the table fits; the others keep their text whole.
 */
import { printable } from '../../js/words/printable.js';
import type { Screen, Style } from './screen.js';
import { displayWidth, elide } from './text.js';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** Where to cut when the table is too wide; without it the column keeps its width. */
  readonly shrink?: 'middle' | 'end';
}

export type Cell = string | { readonly text: string; readonly style: Style };

export interface TableLayout {
  readonly screen: Screen;
  /** Columns of the screen to fill at most; the screen's own by default. */
  readonly width?: number;
}

const GAP = '  ';
const LEAST_WIDTH = 12;
/** A name may have a megabyte, and a file many others: rows beside it are not filled up to it. */
const MOST_FILLED = 500;

/** The table as lines, titles first. What is in cells may come from files. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  layout: TableLayout,
): string[] {
  const { screen, width = screen.columns() } = layout;
  const shown = rows.map((row) => row.map(printableCell));
  const widths = fitWidths(columns, shown, width);
  const titles = columns.map((column): Cell => ({ text: column.title, style: 'dim' }));
  return [titles, ...shown].map((row) => renderRow(columns, row, widths, screen));
}

function printableCell(cell: Cell): Cell {
  return typeof cell === 'string' ? printable(cell) : { ...cell, text: printable(cell.text) };
}

function renderRow(
  columns: readonly Column[],
  row: readonly Cell[],
  widths: readonly number[],
  screen: Screen,
): string {
  const cells = columns.map(({ align = 'left', shrink = 'end' }, index) => {
    const cell = row[index] ?? '';
    const { text, style } =
      typeof cell === 'string' ? { text: cell, style: 'plain' as const } : cell;
    const width = widths[index] ?? 0;
    const cut = elide(text, width, shrink);
    const space = ' '.repeat(Math.max(0, Math.min(width, MOST_FILLED) - displayWidth(cut)));
    const painted = screen.paint(style, cut);
    return align === 'left' ? painted + space : space + painted;
  });
  return cells.join(GAP).trimEnd();
}

function fitWidths(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  available: number,
): number[] {
  const widths = columns.map((column, index) => {
    return rows.reduce(
      (widest, row) => Math.max(widest, cellWidth(row[index])),
      displayWidth(column.title),
    );
  });
  const total = () => widths.reduce((sum, width) => sum + width, GAP.length * (widths.length - 1));
  for (let excess = total() - available; excess > 0; excess = total() - available) {
    const widest = widestShrinkable(columns, widths);
    if (widest === undefined) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

function cellWidth(cell: Cell | undefined): number {
  if (cell === undefined) return 0;
  return displayWidth(typeof cell === 'string' ? cell : cell.text);
}

function widestShrinkable(
  columns: readonly Column[],
  widths: readonly number[],
): number | undefined {
  let found: number | undefined;
  columns.forEach(({ shrink }, index) => {
    const width = widths[index] ?? 0;
    if (shrink === undefined || width <= LEAST_WIDTH) return;
    if (found === undefined || width > (widths[found] ?? 0)) found = index;
  });
  return found;
}
