/**
 * The model beside another file: what is equal, what differs and by how much, what is in one only.
 */
import type { TensorComparison } from 'monoquant';
import { countBy } from '../../../js/words/counts.js';
import {
  formatBytes,
  formatCount,
  formatDecibels,
  formatError,
  formatPlural,
} from '../../../js/words/format.js';
import { printable, printableName } from '../../../js/words/printable.js';
import type { Compared } from '../comparing.js';
import { ACCEPTED } from '../model-files.js';
import { FileButton } from './file-button.js';
import { FaultNotice, Warnings } from './notice.js';
import type { ViewProps } from './view-props.js';
import { Windowed } from './windowed.js';
import { WorkProgress } from './work-progress.js';

export function CompareCard({ workbench }: ViewProps) {
  const { work, found } = workbench.comparing;
  const model = workbench.model.value;
  if (workbench.activity.value !== 'compare' || model === undefined) return null;
  return (
    <section class="card compare" aria-labelledby="compare-title">
      <h2 id="compare-title">Compare with another file</h2>
      <p class="quiet">
        {printable(model.name)} is the first. Quantized tensors are compared as the values that
        their codes stand for.
      </p>
      <FileButton
        class="button primary"
        accept={ACCEPTED}
        multiple
        onFiles={(files) => workbench.compareWith(files)}
      >
        Choose the other file
      </FileButton>
      <WorkProgress work={work} words={{ compare: 'Comparing' }} />
      <FaultNotice fault={work.fault.value} title="They were not compared." />
      {found.value !== undefined && <Found compared={found.value} />}
    </section>
  );
}

const VERDICTS: Readonly<Record<TensorComparison['verdict'], string>> = {
  identical: 'identical',
  different: 'different',
  corrected: 'corrected biases',
  'only-first': 'only in the first',
  'only-second': 'only in the second',
  'other-shape': 'of another shape',
  'other-dtype': 'of another type',
};

function Found({ compared: { name, comparison } }: { compared: Compared }) {
  const { first, second, tensors, sqnrDb } = comparison;
  const counts = countBy(tensors, ({ verdict }) => VERDICTS[verdict]);
  return (
    <>
      <p role="status" class="verdict">
        <strong>
          {counts.length === 1 && tensors[0]?.verdict === 'identical'
            ? `All ${formatPlural(tensors.length, 'tensor')} are identical.`
            : counts.map(([words, count]) => `${formatCount(count)} ${words}`).join(', ')}
        </strong>{' '}
        {printable(name)}: {formatBytes(second.bytes)}, the first {formatBytes(first.bytes)}
        {sqnrDb !== null && `, SQNR ${formatDecibels(sqnrDb)}`}.
      </p>
      <Warnings warnings={comparison.warnings} />
      <Windowed
        items={tensors}
        label="Tensors of both files, those that differ most first"
        head={
          <div role="rowgroup" class="table-head">
            <div role="row" class="compare-row" aria-rowindex={1}>
              <div role="columnheader">Tensor</div>
              <div role="columnheader">Verdict</div>
              <div role="columnheader" class="quality">
                SQNR
              </div>
              <div role="columnheader" class="quality">
                Largest difference
              </div>
            </div>
          </div>
        }
        row={(tensor, index, style) => (
          <div
            role="row"
            class="compare-row"
            key={tensor.name}
            aria-rowindex={index + 2}
            style={style}
          >
            <div role="cell" class="name" title={printableName(tensor.name)}>
              {printableName(tensor.name)}
            </div>
            <div role="cell">{VERDICTS[tensor.verdict]}</div>
            <div role="cell" class="quality">
              {tensor.verdict === 'different' ? formatDecibels(tensor.sqnrDb) : ''}
            </div>
            <div role="cell" class="quality">
              {tensor.maxError === null || tensor.verdict !== 'different'
                ? ''
                : `±${formatError(tensor.maxError)}`}
            </div>
          </div>
        )}
      />
    </>
  );
}
