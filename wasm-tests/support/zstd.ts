/**
 * zstd files that are made by hand: frames whose blocks are stored as they are, which need no compressor.
 * They exist so that every host reads the same files, and so that a test can lie in any field.
 *
 *   magic FD2FB528 | descriptor | window or nothing | content size or nothing | blocks
 *   block: u24 (last, kind 0, size), bytes
 * Sources: RFC 8878; zstd_seekable_compression_format.md of zstd.
 */
import type { Bytes } from '../host/host.js';

const MOST_IN_BLOCK = 128 << 10;

/** `saysSize`: whether the frame says how much it holds. */
export function storedFrame(content: Uint8Array, saysSize = true): Bytes {
  const count = Math.max(1, Math.ceil(content.length / MOST_IN_BLOCK));
  const head = saysSize ? 4 + 1 + 1 + 8 : 4 + 1 + 1;
  const frame = new Uint8Array(head + count * 3 + content.length);
  const view = new DataView(frame.buffer);
  view.setUint32(0, 0xfd2fb528, true);
  view.setUint8(4, saysSize ? 0xc0 : 0);
  view.setUint8(5, 7 << 3); // a window of 128 KiB
  if (saysSize) view.setBigUint64(6, BigInt(content.length), true);
  let at = head;
  for (let block = 0; block < count; block++) {
    const part = content.subarray(block * MOST_IN_BLOCK, (block + 1) * MOST_IN_BLOCK);
    const isLast = block === count - 1;
    view.setUint16(at, (part.length << 3) | (isLast ? 1 : 0), true);
    view.setUint8(at + 2, part.length >> 13);
    frame.set(part, at + 3);
    at += 3 + part.length;
  }
  return frame;
}

/** Frames of `size` bytes each, and a table of them if that is wanted. */
export function storedFrames(content: Uint8Array, size: number, hasTable: boolean): Bytes {
  const frames: Bytes[] = [];
  for (let at = 0; at < content.length; at += size) {
    frames.push(storedFrame(content.subarray(at, at + size)));
  }
  const contents = frames.map((_, index) => Math.min(size, content.length - index * size));
  return joined(
    hasTable
      ? [
          ...frames,
          seekTable(
            frames.map((each) => each.length),
            contents,
          ),
        ]
      : frames,
  );
}

export function seekTable(frames: readonly number[], contents: readonly number[]): Bytes {
  const length = 8 * frames.length + 9;
  const view = new DataView(new ArrayBuffer(8 + length));
  view.setUint32(0, 0x184d2a5e, true);
  view.setUint32(4, length, true);
  frames.forEach((bytes, index) => {
    view.setUint32(8 + 8 * index, bytes, true);
    view.setUint32(12 + 8 * index, contents[index] ?? 0, true);
  });
  view.setUint32(8 * frames.length + 8, frames.length, true);
  view.setUint32(8 * frames.length + 13, 0x8f92eab1, true);
  return new Uint8Array(view.buffer);
}

function joined(parts: readonly Bytes[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
