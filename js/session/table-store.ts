/**
 * Where a host keeps tables of sensitivities that were measured, for calls to come.
 * It exists because people try several budgets on one model, and measuring it is most of the work of each.
 */
import type { Json } from '../api/json.js';
import type { Sensitivity } from '../api/sensitivity.js';
import type { CalibrationPart } from './calibrate.js';

/** What a table follows from, beside the contents of files. */
export interface TableQuestion<Source> {
  /** All that was asked, as text. */
  readonly asked: string;
  readonly calibration: readonly CalibrationPart<Source>[];
  /** Weights that are encoded to measure it: what the answer is worth. */
  readonly work: number;
}

export interface TableStore<Source> {
  /** The table that was kept, or what takes the one that is measured now. */
  find(question: TableQuestion<Source>): Promise<KeptTable>;
}

export interface KeptTable {
  readonly known: Json<Sensitivity> | undefined;
  /** Done when it is kept, or cannot be: that is no failure of the call. Without a table nothing is to be kept. */
  keep(table: Json<Sensitivity> | undefined): Promise<void>;
}

/** Whether JSON says all of it: it has no infinities. */
export function isWhole(table: Sensitivity): boolean {
  return table.tensors.every(({ cells }) =>
    cells.every(
      ({ error, outputError = 0, executedError = 0 }) =>
        Number.isFinite(error) && Number.isFinite(outputError) && Number.isFinite(executedError),
    ),
  );
}
