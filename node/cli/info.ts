/**
 * `monoquant info`: shows what is in a model, and what its pickle would reach for.
 * It exists because one wants to know the names and kinds before writing patterns for them.
 * Only the file's metadata is read, and nothing in it is run.
 */
import { MonoquantError } from '../../js/api/errors.js';
import { pickleWarnings } from '../../js/api/file-warnings.js';
import { spokenName } from '../../js/api/spoken-url.js';
import type { Catalog } from '../../js/api/types.js';
import { type Arguments, oneModel } from './arguments.js';
import type { InfoFlag } from './flags.js';
import { printJson, type Session } from './session.js';
import { renderCatalog } from './text-catalog.js';

export async function runInfo(given: Arguments<InfoFlag>, { out, signal }: Session): Promise<void> {
  const { values } = given;
  const path = oneModel('info', given);
  const { load } = await import('../index.js');
  // Nothing is computed: the engine without threads starts soonest.
  const model = await load(path, { signal, threads: 1, ...given.options });
  try {
    if (values.json) printJson(out, model.catalog);
    else out.write(renderCatalog(model.catalog, spokenName(path), out, values.verbose === true));
    if (values.strict) gateDanger(model.catalog);
  } finally {
    await model.close();
  }
}

/** Safe is what is known to be: the rest stops, whatever it is. */
function gateDanger(catalog: Catalog): void {
  const [first] = pickleWarnings(catalog);
  if (first === undefined) return;
  throw new MonoquantError('unsafe-pickle', first.message, {
    suggestion: 'monoquant convert takes out the tensors alone.',
  });
}
