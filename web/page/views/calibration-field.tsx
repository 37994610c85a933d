/**
 * Captured inputs of the model's layers, for static activations and better scales.
 * It exists because reading them takes a while, and can be ended.
 * What was read stays until another model comes.
 */
import { OBSERVERS, type Observer } from 'monoquant';
import { formatPlural } from '../../../js/words/format.js';
import { withOption } from '../choice.js';
import { NumberField, Select } from './field.js';
import { FileButton } from './file-button.js';
import { FaultNotice, Warnings } from './notice.js';
import type { ViewProps } from './view-props.js';
import { WorkProgress } from './work-progress.js';

export function CalibrationField({ workbench }: ViewProps) {
  const data = workbench.data.value;
  return (
    <div class="field">
      <span class="label">Calibration</span>
      <small>
        Captured inputs of layers (.safetensors, .npz, .pt, or a calibration.json): scales of inputs
        can be stored, and searched scales weigh what matters.
      </small>
      {data === undefined ? (
        <FileButton
          class="button"
          accept=".safetensors,.npz,.pt,.json"
          multiple
          onFiles={(files) => workbench.calibrate(files)}
        >
          Choose captured inputs
        </FileButton>
      ) : (
        <p class="row">
          <span>
            {data.names.join(', ')}:{' '}
            {formatPlural(Object.keys(data.calibration.modules).length, 'layer')}
          </span>
          <button type="button" class="button" onClick={() => workbench.dropCalibration()}>
            Take it out
          </button>
        </p>
      )}
      <WorkProgress work={workbench.calibrating} words={{ calibrate: 'Reading captured inputs' }} />
      <FaultNotice fault={workbench.calibrating.fault.value} />
      <Warnings warnings={data?.calibration.warnings ?? []} />
      <StaticScales workbench={workbench} />
    </div>
  );
}

const OBSERVER_WORDS: Readonly<Record<Observer, string>> = {
  auto: 'Whatever loses least, layer by layer (auto)',
  minmax: 'Smallest and largest value (minmax)',
  'moving-average': 'Average over batches (moving-average)',
  histogram: 'Smallest error of the histogram (histogram)',
  percentile: 'Without the outermost values (percentile)',
};

function StaticScales({ workbench }: ViewProps) {
  const choice = workbench.choice.value;
  const configuration = workbench.forecast.value.plan?.configuration;
  if (configuration?.mode !== 'static') return null;
  return (
    <>
      <Select
        label="Range of inputs"
        value={choice.observer ?? 'auto'}
        options={OBSERVERS.map((observer) => [observer, OBSERVER_WORDS[observer]])}
        onChoose={(observer) => {
          // Percentiles belong to two of the observers.
          const kept = withOption(choice, 'percentile', undefined);
          workbench.choice.value = withOption(kept, 'observer', observer);
        }}
      />
      {(configuration.observer === 'auto' || configuration.observer === 'percentile') && (
        <NumberField
          label="Percentile"
          value={choice.percentile}
          automatic={99.99}
          min={50}
          max={100}
          step="any"
          onType={(percentile) => {
            workbench.choice.value = withOption(choice, 'percentile', percentile);
          }}
        />
      )}
      <Select
        label="Scheme of inputs"
        value={choice.inputScheme ?? 'symmetric'}
        options={[
          ['symmetric', 'Symmetric'],
          ['asymmetric', 'Asymmetric'],
        ]}
        onChoose={(scheme) => {
          workbench.choice.value = withOption(choice, 'inputScheme', scheme);
        }}
      />
    </>
  );
}
