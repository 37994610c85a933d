/**
 * `monoquant info`: shows what is in a model.
 * It exists because one wants to know the names and kinds before writing patterns for them.
 * Only the file's metadata is read.
 */
import { type Arguments, oneModel } from './arguments.js';
import type { InfoFlag } from './flags.js';
import { printJson, type Session } from './session.js';
import { renderCatalog } from './text-catalog.js';

export async function runInfo(given: Arguments<InfoFlag>, { out, signal }: Session): Promise<void> {
  const path = oneModel('info', given);
  const { open } = await import('../index.js');
  // Nothing is computed: the engine without threads starts soonest.
  const model = await open(path, { signal, threads: 1 });
  try {
    if (given.values.json) printJson(out, model.catalog);
    else out.write(renderCatalog(model.catalog, path, out, given.values.verbose === true));
  } finally {
    await model.close();
  }
}
