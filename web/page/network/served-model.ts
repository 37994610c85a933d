/**
 * The model behind a URL, as it is served to the page: found once, then read in parts.
 */
import { MonoquantError } from '../../../js/api/errors.js';
import { MODEL_CONFIG } from '../../../js/api/model-config.js';
import type { ByteSource } from '../../../js/io/byte-source.js';
import { addressOf } from '../../../js/url/address.js';
import type { Client } from '../../../js/url/client.js';
import type { RemoteInput } from '../../../js/url/remote-input.js';
import { openRemoteModel } from '../../../js/url/remote-model.js';
import { remoteSource } from '../../../js/url/url-source.js';
import type { FoundModel, NetworkCalls } from './protocol.js';

export class ServedModel {
  readonly #client: Client;
  #files: readonly { readonly input: RemoteInput; readonly source: ByteSource }[] = [];

  constructor(client: Client) {
    this.#client = client;
  }

  async open(text: string): Promise<FoundModel> {
    const address = addressOf(withProtocol(text));
    if (address === undefined) {
      throw new MonoquantError('invalid-options', `Expected an https: URL, found "${text}".`);
    }
    const { parts, index, folder, fault } = await openRemoteModel(address, this.#client, undefined);
    if (fault !== undefined) throw fault;
    this.#files = parts.map((input) => ({
      input,
      source: remoteSource(input.file, () => this.#client),
    }));
    const beside = new Map<string, Uint8Array<ArrayBuffer>>();
    if (index !== undefined) beside.set(index.name, await index.content());
    // Of what else is there, the names alone mean something.
    for (const name of folder?.names ?? []) {
      const isConfig = name === MODEL_CONFIG && folder?.config !== undefined;
      beside.set(name, isConfig ? folder.config.content() : new Uint8Array());
    }
    return {
      name: address.name,
      parts: parts.map(({ name, file }) => ({ name, size: file.size })),
      beside: [...beside].map(([name, content]) => ({ name, content })),
    };
  }

  async read({ file, offset, length }: NetworkCalls['read']['given']) {
    const bytes = new Uint8Array(length);
    await this.#file(file).source.read(offset, bytes);
    return bytes;
  }

  async check({ file }: NetworkCalls['check']['given']): Promise<null> {
    await this.#file(file).input.checkUnchanged();
    return null;
  }

  #file(number: number) {
    const file = this.#files[number];
    if (file === undefined) throw new MonoquantError('internal', 'There is no such file.');
    return file;
  }
}

/** As people copy addresses: without what every address begins with. */
function withProtocol(text: string): string {
  const trimmed = text.trim();
  return /^[a-z][a-z\d+.-]*:\/\//i.test(trimmed) ? trimmed : `https://${trimmed}`;
}
