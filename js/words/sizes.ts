/**
 * What an output is smaller than: the model that was taken, which may be a small part of its file.
 */

/** A checkpoint with an optimizer has three times as much; headers and padding are no news. */
const MUCH = 0.8;

interface Held {
  /** Of the file, and of the tensors that were taken from it. */
  readonly bytes: number;
  readonly tensorBytes: number;
}

/** Whether so much of the file was not taken that its size says little of the model. */
export function isPartOfFile({ bytes, tensorBytes }: Held): boolean {
  return tensorBytes < MUCH * bytes;
}

/** The bytes to compare with: of the tensors, if they are only a part of the file. */
export function takenBytes(held: Held): number {
  return isPartOfFile(held) ? held.tensorBytes : held.bytes;
}
