/**
 * One tensor: where it comes from, what becomes of it and why, and after a run what that did to its values.
 * It exists because a table has no room for sentences and charts.
 * Closed by default; chosen in the table or in the list of qualities.
 */
import type { TensorReport } from 'monoquant';
import { useEffect, useRef } from 'preact/hooks';
import {
  formatBytes,
  formatCount,
  formatDecibels,
  formatError,
  formatExactBytes,
  formatShape,
} from '../../../js/words/format.js';
import { printable, printableName } from '../../../js/words/printable.js';
import { decisionWords } from '../../../js/words/wording.js';
import { DistributionView } from './distribution-view.js';
import { Facts } from './facts.js';
import type { ViewProps } from './view-props.js';

export function TensorDetails({ workbench }: ViewProps) {
  const name = workbench.chosenTensor.value;
  const tensor = workbench.model.value?.catalog.tensors.find((each) => each.name === name);
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (name !== undefined) title.current?.scrollIntoView({ block: 'nearest' });
  }, [name]);
  if (name === undefined || tensor === undefined) return null;
  const planned = workbench.forecast.value.plan?.tensors.find((each) => each.name === name);
  const outcome = workbench.outcome.value;
  const report = outcome?.report.tensors.find((each) => each.name === name);
  return (
    <section class="card details" aria-labelledby="details-title">
      <div class="row">
        <h2 id="details-title" class="model-name" ref={title}>
          <bdi>{printableName(name)}</bdi>
        </h2>
        <button
          type="button"
          class="button"
          onClick={() => {
            workbench.chosenTensor.value = undefined;
          }}
        >
          Close
        </button>
      </div>
      <Facts
        facts={[
          [
            'Kind',
            tensor.kind +
              (tensor.moduleType === undefined ? '' : `, ${printable(tensor.moduleType)}`),
          ],
          ['Shape', `${formatShape(tensor.shape)}, ${tensor.dtype}`],
          [
            'In the file',
            `${formatExactBytes(tensor.bytes)} from byte ${formatCount(tensor.offset)}`,
          ],
          tensor.tiedTo !== undefined && ['Tied to', printable(tensor.tiedTo)],
          planned !== undefined && ['Becomes', decisionWords(planned)],
          planned !== undefined && ['Why', printable(planned.explanation)],
          planned !== undefined &&
            planned.outputs.length > 0 && [
              'Stored as',
              <ul class="names" key="outputs">
                {planned.outputs.map((output) => (
                  <li key={output.name}>
                    {printable(output.name)}: {output.dtype} {formatShape(output.shape)},{' '}
                    {formatBytes(output.bytes)}
                  </li>
                ))}
              </ul>,
            ],
          ...qualityFacts(report),
        ]}
      />
      {outcome !== undefined && report !== undefined && (
        <DistributionView outcome={outcome} tensor={name} />
      )}
      {outcome === undefined && planned?.decision === 'quantize' && (
        <p class="quiet">After a run, histograms of its weights and of the error stand here.</p>
      )}
    </section>
  );
}

function qualityFacts(report: TensorReport | undefined) {
  if (report === undefined) return [];
  return [
    ['SQNR', formatDecibels(report.sqnrDb)] as const,
    ...(report.outputSqnrDb === undefined
      ? []
      : [['SQNR of its output', formatDecibels(report.outputSqnrDb)] as const]),
    ['Largest error', formatError(report.maxError)] as const,
  ];
}
