/**
 * Where tensors lose, and what would be bought by keeping that in 16 bits, by smaller groups, or by more bits.
 * It exists because the first of the three is what people ask for, and no layout that loaders know stores it.
 */
import { areCodes } from '../api/schemes.js';
import type {
  Concentration,
  Outliers,
  Remedy,
  SensitivityCell,
  SensitivitySetting,
  SensitivityTensor,
  TensorOutliers,
} from '../api/sensitivity.js';
import { examinedSetting } from '../api/sensitivity-options.js';
import type { Calibration, Report } from '../api/types.js';
import type { OutlierResult } from '../engine/wasm.js';
import type { Examined } from './examination.js';
import { cellOf, lossOf } from './losses.js';

/** The same bits in smaller groups. */
export interface FinerOutcome {
  readonly label: string;
  readonly report: Report;
}

interface Found {
  readonly settings: readonly SensitivitySetting[];
  readonly tensors: readonly SensitivityTensor[];
  readonly outcomes: readonly Examined[];
  readonly finer: FinerOutcome | undefined;
}

export function outliersOf({ settings, tensors, outcomes, finer }: Found): Outliers | undefined {
  const setting = examinedSetting(settings);
  const { outliers, calibration } = outcomes[setting] ?? {};
  if (outliers === undefined) return undefined;
  const byName = new Map(outliers.map((each) => [each.name, each]));
  const finerCells = new Map(finer?.report.tensors.map((row) => [row.name, cellOf(row)]));
  const wide = settings.map(({ choices }) => areCodes(choices.bits)).lastIndexOf(true);
  return {
    setting,
    tensors: tensors.flatMap((tensor): TensorOutliers[] => {
      const { name, elements, cells } = tensor;
      const [found, cell] = [byName.get(name), cells[setting]];
      if (found === undefined || cell === undefined) return [];
      const largestInput = largestOf(calibration, name);
      const finerCell = finerCells.get(name);
      return [
        {
          error: lossOf(cell),
          bytes: cell.bytes,
          ...found,
          ...(largestInput !== undefined && { largestInput }),
          remedies: [
            ...kept(found, cell, elements),
            ...(finer && finerCell ? [stored(finer.label, finerCell)] : []),
            ...(wide > setting ? storedIn(settings[wide], cells[wide]) : []),
          ],
        },
      ];
    }),
  };
}

function stored(label: string, cell: SensitivityCell): Remedy {
  return { label, error: lossOf(cell), bytes: cell.bytes, isStorable: true };
}

function storedIn(
  setting: SensitivitySetting | undefined,
  cell: SensitivityCell | undefined,
): readonly Remedy[] {
  if (setting === undefined || cell === undefined) return [];
  return [stored(`${setting.choices.bits} bits`, cell)];
}

/** Of a float. */
const FLOAT_BYTES = 2;
/** Of one weight beside the codes: its column, and its value. */
const SINGLE_BYTES = 4;

/** What floats have, no codes lose; their codes stay where they are, as in LLM.int8() and SpQR. */
function kept(
  { inputs, weights }: Pick<OutlierResult['tensors'][number], 'inputs' | 'weights'>,
  cell: SensitivityCell,
  elements: number,
): readonly Remedy[] {
  const without = (label: string, { share }: Concentration, more: number): Remedy => ({
    label,
    error: lossOf(cell) * (1 - share),
    bytes: cell.bytes + more,
    isStorable: false,
  });
  const channel = (FLOAT_BYTES * elements) / Math.max(1, inputs.members);
  return [
    without('inputs in 16 bits', inputs, inputs.largest * channel),
    without('weights in 16 bits', weights, weights.largest * SINGLE_BYTES),
  ];
}

/** By magnitude, of the inputs of the tensor's layer. */
function largestOf(calibration: Calibration | null | undefined, name: string): number | undefined {
  const range = calibration?.modules[name.replace(/\.[^.]*$/, '')]?.range;
  if (range === undefined || range === null) return undefined;
  const largest = Math.max(...range.map((end) => Math.abs(Number(end))));
  return Number.isFinite(largest) ? largest : undefined;
}
