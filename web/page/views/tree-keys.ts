/**
 * The keys of the tree of tensors, as trees have them everywhere: one place in the order of Tab, arrows within.
 */
import type { TreeNode } from '../tree.js';
import type { Workbench } from '../workbench.js';
import { BITS_KEYS } from './bits-words.js';
import { toggleAll } from './tensor-row.js';

interface Keys {
  readonly workbench: Workbench;
  readonly rows: readonly TreeNode[];
  readonly active: number;
  readonly setActive: (index: number) => void;
  readonly open: ReadonlySet<string>;
  readonly toggle: (path: string) => void;
}

const PAGE = 15;

export function useTreeKeys(keys: Keys): (event: KeyboardEvent) => void {
  return (event) => {
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    if (press(event.key, event.shiftKey, keys)) event.preventDefault();
  };
}

/** Whether the key means something. */
function press(key: string, isShift: boolean, keys: Keys): boolean {
  const { workbench, rows, active, setActive, open, toggle } = keys;
  const node = rows[active];
  const move = (to: number) => {
    const next = Math.min(Math.max(to, 0), rows.length - 1);
    if (isShift && rows[next] !== undefined) select(workbench, rows[next]);
    setActive(next);
    return true;
  };
  const step = { ArrowDown: 1, ArrowUp: -1, PageDown: PAGE, PageUp: -PAGE }[key];
  if (step !== undefined) return move(active + step);
  if (key === 'Home') return move(0);
  if (key === 'End') return move(rows.length - 1);
  if (node === undefined) return false;
  const isModule = 'path' in node;
  switch (key) {
    case 'ArrowRight':
      if (isModule && !open.has(node.path)) toggle(node.path);
      else if (isModule) move(active + 1);
      return true;
    case 'ArrowLeft':
      if (isModule && open.has(node.path)) toggle(node.path);
      else move(parentOf(rows, active));
      return true;
    case 'Enter':
      if (isModule) toggle(node.path);
      else show(workbench, namesOf(workbench, node)[0]);
      return true;
    case ' ':
      toggleAll(workbench, namesOf(workbench, node));
      return true;
    default:
      return choose(key, node, workbench);
  }
}

function choose(key: string, node: TreeNode, workbench: Workbench): boolean {
  const bits = BITS_KEYS[key];
  if (bits === undefined && key !== 'Backspace') return false;
  const selection = workbench.selection.peek();
  const names = selection.size > 0 ? selection : namesOf(workbench, node);
  if (workbench.activity.peek() === 'quantize') workbench.chooseFor(names, bits);
  return true;
}

function show(workbench: Workbench, name: string | undefined): void {
  const isShown = workbench.chosenTensor.peek() === name;
  workbench.chosenTensor.value = isShown ? undefined : name;
}

function select(workbench: Workbench, node: TreeNode): void {
  const next = new Set(workbench.selection.peek());
  for (const name of namesOf(workbench, node)) next.add(name);
  workbench.selection.value = next;
}

function namesOf(workbench: Workbench, node: TreeNode): readonly string[] {
  const names = workbench.names.peek();
  const indices = 'path' in node ? node.tensors : [node.tensor];
  return indices.flatMap((index) => names[index] ?? []);
}

function parentOf(rows: readonly TreeNode[], active: number): number {
  const depth = rows[active]?.depth ?? 0;
  for (let index = active - 1; index >= 0; index--) {
    if ((rows[index]?.depth ?? 0) < depth) return index;
  }
  return active;
}
