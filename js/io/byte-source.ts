/**
 * Bytes that can be read anywhere: a file, a Blob, something behind a URL.
 * A read fills all of `into` or throws a MonoquantError; `into` may be shared memory of the engine.
 */
export interface ByteSource {
  /** In bytes; does not change. */
  readonly size: number;
  /**
   * Several reads may be under way at once. `offset + into.length` is at most `size`, and `into` stays
   * valid until the promise settles, so an implementation may read straight into it.
   */
  read(offset: number, into: Uint8Array): Promise<void>;
  /** Rejects if what was read may be a mixture of two versions. Absent where somebody else looks. */
  checkUnchanged?(): Promise<void>;
  /** Lets go of what it has made for itself. Does not throw. */
  close?(): Promise<void>;
}
