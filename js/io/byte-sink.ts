/**
 * A place for an output whose size is known before its first byte, written in any order.
 * A write takes all bytes or throws a MonoquantError; nothing is visible to users before `finish`.
 */
import type { ByteSource } from './byte-source.js';

/** `Output` is what the host gets in the end, such as a Blob. */
export interface ByteSink<Output> extends ByteSource {
  /** What is written is gone: nothing can be read back. */
  readonly drops?: true;
  /**
   * Several writes may be under way at once, and none of them overlap. `bytes` stays valid and
   * unchanged until the promise settles, so an implementation may write straight from it.
   */
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** Every byte was written: checks that they are there, and lets go of the place. */
  finish(): Promise<Output>;
  /** What was written is void. Does not throw. */
  abort(): Promise<void>;
}
