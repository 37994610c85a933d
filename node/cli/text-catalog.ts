/**
 * What is in a model, as text: its size, its types and kinds, its tensors.
 * It exists for `info`; programs take the catalog itself with `--json`.
 * Long lists lose their middle, never their ends, and say how much is missing.
 */
import type { Catalog, TensorInfo } from '../../js/api/types.js';
import { countBy, type Fact, renderFacts } from './facts.js';
import {
  formatBytes,
  formatCount,
  formatExactBytes,
  formatLargeCount,
  formatShape,
  formatShare,
} from './format.js';
import type { Screen } from './screen.js';
import { type Column, renderTable } from './table.js';
import { elide, printable, printableName } from './text.js';

/** More tensors than this lose their middle. */
const TENSORS_SHOWN = 40;

export function renderCatalog(
  catalog: Catalog,
  model: string,
  screen: Screen,
  verbose: boolean,
): string {
  const blocks = [renderFacts(catalogFacts(catalog, model), screen)];
  const entries = Object.entries(catalog.metadata);
  if (verbose && entries.length > 0) blocks.push(metadataLines(entries, screen));
  if (catalog.tensors.length > 0) blocks.push(tensorLines(catalog.tensors, screen, verbose));
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function catalogFacts(
  { format, bytes, parameters, tensors, metadata }: Catalog,
  model: string,
): Fact[] {
  const dataBytes = tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
  const dtypes = countBy(
    tensors,
    ({ dtype }) => dtype,
    (tensor) => tensor.bytes,
  );
  const kinds = countBy(tensors, ({ kind }) => kind);
  const keys = Object.keys(metadata).map(printable);
  return [
    ['model', printable(model)],
    ['format', format],
    ['size', formatExactBytes(bytes)],
    ['parameters', formatLargeCount(parameters)],
    ['tensors', formatCount(tensors.length)],
    dtypes.length > 0
      ? [
          'dtypes',
          dtypes.map(([dtype, share]) => `${dtype} ${formatShare(share, dataBytes)}`).join(', '),
        ]
      : undefined,
    kinds.length > 0
      ? ['kinds', kinds.map(([kind, count]) => `${kind} ${formatCount(count)}`).join(', ')]
      : undefined,
    keys.length > 0 ? ['metadata', keys.join(', ')] : undefined,
  ];
}

function metadataLines(entries: readonly (readonly [string, string])[], screen: Screen): string[] {
  return entries.map(([key, value]) => {
    const line = elide(`${printable(key)}: ${printable(value)}`, screen.columns(), 'end');
    return line;
  });
}

const COLUMNS: readonly Column[] = [
  { title: 'tensor', shrink: 'middle' },
  { title: 'kind' },
  { title: 'dtype' },
  { title: 'shape', shrink: 'end' },
  { title: 'bytes', align: 'right' },
];

function tensorLines(tensors: readonly TensorInfo[], screen: Screen, verbose: boolean): string[] {
  const hidden = verbose || tensors.length <= TENSORS_SHOWN ? 0 : tensors.length - TENSORS_SHOWN;
  const half = TENSORS_SHOWN / 2;
  const shown = hidden === 0 ? tensors : [...tensors.slice(0, half), ...tensors.slice(-half)];
  const rows = shown.map(({ name, kind, dtype, shape, bytes }) => {
    return [printableName(name), kind, dtype, formatShape(shape), formatBytes(bytes)];
  });
  const lines = renderTable(COLUMNS, rows, { screen });
  if (hidden > 0) {
    // Behind the titles and the first half.
    lines.splice(
      1 + half,
      0,
      screen.paint('dim', `… ${formatCount(hidden)} more, --verbose shows all`),
    );
  }
  return lines;
}
