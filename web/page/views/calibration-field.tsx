/**
 * Captured inputs of the model's layers, for static activations and better scales.
 * It exists because reading them takes a while, and can be ended.
 * What was read stays until another model comes.
 */
import { OPTIONS } from 'monoquant';
import { formatPlural } from '../../../js/words/format.js';
import { FileButton } from './file-button.js';
import { FaultNotice, Warnings } from './notice.js';
import type { ViewProps } from './view-props.js';
import { WorkProgress } from './work-progress.js';

export function CalibrationField({ workbench }: ViewProps) {
  const data = workbench.data.value;
  return (
    <div class="field">
      <span class="label">{OPTIONS.calibration.control.label}</span>
      <small>
        Captured inputs of layers, or statistics of them (.safetensors, .npz, .pt, imatrix.gguf,
        calibration.json): scales of inputs can be stored, and searched scales weigh what matters.
      </small>
      {data === undefined ? (
        <FileButton
          class="button"
          accept=".safetensors,.npz,.pt,.gguf,.dat,.json"
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
    </div>
  );
}
