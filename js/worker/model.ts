/**
 * The Model that a session holds open.
 * It exists because opening and planning are the same in every host.
 * What the host opened is released once, after the worker has ended.
 */
import type { CalibrationInput } from '../api/calibration.js';
import type { Model } from '../api/model.js';
import type { ModelClass } from '../api/model-config.js';
import { type Opening, type RunOptions, resolvePlan } from '../api/options.js';
import type { PlanOptions } from '../api/plan-options.js';
import { type TensorData, tensorData } from '../api/tensor-data.js';
import type { Catalog, Plan, TensorInfo } from '../api/types.js';
import { unknownTensor } from '../api/unknown-tensor.js';
import { isShards, type OneOrShards } from '../engine/shards.js';
import { calibrateWith, type OpenedCalibration } from './calibrate.js';
import { openOptions } from './open-options.js';
import { parsePlan } from './quantize.js';
import type { Session } from './session.js';

/** What a host does for a model. */
export interface ModelHost<Source> {
  openCalibration(inputs: readonly CalibrationInput[]): Promise<OpenedCalibration<Source>>;
  /** Lets go of the model's file. */
  release(): void;
}

export interface OpenJob<Source> {
  readonly source: OneOrShards<Source>;
  readonly modelClass: ModelClass | undefined;
  readonly opening: Opening;
  readonly run: RunOptions;
  readonly host: ModelHost<Source>;
  readonly joinQuantized: boolean;
}

/** Takes over the session: it is closed with the model, or here when this fails. */
export async function openModel<Source>(
  session: Session<OneOrShards<Source>, unknown, unknown>,
  { source, modelClass, opening, run, host, joinQuantized }: OpenJob<Source>,
): Promise<Model> {
  try {
    const options = openOptions(opening, joinQuantized, modelClass);
    const catalog = await session.request('open', { source, options }, { signal: run.signal });
    return new SessionModel(session, withFiles(JSON.parse(catalog), source), opening, host);
  } catch (error) {
    await session.close();
    throw error;
  }
}

/** The engine knows of one file only. */
function withFiles<Source>({ format, ...facts }: Catalog, source: OneOrShards<Source>): Catalog {
  if (!isShards(source)) return { format, ...facts };
  return { format, files: source.shards.map(({ name }) => name), ...facts };
}

class SessionModel<Source> implements Model {
  readonly catalog: Catalog;
  readonly #session: Session<OneOrShards<Source>, unknown, unknown>;
  readonly #opening: Opening;
  readonly #host: ModelHost<Source>;
  #isOpen = true;

  constructor(
    session: Session<OneOrShards<Source>, unknown, unknown>,
    catalog: Catalog,
    opening: Opening,
    host: ModelHost<Source>,
  ) {
    this.catalog = catalog;
    this.#session = session;
    this.#opening = opening;
    this.#host = host;
  }

  async plan(options: PlanOptions = {}): Promise<Plan> {
    const { configuration, calibration } = resolvePlan(options, this.#opening);
    const opened = await this.#host.openCalibration(calibration);
    try {
      const { json, warnings } = await calibrateWith(this.#session, opened.parts, {});
      opened.checkUnchanged();
      const parameters = { configuration, unfit: [], calibration: json };
      const plan = await this.#session.request('plan', parameters);
      return parsePlan(configuration, plan, warnings);
    } finally {
      opened.close();
    }
  }

  async tensor(name: string): Promise<TensorData> {
    const index = this.catalog.tensors.findIndex((candidate) => candidate.name === name);
    const info = this.catalog.tensors[index];
    if (info === undefined) {
      const names = this.catalog.tensors.map((candidate) => candidate.name);
      throw unknownTensor(name, names);
    }
    return this.#read(index, info);
  }

  async *[Symbol.asyncIterator](): AsyncIterator<TensorData> {
    for (const [index, info] of this.catalog.tensors.entries()) yield await this.#read(index, info);
  }

  async #read(index: number, { name, dtype, shape }: TensorInfo): Promise<TensorData> {
    return tensorData(name, dtype, shape, await this.#session.request('tensor', { index }));
  }

  async close(): Promise<void> {
    await this.#session.close();
    if (this.#isOpen) this.#host.release();
    this.#isOpen = false;
  }
}
