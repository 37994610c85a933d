/**
 * A file behind a URL that is open for reading, as an InputFile is: from before the work until after it.
 */
import { createHash } from 'node:crypto';
import { isPackedName } from '../../js/api/options.js';
import { clientFor } from './client.js';
import { RangeReader } from './range-reader.js';
import type { Remote } from './remote.js';

export class RemoteInput {
  /** As an index has it. */
  readonly name: string;
  readonly file: Remote;
  /** Nothing on this machine is it. */
  readonly identity: undefined;

  constructor(name: string, file: Remote) {
    this.name = name;
    this.file = file;
  }

  get version(): string {
    const { file } = this;
    if ('bytes' in file) return createHash('sha256').update(file.bytes).digest('hex');
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
    else await new RangeReader(file, clientFor(file.environment)).read(0, bytes, signal);
    return bytes;
  }

  /** Throws if the server has another version by now. */
  async checkUnchanged(): Promise<void> {
    const { file } = this;
    if ('bytes' in file) return;
    await new RangeReader(file, clientFor(file.environment)).checkUnchanged();
  }

  close(): void {
    // Nothing is held: connections are kept for others.
  }
}
