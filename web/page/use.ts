/**
 * How to load what the page made: the names that it is saved under, and how a folder comes to be complete here.
 */
import type { Report } from 'monoquant';
import { outputSuffix } from '../../js/words/model-stem.js';
import { type Usage, type UsedFolder, usagesOf as usagesFor } from '../../js/words/usage.js';
import type { OpenModel } from './open-model.js';

export interface Used {
  readonly report: Report;
  readonly model: Pick<OpenModel, 'name' | 'folder' | 'config'>;
  readonly file: string;
}

export function usagesOf({ report, model, file }: Used): readonly Usage[] {
  const hasConfig = model.config !== undefined;
  return usagesFor({ report, file, folder: folderOf(report, model), hasConfig });
}

/** What "Save as folder" writes, or could have. */
export function folderOf(
  { configuration }: Report,
  { name, folder = false }: Used['model'],
): UsedFolder {
  const stem = name.replace(/\.\w+$/, '').replace(/[^\w.-]+/g, '-') || 'model';
  return {
    path: `./${stem}${outputSuffix(configuration)}`,
    needs: folder
      ? '"Save as folder" puts all that they look for side by side.'
      : 'They take folders: put the file beside its config.json as model.safetensors, and beside the tokenizer. If you open the whole folder here, "Save as folder" does that.',
  };
}
