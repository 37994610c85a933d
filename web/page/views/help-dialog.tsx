/**
 * All keys of the page, on `?`.
 */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Workbench } from '../workbench.js';
import type { ViewProps } from './view-props.js';

const KEYS: readonly (readonly [keys: string, words: string])[] = [
  ['/', 'search among the tensors'],
  ['↑ ↓ ← →', 'move in the map and in the table; open and close modules'],
  ['Enter', 'show the tensor'],
  ['Space', 'select the row, with Shift and arrows several'],
  ['8 4 1 0', 'choose 8, 4 or 16 bits or none for what is selected, or for the row'],
  ['Backspace', 'take that choice back'],
  ['Escape', 'close the tensor, select nothing'],
  ['Ctrl Enter', 'quantize; save what came out'],
  ['?', 'this list'],
];

/** What the primary button does. */
function goOn(workbench: Workbench): void {
  const outcome = workbench.outcome.peek();
  const { plan, fault } = workbench.forecast.peek();
  if (outcome !== undefined) void outcome.save();
  else if (plan !== undefined && fault === undefined) void workbench.quantize();
}

export function HelpDialog({ workbench }: ViewProps) {
  const [isOpen, setOpen] = useState(false);
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) goOn(workbench);
      const { target } = event;
      const isField = target instanceof Element && target.matches('input, textarea, select');
      if (event.key === '?' && !isField) setOpen(true);
      // Dialogs and fields have an Escape of their own.
      if (event.key !== 'Escape' || document.querySelector('dialog[open]') !== null) return;
      if (workbench.selection.peek().size > 0) workbench.selection.value = new Set();
      else workbench.chosenTensor.value = undefined;
    };
    document.addEventListener('keydown', press);
    return () => document.removeEventListener('keydown', press);
  }, [workbench]);
  useEffect(() => {
    if (isOpen) dialog.current?.showModal();
  }, [isOpen]);
  if (!isOpen) return null;
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby="help-title" onClose={() => setOpen(false)}>
      <h2 id="help-title">Keys</h2>
      <dl class="facts">
        {KEYS.map(([keys, words]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{words}</dd>
          </div>
        ))}
      </dl>
      <form method="dialog" class="buttons">
        <button type="submit" class="button primary">
          Close
        </button>
      </form>
    </dialog>
  );
}
