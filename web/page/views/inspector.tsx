/**
 * One tensor: where it comes from, what becomes of it and why, and after a run what that did to its values.
 * It exists because a table has no room for sentences and charts.
 * Closed by default; chosen in the map, in the table or in the result.
 */
import type { TensorReport } from 'monoquant';
import {
  formatBytes,
  formatCount,
  formatDecibels,
  formatError,
  formatExactBytes,
  formatShape,
} from '../../../js/words/format.js';
import { printable, printableName } from '../../../js/words/printable.js';
import { codesWords, decisionWords } from '../../../js/words/wording.js';
import { OVERRIDES } from '../choice.js';
import { BITS_WORDS } from './bits-words.js';
import { DistributionView } from './distribution-view.js';
import { Facts } from './facts.js';
import { Select } from './field.js';
import type { ViewProps } from './view-props.js';

export function Inspector({ workbench }: ViewProps) {
  const name = workbench.chosenTensor.value;
  if (name === undefined) return null;
  const tensor = workbench.model.value?.catalog.tensors.find((each) => each.name === name);
  if (tensor === undefined) return null;
  const planned = workbench.planned.value.get(name);
  const outcome = workbench.outcome.value;
  const report = workbench.reports.value.get(name);
  const { quantization } = tensor;
  return (
    <section class="card details" aria-labelledby="details-title">
      <div class="row">
        <h2 id="details-title" class="model-name">
          <bdi>{printableName(name)}</bdi>
        </h2>
        <button
          type="button"
          class="button close"
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
          quantization !== undefined && ['Codes', codesWords(quantization)],
          tensor.tiedTo !== undefined && ['Tied to', printable(tensor.tiedTo)],
          planned !== undefined && ['Becomes', decisionWords(planned)],
          planned !== undefined && ['Why', printable(planned.explanation)],
          ...qualityFacts(report),
        ]}
      />
      {workbench.activity.value === 'quantize' && (
        <Select
          label={`Choice for ${printableName(name)}`}
          value={workbench.ownBits.value.get(name)}
          automatic="As all others"
          options={OVERRIDES.map((bits) => [bits, BITS_WORDS[bits]])}
          onChoose={(bits) => workbench.chooseFor([name], bits)}
        />
      )}
      {outcome !== undefined && report !== undefined && (
        <DistributionView outcome={outcome} tensor={name} />
      )}
      {outcome === undefined && planned?.decision === 'quantize' && (
        <p class="quiet">After a run, histograms of its weights and of the error stand here.</p>
      )}
      <Facts
        facts={[
          [
            'In the file',
            `${formatExactBytes(tensor.bytes)} from byte ${formatCount(tensor.offset)}`,
          ],
          planned !== undefined &&
            planned.outputs.length > 0 && [
              'Stored as',
              <ul class="names" key="outputs">
                {planned.outputs.map((output) => (
                  <li key={output.name} title={printable(output.name)}>
                    {partOf(output.name, name)}: {output.dtype} {formatShape(output.shape)},{' '}
                    {formatBytes(output.bytes)}
                  </li>
                ))}
              </ul>,
            ],
        ]}
      />
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

/** `…_scale` of a tensor that it belongs to; the tensor itself is known. */
function partOf(output: string, name: string): string {
  if (output === name) return 'itself';
  return output.startsWith(name) ? `…${printable(output.slice(name.length))}` : printable(output);
}
