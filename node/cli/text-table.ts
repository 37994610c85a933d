/**
 * A table of a report on a screen: its title stands above the names.
 */
import { printableName } from '../../js/words/printable.js';
import type { RowView, TableView } from '../../js/words/report/tables.js';
import type { Style } from './screen.js';
import { renderTable, type TableLayout } from './table.js';

export function renderTableView(
  { title, columns, rows }: TableView,
  layout: TableLayout,
  styleOf: (row: RowView) => Style,
): string[] {
  const titled = columns.map((column, index) => (index === 0 ? { ...column, title } : column));
  const cells = rows.map((row) =>
    row.cells.map((text, index) => ({
      text: index === 0 ? printableName(text) : text,
      style: styleOf(row),
    })),
  );
  return renderTable(titled, cells, layout);
}
