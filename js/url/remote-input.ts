/**
 * A file behind a URL that is open for reading, as an InputFile is: from before the work until after it.
 */
import { isPackedName } from '../api/model-files.js';
import type { Client } from './client.js';
import { RangeReader } from './range-reader.js';
import type { Remote } from './remote.js';

export class RemoteInput {
  /** As an index has it. */
  readonly name: string;
  readonly file: Remote;
  /** Nothing on this machine is it. */
  readonly identity: undefined;
  readonly #client: Client;

  constructor(name: string, file: Remote, client: Client) {
    this.name = name;
    this.file = file;
    this.#client = client;
  }

  /** Undefined if all of it is here. */
  get version(): string | undefined {
    const { file } = this;
    if ('bytes' in file) return undefined;
    return 'etag' in file.version ? file.version.etag : file.version.modified;
  }

  /** By its name: its first bytes would be one more journey. Without one, each thread unpacks for itself. */
  get isZstd(): boolean {
    return isPackedName(this.name);
  }

  /** All of it; the caller has looked at its size. */
  async content(signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const { file } = this;
    const bytes = new Uint8Array(file.size);
    if ('bytes' in file) bytes.set(file.bytes);
    else await new RangeReader(file, this.#client).read(0, bytes, signal);
    return bytes;
  }

  /** Throws if the server has another version by now. */
  async checkUnchanged(): Promise<void> {
    const { file } = this;
    if ('bytes' in file) return;
    await new RangeReader(file, this.#client).checkUnchanged();
  }

  close(): void {
    // Nothing is held: connections are kept for others.
  }
}
