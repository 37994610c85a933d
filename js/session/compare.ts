/**
 * Looking at two files that are open in one worker. Nothing is written.
 */
import { parseJson } from '../api/json.js';
import { type CompareOptions, type RunOptions, resolveOpen } from '../api/options.js';
import type { Catalog, Comparison, Distribution } from '../api/types.js';
import type { HostTypes } from './host.js';
import type { FileOf, ModelIn, ModelPlace } from './model-place.js';
import type { RemoteFile } from './session.js';
import { withStage } from './stage-progress.js';

type AnyFile = RemoteFile<never, never, unknown>;

/** Opens another file in the same way, and looks at both. */
export async function lookAtBoth<Types extends HostTypes, Answer>(
  place: ModelPlace<Types>,
  named: Types['named'],
  options: CompareOptions,
  look: (first: FileOf<Types>, second: FileOf<Types>, run: RunOptions) => Promise<Answer>,
): Promise<Answer> {
  const { run, opening } = resolveOpen({ ...place.opening, ...options });
  place.checkAsOpened(run, opening);
  const open = (model: ModelIn<Types>) => place.open(model, opening, 'unsound', run);
  return place.inTurn(run, () =>
    place.withOther(run, named, async (other) => {
      const second = await open(other ?? place.input);
      const first = await open(place.input);
      return look(first, second, run);
    }),
  );
}

/** `first` is the measure of `second`; both were opened with their quantized tensors joined. */
export async function compareFiles(
  first: AnyFile,
  second: AnyFile,
  run: RunOptions,
): Promise<Comparison> {
  const { version } = await second.session.engine;
  const catalogs = [await first.request('catalog', null), await second.request('catalog', null)];
  const [one, other] = catalogs.map(parseJson) as [Catalog, Catalog];
  const result = await withStage('compare', run, (controls) =>
    second.request('compare', { reference: first.number }, controls),
  );
  const { comparisonOf } = await import('./seldom.js');
  return comparisonOf(version, one, other, parseJson(result));
}

/** Counts the values of a tensor in a model, and in what was made from it. */
export async function countValues(
  first: AnyFile,
  second: AnyFile,
  tensor: string,
  run: RunOptions,
): Promise<Distribution> {
  const counted = await withStage('compare', run, (controls) =>
    second.request('distribution', { reference: first.number, tensor }, controls),
  );
  return parseJson(counted);
}
