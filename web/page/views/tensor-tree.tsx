/**
 * All tensors of the model by module, with what becomes of each, and after a run how good it is.
 * It exists because trust comes from seeing everything.
 * Sorted or searched it is a plain list. Fluid at tens of thousands: only the rows in sight are in the page.
 */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { formatCount, formatPlural } from '../../../js/words/format.js';
import { type Sized, stacksOf } from '../map/stacks.js';
import { COLUMNS, type Column, found, type Order, type TensorFacts } from '../tensor-rows.js';
import { ModuleTree, type TreeNode } from '../tree.js';
import type { Workbench } from '../workbench.js';
import { ModuleRow, TensorRow } from './tensor-row.js';
import { useTreeKeys } from './tree-keys.js';
import type { ViewProps } from './view-props.js';
import { Windowed } from './windowed.js';

const TITLES: Readonly<Record<Column, string>> = {
  name: 'Tensor',
  kind: 'Kind',
  shape: 'Shape',
  dtype: 'Type',
  bytes: 'Size',
  becomes: 'Becomes',
  after: 'After',
  quality: 'SQNR',
};

/** Rows that the tree begins with, at most. */
const FIRST_ROWS = 60;

export function TensorTree({ workbench }: ViewProps) {
  const model = workbench.model.value;
  // What was searched for and opened in one model says nothing in another.
  return model === undefined ? null : <Tree key={keyOf(model)} workbench={workbench} />;
}

const keys = new WeakMap<object, number>();
let lastKey = 0;

function keyOf({ handle }: { readonly handle: object }): number {
  const key = keys.get(handle) ?? ++lastKey;
  keys.set(handle, key);
  return key;
}

function Tree({ workbench }: ViewProps) {
  const tensors = workbench.model.value?.catalog.tensors ?? [];
  const [planned, reports] = [workbench.planned.value, workbench.reports.value];
  const facts = useMemo<TensorFacts>(
    () => ({ tensors, planned, reports }),
    [tensors, planned, reports],
  );
  const [search, setSearch] = useState('');
  const [order, setOrder] = useState<Order>({ column: undefined, isDescending: false });
  const tree = useMemo(() => new ModuleTree(workbench.names.value), [workbench]);
  const [open, setOpen] = useState(() => tree.firstOpen(FIRST_ROWS));
  const labelOf = useMemo(() => shortener(tensors), [tensors]);
  const isList = search.trim() !== '' || order.column !== undefined;
  const matches = useMemo(
    () => (isList ? found(facts, search, order) : [...tensors.keys()]),
    [facts, isList, search, order],
  );
  const rows = useMemo<readonly TreeNode[]>(
    () =>
      isList
        ? matches.map((tensor) => ({
            tensor,
            label: labelOf(tensors[tensor]?.name ?? ''),
            depth: 0,
          }))
        : tree.rows(open),
    [isList, matches, tree, open, labelOf],
  );
  const [active, setActive] = useState(0);
  const toggle = (path: string) => {
    const next = new Set(open);
    if (!next.delete(path)) next.add(path);
    setOpen(next);
  };
  const isAllOpen = !isList && open.size > 0;
  const box = useRef<HTMLInputElement>(null);
  useSlash(box);
  const onKeyDown = useTreeKeys({ workbench, rows, active, setActive, open, toggle });
  return (
    <section class="card tensors" aria-labelledby="tensors-title">
      <div class="row">
        <h2 id="tensors-title">Tensors</h2>
        <input
          ref={box}
          type="search"
          class="search"
          placeholder="Search ( / )"
          aria-label="Search tensors by name, kind, type or decision"
          value={search}
          onInput={({ currentTarget }) => {
            setSearch(currentTarget.value);
            setActive(0);
          }}
        />
        <span class="quiet" role="status">
          {matches.length === tensors.length
            ? formatCount(tensors.length)
            : `${formatCount(matches.length)} of ${formatCount(tensors.length)}`}
        </span>
        {!isList && (
          <button
            type="button"
            class="link"
            onClick={() => setOpen(isAllOpen ? new Set() : tree.allPaths())}
          >
            {isAllOpen ? 'Close all modules' : 'Open all modules'}
          </button>
        )}
      </div>
      <Windowed
        items={rows}
        label="Tensors"
        role="treegrid"
        active={active}
        activeId="active-tensor"
        onKeyDown={onKeyDown}
        head={<Head order={order} onOrder={setOrder} hasReports={reports.size > 0} />}
        row={(node, index, style) => {
          const place = { index, style, isActive: index === active, activate: setActive };
          return 'path' in node ? (
            <ModuleRow
              key={node.path}
              node={node}
              facts={facts}
              isOpen={open.has(node.path)}
              onToggle={() => toggle(node.path)}
              workbench={workbench}
              {...place}
            />
          ) : (
            <TensorRow
              key={tensors[node.tensor]?.name}
              node={node}
              facts={facts}
              workbench={workbench}
              {...place}
            />
          );
        }}
      />
      {rows.length === 0 && <p class="quiet nothing">No tensor fits this search.</p>}
      <Hint workbench={workbench} />
    </section>
  );
}

/** Leaves out what nearly all names begin with: in a list it would push what differs out of sight. */
function shortener(tensors: readonly Sized[]): (name: string) => string {
  const { stacks } = stacksOf(tensors);
  const [only, ...others] = stacks;
  if (only === undefined || others.length > 0 || only.name === '') return (name) => name;
  const shared = `${only.name}.`;
  return (name) => (name.startsWith(shared) ? name.slice(shared.length) : name);
}

function Hint({ workbench }: { readonly workbench: Workbench }) {
  const own = workbench.ownBits.value.size;
  return (
    <p class="quiet hint">
      {own > 0 && `${formatPlural(own, 'tensor')} with a choice of its own. `}
      Arrows move, Enter shows a tensor, Space selects, <kbd>?</kbd> lists all keys.
    </p>
  );
}

/** `/` leads to the search from anywhere but another field. */
function useSlash(box: { readonly current: HTMLInputElement | null }): void {
  useEffect(() => {
    const find = (event: KeyboardEvent) => {
      const { target } = event;
      const isField = target instanceof Element && target.matches('input, textarea, select');
      if (event.key !== '/' || isField || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      box.current?.focus();
    };
    document.addEventListener('keydown', find);
    return () => document.removeEventListener('keydown', find);
  }, [box]);
}

interface HeadProps {
  readonly order: Order;
  readonly onOrder: (order: Order) => void;
  readonly hasReports: boolean;
}

function Head({ order, onOrder, hasReports }: HeadProps) {
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
          <div role="columnheader" class={column} key={column} aria-sort={sortOf(column)}>
            {column === 'quality' && !hasReports ? (
              <span class="quiet">SQNR</span>
            ) : (
              <button type="button" onClick={() => onOrder(next(column))}>
                {TITLES[column]}
                <span aria-hidden="true" class="arrow" data-sort={sortOf(column)} />
              </button>
            )}
          </div>
        ))}
      </div>
    </div>
  );
}
