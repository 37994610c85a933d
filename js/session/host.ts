/**
 * What a host gives to models that callers hold: how its files are named and opened, and where workers come from.
 */
import type { CalibrationInput } from '../api/calibration.js';
import type { ModelOf, ModelTypes } from '../api/model.js';
import type { Opening, RunOptions } from '../api/options.js';
import type { OpenedCalibration } from './calibrate.js';
import type { OpenedModel, SessionFor } from './workplace.js';

/** How a host names files and outputs for its workers, besides what callers see of it. */
export interface HostTypes extends ModelTypes {
  source: unknown;
  sink: unknown;
  output: unknown;
}

export interface Host<Types extends HostTypes> {
  /** Whether outputs have paths, so that `output` and `force` mean something. */
  readonly hasPaths: boolean;
  startSession(run: RunOptions): SessionFor<Types['source'], Types['sink'], Types['output']>;
  openModel(
    named: Types['named'],
    signal: AbortSignal | undefined,
  ): Promise<OpenedModel<Types['source']>>;
  handle(
    named: Types['named'],
    input: OpenedModel<Types['source']>,
    options: HandleOptions,
  ): OpenHandle<Types>;
  openCalibration(
    inputs: readonly CalibrationInput[],
    signal: AbortSignal | undefined,
  ): Promise<OpenedCalibration<Types['source']>>;
}

/** A model that a caller holds, before what is in it was read. */
export interface OpenHandle<Types extends HostTypes> extends ModelOf<Types> {
  readCatalog(run: RunOptions): Promise<void>;
}

export interface HandleOptions {
  readonly opening: Opening;
  /** Its engine and threads hold for all calls. */
  readonly run: RunOptions;
  /** Whether tensors stored as codes are seen as values. */
  readonly joined?: boolean;
  /** Whether its caller has taken a turn for its engine, for as long as it is open. */
  readonly hasTurn?: boolean;
}
