/**
 * All tensors of the model, with what becomes of each and why; any can be told apart from the rest.
 * It exists because trust comes from seeing everything.
 * Fluid at thousands of rows: only those in sight are in the page.
 */
import type { CSSProperties } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { formatBytes, formatCount, formatShape } from '../../../js/words/format.js';
import { printableName } from '../../../js/words/printable.js';
import { codesWords, decisionWords } from '../../../js/words/wording.js';
import { OVERRIDES, type OverrideBits, overrideChanges, overrideOf } from '../choice.js';
import {
  COLUMNS,
  type Column,
  type Order,
  outputBytes,
  rowsOf,
  type TensorRow,
} from '../tensor-rows.js';
import type { Workbench } from '../workbench.js';
import { NameCell } from './name-cell.js';
import type { ViewProps } from './view-props.js';
import { Windowed } from './windowed.js';

const TITLES: Readonly<Record<Column, string>> = {
  name: 'Tensor',
  kind: 'Kind',
  shape: 'Shape',
  dtype: 'Type',
  bytes: 'Size',
  becomes: 'Becomes',
};

export function TensorTable({ workbench }: ViewProps) {
  const tensors = workbench.model.value?.catalog.tensors ?? [];
  const planned = workbench.forecast.value.plan?.tensors ?? [];
  const [search, setSearch] = useState('');
  const [order, setOrder] = useState<Order>({ column: undefined, isDescending: false });
  const rows = useMemo(
    () => rowsOf(tensors, planned, search, order),
    [tensors, planned, search, order],
  );
  return (
    <section class="card tensors" aria-labelledby="tensors-title">
      <div class="row">
        <h2 id="tensors-title">Tensors</h2>
        <input
          type="search"
          class="search"
          placeholder="Search"
          aria-label="Search tensors by name, kind, type or decision"
          value={search}
          onInput={({ currentTarget }) => setSearch(currentTarget.value)}
        />
        <span class="quiet" role="status">
          {rows.length === tensors.length
            ? formatCount(tensors.length)
            : `${formatCount(rows.length)} of ${formatCount(tensors.length)}`}
        </span>
      </div>
      <Windowed
        items={rows}
        label="Tensors"
        head={<Head order={order} onOrder={setOrder} />}
        row={(row, index, style) => (
          <Row key={row.tensor.name} row={row} index={index} style={style} workbench={workbench} />
        )}
      />
      {rows.length === 0 && <p class="quiet nothing">No tensor fits this search.</p>}
    </section>
  );
}

function Head({ order, onOrder }: { order: Order; onOrder: (order: Order) => void }) {
  const sortOf = (column: Column) => {
    if (order.column !== column) return 'none';
    return order.isDescending ? 'descending' : 'ascending';
  };
  // Up, down, and back to the order of the file.
  const next = (column: Column): Order => {
    if (order.column !== column) return { column, isDescending: false };
    return order.isDescending
      ? { column: undefined, isDescending: false }
      : { column, isDescending: true };
  };
  return (
    <div role="rowgroup" class="table-head">
      <div role="row" class="tensor-row" aria-rowindex={1}>
        {COLUMNS.map((column) => (
          <div
            role="columnheader"
            class={column === 'bytes' ? 'bytes' : ''}
            key={column}
            aria-sort={sortOf(column)}
          >
            <button type="button" onClick={() => onOrder(next(column))}>
              {TITLES[column]}
              <span aria-hidden="true" class="arrow" data-sort={sortOf(column)} />
            </button>
          </div>
        ))}
        <div role="columnheader" class="choice">
          Choice
        </div>
      </div>
    </div>
  );
}

interface RowProps {
  readonly row: TensorRow;
  readonly index: number;
  readonly style: CSSProperties;
  readonly workbench: Workbench;
}

function Row({ row: { tensor, planned }, index, style, workbench }: RowProps) {
  const { name, kind, shape, dtype, bytes, tiedTo, quantization } = tensor;
  const isChosen = workbench.chosenTensor.value === name;
  const type = quantization === undefined ? dtype : codesWords(quantization);
  return (
    <div
      role="row"
      class={`tensor-row ${isChosen ? 'chosen' : ''} ${planned?.decision ?? ''}`}
      aria-rowindex={index + 2}
      style={style}
    >
      <NameCell name={name} workbench={workbench} />
      <div role="cell" class="kind">
        {kind}
      </div>
      <div role="cell" class="shape">
        {formatShape(shape)}
      </div>
      <div role="cell" class="dtype">
        {type}
      </div>
      <div role="cell" class="bytes">
        {tiedTo === undefined ? formatBytes(bytes) : 'tied'}
      </div>
      <div role="cell" class="becomes" title={planned?.explanation}>
        {planned !== undefined && (
          <>
            <span class={`pill ${planned.decision}`}>{decisionWords(planned)}</span>{' '}
            <span class="after">{formatBytes(outputBytes(planned))}</span>
          </>
        )}
      </div>
      <div role="cell" class="choice">
        <Override name={name} workbench={workbench} />
      </div>
    </div>
  );
}

const OVERRIDE_WORDS: Readonly<Record<OverrideBits, string>> = {
  8: 'INT8',
  4: 'INT4',
  16: '16-bit float',
  none: 'Leave alone',
};

function Override({ name, workbench }: { name: string; workbench: Workbench }) {
  const choice = workbench.choice.value;
  const chosen = overrideOf(choice, name);
  return (
    <select
      aria-label={`Choice for ${printableName(name)}`}
      class={chosen === undefined ? '' : 'set'}
      value={chosen ?? ''}
      onChange={({ currentTarget }) => {
        const bits = OVERRIDES.find((candidate) => candidate === currentTarget.value);
        workbench.change(overrideChanges(choice, name, bits));
      }}
    >
      <option value="">As chosen</option>
      {OVERRIDES.map((bits) => (
        <option value={bits} key={bits}>
          {OVERRIDE_WORDS[bits]}
        </option>
      ))}
    </select>
  );
}
