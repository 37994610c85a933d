/**
 * How the layers of a model and what is before them trade magnitudes: which they are, and by how much, which follows
 * from their weights and from what is known of their inputs.
 */
import type { Catalog } from '../api/catalog.js';
import { type Json, parseJson, toJson } from '../api/json.js';
import type { ModelClass } from '../api/model-config.js';
import { findRescalings, type Rescalings } from '../api/rescaling.js';
import { type Warning, warningOf } from '../api/warning.js';
import type { RescaleRequest, RescaleResult } from '../engine/engine-options.js';

export interface Rescaling {
  /** For the engine, which has made it. */
  readonly rescales: Json<RescaleResult['rescales']>;
  readonly warnings: readonly Warning[];
}

/** `choose`: has the engine read weights. */
export async function rescalingOf(
  catalog: Catalog,
  model: ModelClass | undefined,
  smooth: RescaleRequest['smooth'],
  choose: (request: Json<RescaleRequest>) => Promise<Json<RescaleResult>>,
): Promise<Rescaling> {
  const found = findRescalings(catalog, model);
  const pairs = found.pairs.map(({ name: _, bias, ...pair }) => ({
    ...pair,
    ...(bias === undefined ? {} : { bias }),
  }));
  const { rescales, left } =
    pairs.length === 0
      ? { rescales: [], left: [] }
      : parseJson(await choose(toJson({ smooth, pairs })));
  return { rescales: toJson(rescales), warnings: warningsOf(found, rescales.length, left) };
}

const NO_GAIN = 'nothing is gained';

function warningsOf(
  found: Rescalings,
  rescaled: number,
  left: RescaleResult['left'],
): readonly Warning[] {
  const stay = [
    ...found.left,
    ...left.map(({ pair, reason }) => ({ name: found.pairs[pair]?.name ?? '', reason })),
  ];
  const unasked = stay.filter(({ reason }) => reason !== NO_GAIN);
  const [first] = unasked;
  if (first !== undefined) {
    const all = rescaled === 0 && found.pairs.length === 0;
    return warningOf(
      'not-rescaled',
      all
        ? `No layers are rescaled, and all are left alone: ${first.reason}.`
        : `What these compute is left alone by rescaling. Of the first: ${first.reason}.`,
      unasked.map(({ name }) => name),
    );
  }
  if (rescaled > 0) return [];
  const message = 'No layers are rescaled, and all are left alone: nothing would be gained.';
  return [{ code: 'not-rescaled', message, tensors: [], total: 0 }];
}
