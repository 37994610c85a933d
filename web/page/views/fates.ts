/**
 * What a tensor is to become, or is already, as the colours and the words of the map have it.
 */
import type { PlannedTensor, TensorInfo } from 'monoquant';
import type { Fate } from '../map/colours.js';
import type { Workbench } from '../workbench.js';

export function fateOf(tensor: TensorInfo, planned: PlannedTensor | undefined): Fate {
  if (planned === undefined) return stored(tensor);
  if (planned.quantization !== undefined) return ofBits(planned.quantization.bits);
  return planned.decision === 'convert' ? '16 bits' : 'left alone';
}

/** By the nearest of the two that most choose between. */
function ofBits(bits: number): Fate {
  return bits <= 4 ? '4 bits' : '8 bits';
}

/** Without a plan. */
function stored({ quantization, dtype }: TensorInfo): Fate {
  if (quantization !== undefined) return ofBits(quantization.bits);
  return dtype === 'F16' || dtype === 'BF16' ? '16 bits' : 'left alone';
}

const NO_PLAN: Workbench['planned']['value'] = new Map();

/** Of what is being chosen; nothing is planned for a model that is only looked at. */
export function plannedFates({ activity, planned }: Workbench): Workbench['planned']['value'] {
  return activity.value === 'quantize' ? planned.value : NO_PLAN;
}
