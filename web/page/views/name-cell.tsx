/**
 * A tensor's name as the first cell of a row: a button that opens its details, and closes them again.
 * It exists because more than one list leads to them.
 * Which tensor is chosen is the workbench's to know.
 */
import { printableName } from '../../../js/words/printable.js';
import { Name } from './name.js';
import type { ViewProps } from './view-props.js';

export function NameCell({ name, workbench }: ViewProps & { readonly name: string }) {
  const isChosen = workbench.chosenTensor.value === name;
  return (
    <div role="cell" class="name-cell">
      <button
        type="button"
        class="plain"
        aria-pressed={isChosen}
        title={printableName(name)}
        onClick={() => {
          workbench.chosenTensor.value = isChosen ? undefined : name;
        }}
      >
        <Name name={name} />
      </button>
    </div>
  );
}
