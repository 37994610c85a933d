/**
 * Models that are too large for memory, as files that are made in no time.
 * It exists because cancelling, flat memory and quick opening show only with size.
 * The same matrix again and again, or zeros that take no room on the disk.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { Folder } from '../support/cli.js';
import { weights } from '../support/models.js';
import { headerOf } from '../support/safetensors.js';

const SHAPE = [1024, 4096];
export const PART_BYTES = 1024 * 4096 * 4;

/** `parts` F32 matrices of 16 MiB each, all with the same values. Returns the path. */
export function writeLarge(folder: Folder, name: string, parts: number): string {
  const matrix = weights('', 'F32', SHAPE).bytes;
  const tensors = Array.from({ length: parts }, (_, index) => ({
    name: `layers.${index}.weight`,
    dtype: 'F32' as const,
    shape: SHAPE,
    bytes: matrix,
  }));
  const file = openSync(folder.at(name), 'w');
  writeSync(file, headerOf(tensors, { format: 'pt' }));
  for (let part = 0; part < parts; part++) writeSync(file, matrix);
  closeSync(file);
  return folder.at(name);
}
