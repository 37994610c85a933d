/**
 * About how much of a file zstd would leave, without zstd: from how often each byte occurs.
 * It exists because what compresses is loaded only once somebody wants it. Codes of weights have no repetitions, only
 * values that are more frequent than others; of such bytes zstd saves what their entropy says, block by block.
 */

/** What zstd makes one table of frequencies for. */
const BLOCK_BYTES = 128 << 10;
/** Spread over the file, from its first byte to its last: a model is not the same everywhere. */
const BLOCKS = 16;
/** For the table itself, at most. */
const TABLE_BYTES = 128;

/** From 0 to 1, as the part of the bytes that is left. */
export async function leftByCompression(file: Blob): Promise<number> {
  const count = Math.min(BLOCKS, Math.max(1, Math.floor(file.size / BLOCK_BYTES)));
  const step = count === 1 ? 0 : (file.size - BLOCK_BYTES) / (count - 1);
  let bytes = 0;
  let left = 0;
  for (let block = 0; block < count; block++) {
    const begin = Math.floor(block * step);
    const part = new Uint8Array(await file.slice(begin, begin + BLOCK_BYTES).arrayBuffer());
    bytes += part.length;
    left += Math.min(part.length, bitsOf(part) / 8 + TABLE_BYTES);
  }
  return bytes === 0 ? 1 : left / bytes;
}

/** That the bytes take if each has a code as long as it is seldom. No code is shorter than a bit. */
function bitsOf(bytes: Uint8Array): number {
  const counts = new Uint32Array(256);
  for (const byte of bytes) counts[byte] = (counts[byte] ?? 0) + 1;
  let bits = 0;
  for (const count of counts) {
    if (count > 0) bits += count * Math.max(1, Math.log2(bytes.length / count));
  }
  return bits;
}
