/**
 * Bytes that can be read anywhere: a file, a Blob, something behind a URL.
 * A read fills all of `into` or throws a MonoquantError; `into` may be shared memory of the engine.
 */

/** How bytes are moved: blocks in flight at once, and the size of each. */
export interface BlockShape {
  readonly slots: number;
  readonly blockBytes: number;
}

export interface ByteSource {
  /** In bytes; does not change. */
  readonly size: number;
  /** How it likes to be read, if it is not as the host reads its files: what is far away wants more at once. */
  readonly blocks?: BlockShape | undefined;
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
