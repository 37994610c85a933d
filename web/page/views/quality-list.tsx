/**
 * How much of each tensor's signal is left, as bars, the worst first.
 * It exists because a mean hides the one layer that spoils a model.
 * A list and no picture: every bar has its number, and any number of tensors has room.
 */
import type { Report } from 'monoquant';
import { formatDecibels, formatError } from '../../../js/words/format.js';
import type { Workbench } from '../workbench.js';
import { NameCell } from './name-cell.js';
import { Windowed } from './windowed.js';

/** Where bars end: beyond, nobody can tell a difference. */
const FULL_DB = 60;

export function QualityList({ report, workbench }: { report: Report; workbench: Workbench }) {
  const lossy = report.tensors.filter(({ sqnrDb }) => sqnrDb !== null);
  if (lossy.length === 0) return null;
  return (
    <div class="qualities">
      <h3>Quality of each tensor, the worst first</h3>
      <p class="quiet">
        SQNR in decibels: 20 is an error of a tenth of the weights, 40 of a hundredth
        {report.outputSqnrDb !== null && ' (of what its layer computes, if its inputs are known)'}.
        Choose one for its histograms.
      </p>
      <Windowed
        items={lossy}
        label="Quality of each tensor, the worst first"
        head={
          <div role="rowgroup" class="hidden">
            <div role="row" aria-rowindex={1}>
              <div role="columnheader">Tensor</div>
              <div role="columnheader">SQNR</div>
              <div role="columnheader">Largest error</div>
            </div>
          </div>
        }
        row={(tensor, index, style) => {
          const isChosen = workbench.chosenTensor.value === tensor.name;
          const { outputSqnrDb: counted = tensor.sqnrDb } = tensor;
          const decibels = counted ?? FULL_DB;
          const share = Math.min(Math.max(decibels / FULL_DB, 0.01), 1);
          return (
            <div
              role="row"
              key={tensor.name}
              class={`quality-row ${isChosen ? 'chosen' : ''} ${tensor.quality}`}
              aria-rowindex={index + 2}
              style={style}
            >
              <NameCell name={tensor.name} workbench={workbench} />
              <div role="cell" class="decibels">
                <span class="track" aria-hidden="true">
                  <span class="bar" style={{ width: `${100 * share}%` }} />
                </span>
                <span class="value">{formatDecibels(counted)}</span>
              </div>
              <div role="cell" class="largest" title="Largest error of a weight">
                ±{formatError(tensor.maxError)}
              </div>
            </div>
          );
        }}
      />
    </div>
  );
}
