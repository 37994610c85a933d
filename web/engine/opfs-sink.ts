/**
 * An output in the origin's private file system, for what does not fit into memory.
 * It exists because a file there can be saved by the browser without passing through the page.
 * Counts are compared exactly: a full disk is reported as a huge count, not as an exception.
 */
import { MonoquantError } from '../../js/api/errors.js';
import type { ByteSink } from '../../js/io/byte-sink.js';
import { privateFolder } from './private-file.js';

export class OpfsSink implements ByteSink<Blob> {
  readonly size: number;
  readonly #file: FileSystemFileHandle;
  readonly #handle: FileSystemSyncAccessHandle;

  private constructor(
    size: number,
    file: FileSystemFileHandle,
    handle: FileSystemSyncAccessHandle,
  ) {
    this.size = size;
    this.#file = file;
    this.#handle = handle;
  }

  /** Rejects where the browser has no private files. Whatever the file held is gone. */
  static async open(name: string, size: number): Promise<OpfsSink> {
    const folder = await privateFolder();
    const file = await folder.getFileHandle(name, { create: true });
    if (file.createSyncAccessHandle === undefined)
      throw new Error('no synchronous access to files');
    const handle = await file.createSyncAccessHandle();
    // Some Safari versions answer this, flush, getSize and close with promises.
    await handle.truncate(0);
    return new OpfsSink(size, file, handle);
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    const count = this.#handle.read(into, { at: offset });
    if (count === into.length) return;
    throw new MonoquantError(
      'read-failed',
      `The output ends before its byte ${offset + into.length}.`,
      {
        offset,
      },
    );
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    let count: number;
    try {
      count = this.#handle.write(bytes, { at: offset });
    } catch (cause) {
      throw writeFailed(cause);
    }
    if (count !== bytes.length) throw writeFailed();
  }

  /** `expected`: how long it has become, if that was not known before. */
  async finish(expected = this.size): Promise<Blob> {
    await this.#handle.flush();
    const size = await this.#handle.getSize();
    await this.#handle.close();
    if (size !== expected) throw writeFailed();
    return this.#file.getFile();
  }

  async abort(): Promise<void> {
    try {
      await this.#handle.truncate(0);
      await this.#handle.close();
    } catch {
      // Closed already; whoever claimed the name removes the file.
    }
  }
}

function writeFailed(cause?: unknown): MonoquantError {
  return new MonoquantError(
    'write-failed',
    'The browser took only a part of the output: its storage is probably full.',
    { suggestion: 'Make room on the disk, and do not use a private window.', cause },
  );
}
