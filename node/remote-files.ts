/**
 * A model behind a URL, as other models are: its files, and its folder, which is brought here once somebody needs it.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Address } from '../js/url/address.js';
import { openRemote } from '../js/url/remote.js';
import { RemoteInput } from '../js/url/remote-input.js';
import { openRemoteModel } from '../js/url/remote-model.js';
import type { ModelFiles } from './opened-files.js';
import { TemporaryFolder } from './temporary-folder.js';
import { clientFor } from './url/client.js';
import { environmentOf } from './url/environment.js';
import { writeFailed } from './write-failed.js';

/** `release` is to be called when the model is closed. */
export async function openBehindUrl(
  address: Address,
  signal: AbortSignal | undefined,
): Promise<{ readonly files: ModelFiles; readonly release: () => void }> {
  const client = clientFor(environmentOf(process.env));
  const { folder, ...files } = await openRemoteModel(address, client, signal);
  if (folder === undefined) return { files, release: () => {} };
  const { names, config, bring } = folder;
  let copy: TemporaryFolder | undefined;
  const fetched = async () => {
    const made = new TemporaryFolder();
    copy = made;
    await bring((name, content) => write(join(made.path, name), content));
    return made.path;
  };
  let path: Promise<string> | undefined;
  return {
    files: {
      ...files,
      folder: {
        names,
        path: () => {
          path ??= fetched();
          return path;
        },
        ...(config && { config }),
      },
    },
    release: () => copy?.remove(),
  };
}

/** One file, whatever is beside it. */
export async function openFileBehindUrl(
  { url, name }: Address,
  signal: AbortSignal | undefined,
): Promise<RemoteInput> {
  const client = clientFor(environmentOf(process.env));
  return new RemoteInput(name, await openRemote(url, client, signal), client);
}

function write(path: string, content: Uint8Array): void {
  try {
    writeFileSync(path, content);
  } catch (error) {
    throw writeFailed(path, error);
  }
}
