/**
 * Models that are no paths: what is in memory goes to a temporary file, an open file is read where it is.
 * It exists because an engine reads a file at many places, by its descriptor.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { unexpected } from '../js/api/check.js';
import type { ModelSource, OpenedFile } from './file-types.js';
import { InputFile } from './input-file.js';
import { ModelInput } from './model-input.js';
import { TemporaryFolder } from './temporary-folder.js';
import { writeFailed } from './write-failed.js';

export async function openModel(
  named: ModelSource,
  signal: AbortSignal | undefined,
): Promise<ModelInput> {
  if (typeof named === 'string' || named instanceof URL) return ModelInput.open(named, signal);
  const bytes = bytesOf(named);
  if (bytes !== undefined) return openBytes(bytes);
  if (isHandle(named)) return ModelInput.ofFile(InputFile.ofHandle(named.fd));
  throw unexpected('a path, a URL, bytes, a Blob or a FileHandle', 'model', named);
}

function bytesOf(named: unknown): Uint8Array | Blob | undefined {
  if (named instanceof Uint8Array || named instanceof Blob) return named;
  if (named instanceof ArrayBuffer) return new Uint8Array(named);
  return undefined;
}

function isHandle(named: unknown): named is OpenedFile {
  return (
    typeof named === 'object' && named !== null && 'fd' in named && typeof named.fd === 'number'
  );
}

async function openBytes(bytes: Uint8Array | Blob): Promise<ModelInput> {
  const folder = new TemporaryFolder();
  const path = join(folder.path, 'model');
  try {
    await writeFile(path, bytes instanceof Blob ? bytes.stream() : bytes, { mode: 0o600 });
    return ModelInput.ofFile(InputFile.open(path), () => folder.remove());
  } catch (error) {
    folder.remove();
    throw writeFailed(path, error);
  }
}
