/**
 * The Model that a session holds open.
 * It exists because opening and planning are the same in every host.
 * What the host opened is released once, after the worker has ended.
 */
import { MonoquantError } from '../api/errors.js';
import type { Model } from '../api/model.js';
import { nearest } from '../api/nearest.js';
import { type Opening, type RunOptions, resolveConfiguration } from '../api/options.js';
import type { PlanOptions } from '../api/plan-options.js';
import { type TensorData, tensorData } from '../api/tensor-data.js';
import type { Catalog, Plan } from '../api/types.js';
import { openOptions, parsePlan } from './quantize.js';
import type { Session } from './session.js';

/** Takes over the session: it is closed with the model, or here when this fails. */
export async function openModel<Source>(
  session: Session<Source, unknown, unknown>,
  source: Source,
  opening: Opening,
  run: RunOptions,
  release: () => void,
  joinQuantized = false,
): Promise<Model> {
  try {
    const options = openOptions(opening, joinQuantized);
    const catalog = await session.request('open', { source, options }, { signal: run.signal });
    return new SessionModel(session, JSON.parse(catalog) as Catalog, opening, release);
  } catch (error) {
    await session.close();
    throw error;
  }
}

class SessionModel<Source> implements Model {
  readonly catalog: Catalog;
  readonly #session: Session<Source, unknown, unknown>;
  readonly #opening: Opening;
  #release: (() => void) | undefined;

  constructor(
    session: Session<Source, unknown, unknown>,
    catalog: Catalog,
    opening: Opening,
    release: () => void,
  ) {
    this.catalog = catalog;
    this.#session = session;
    this.#opening = opening;
    this.#release = release;
  }

  async plan(options: PlanOptions = {}): Promise<Plan> {
    const configuration = resolveConfiguration(options, this.#opening);
    const plan = await this.#session.request('plan', { configuration, unfit: [] });
    return parsePlan(configuration, plan);
  }

  async tensor(name: string): Promise<TensorData> {
    const index = this.catalog.tensors.findIndex((candidate) => candidate.name === name);
    const info = this.catalog.tensors[index];
    if (info === undefined) {
      const names = this.catalog.tensors.map((candidate) => candidate.name);
      const meant = nearest(name, names);
      throw new MonoquantError('pattern-unmatched', `There is no tensor "${name}" in the file.`, {
        suggestion: meant === undefined ? undefined : `Did you mean "${meant}"?`,
      });
    }
    const bytes = await this.#session.request('tensor', { index });
    return tensorData(name, info.dtype, info.shape, bytes);
  }

  async *[Symbol.asyncIterator](): AsyncIterator<TensorData> {
    for (const { name } of this.catalog.tensors) yield await this.tensor(name);
  }

  async close(): Promise<void> {
    await this.#session.close();
    this.#release?.();
    this.#release = undefined;
  }
}
