/**
 * Choices for several tensors at once, which were selected in the map or in the table.
 * It exists because a model has twenty down projections, and nobody wants to choose twenty times.
 * At the lower edge of the window, wherever the selection was made.
 */
import { formatBytes, formatPlural } from '../../../js/words/format.js';
import { OVERRIDES } from '../choice.js';
import { BITS_WORDS } from './bits-words.js';
import type { ViewProps } from './view-props.js';

export function SelectionBar({ workbench }: ViewProps) {
  const selection = workbench.selection.value;
  if (selection.size === 0 || workbench.activity.value !== 'quantize') return null;
  const tensors = workbench.model.value?.catalog.tensors ?? [];
  const bytes = tensors.reduce((sum, each) => sum + (selection.has(each.name) ? each.bytes : 0), 0);
  const own = new Set([...selection].map((name) => workbench.ownBits.value.get(name)));
  const common = own.size === 1 ? [...own][0] : undefined;
  return (
    <div class="selection" role="toolbar" aria-label="Choice for the selected tensors">
      <p role="status">
        {formatPlural(selection.size, 'tensor')} selected, {formatBytes(bytes)}
      </p>
      {OVERRIDES.map((bits) => (
        <button
          type="button"
          class="button"
          key={bits}
          aria-pressed={common === bits}
          onClick={() => workbench.chooseFor(selection, bits)}
        >
          {BITS_WORDS[bits]}
        </button>
      ))}
      <button
        type="button"
        class="button"
        onClick={() => workbench.chooseFor(selection, undefined)}
      >
        As all others
      </button>
      <button
        type="button"
        class="button"
        onClick={() => {
          workbench.selection.value = new Set();
        }}
      >
        Select none
      </button>
    </div>
  );
}
