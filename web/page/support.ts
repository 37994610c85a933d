/**
 * What the page needs of a browser.
 * It exists because a missing feature otherwise shows as an error that nobody understands.
 * Looks at what works, not at which browser it is.
 */

/** A module whose only function needs 128-bit SIMD: `i8x16.splat(0)`, dropped. */
const SIMD_MODULE = Uint8Array.of(
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0], // \0asm, version 1
  ...[1, 4, 1, 0x60, 0, 0], // type: () → ()
  ...[3, 2, 1, 0], // one function of it
  ...[10, 9, 1, 7, 0, 0x41, 0, 0xfd, 0x0f, 0x1a, 0x0b], // i32.const 0, i8x16.splat, drop, end
);

/** The name of something that is not there. */
export function missingFeature(): string | undefined {
  if (typeof WebAssembly !== 'object') return 'WebAssembly';
  if (!WebAssembly.validate(SIMD_MODULE)) return 'WebAssembly with SIMD';
  if (typeof Worker === 'undefined') return 'web workers';
  if (typeof Blob.prototype.arrayBuffer !== 'function') return 'reading of files in parts';
  return undefined;
}
