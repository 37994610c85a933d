/**
 * What an output shows that was made to be looked at: which channels and weights make its errors, and what its layers
 * compute from their codes. It exists beside the measuring because that needs no output, and this does.
 */
import { parseJson } from '../api/json.js';
import type { LayerChoices } from '../api/sensitivity.js';
import type { Calibration, Configuration } from '../api/types.js';
import type { OutlierResult, TrialLayer } from '../engine/wasm.js';
import { AS_DATA, calibrationOf } from './calibrate.js';
import type { Look } from './look.js';
import { type RemoteFile, withFile } from './session.js';

/** What the engine executes: codes as compressed-tensors packs them, of these widths. */
export function isExecuted(
  { format }: Pick<Configuration, 'format'>,
  bits: LayerChoices['bits'],
): boolean {
  return format === 'compressed-tensors' && (bits === 4 || bits === 8);
}

export interface Examined {
  readonly outliers?: OutlierResult['tensors'];
  /** What is known of the inputs; null: nothing. */
  readonly calibration?: Calibration | null;
  /** Squared errors of outputs by squared outputs, by the names of the tensors whose layers were executed. */
  readonly executed?: ReadonlyMap<string, number>;
}

export interface Examination<Source, Sink, Output> {
  /** The model as a reference: its codes, if it has any, as values. */
  readonly reference: () => Promise<RemoteFile<Source, Sink, Output>>;
  /** Captured inputs to execute layers on, if they are to be executed. */
  readonly data: Source | undefined;
  readonly wantsOutliers: boolean;
  readonly signal: AbortSignal | undefined;
}

export function examine<Source, Sink, Output>({
  reference: open,
  data,
  wantsOutliers,
  signal,
}: Examination<Source, Sink, Output>): Look<Source, Sink, Output, Examined> {
  return async (model, output) => {
    const { number: reference } = await open();
    const found: Examined = wantsOutliers ? await outliersOf(model, output, reference, signal) : {};
    if (data === undefined) return found;
    const trial = await withFile(output.session, data, AS_DATA, signal, (inputs) =>
      output.request('trial', { reference, data: inputs.number }, { signal }),
    );
    return { ...found, executed: executedOf(parseJson(trial).layers) };
  };
}

async function outliersOf<Source, Sink, Output>(
  model: RemoteFile<Source, Sink, Output>,
  output: RemoteFile<Source, Sink, Output>,
  reference: number,
  signal: AbortSignal | undefined,
): Promise<Examined> {
  const known = await calibrationOf(model, signal);
  const answer = await output.request('outliers', { reference, known }, { signal });
  return {
    outliers: parseJson(answer).tensors,
    calibration: known === null ? null : parseJson(known),
  };
}

/** Of layers that had captured inputs: others say nothing of this model. */
function executedOf(layers: readonly TrialLayer[]): ReadonlyMap<string, number> {
  return new Map(
    layers.flatMap(({ tensors, inputs, failure, sqnrDb }) => {
      if (inputs !== 'captured' || failure !== undefined || sqnrDb === undefined) return [];
      const error = sqnrDb === null ? 0 : 10 ** (-sqnrDb / 10);
      return tensors.map((name) => [name, error] as const);
    }),
  );
}
