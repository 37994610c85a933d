/**
 * The compiled zstd as TypeScript sees it: the symbols of cpp/bindings/zstd.cc, typed.
 * Lengths are in bytes. What answers a number answers -1 if it failed; `_mz_error` says why.
 */

/** What `input`, `output` and `frames` answer are addresses in HEAPU8, 0 where there is no memory. */
export interface WasmZstd {
  /** A new one whenever the memory has grown. */
  readonly HEAPU8: Uint8Array;
  _mz_input(bytes: number): number;
  _mz_output(bytes: number): number;
  /** Text that ends with 0. */
  _mz_error(): number;
  /** The largest frame that so much content can become. */
  _mz_bound(bytes: number): number;
  _mz_compress(bytes: number, level: number): number;
  _mz_decompress(bytes: number, contentBytes: number): number;
  _mz_stream_begin(): void;
  _mz_stream_step(from: number, end: number): number;
  _mz_stream_taken(): number;
  _mz_stream_is_whole(): number;
  _mz_checksum(isOutput: number, bytes: number): bigint;
  _mz_scan_begin(fileBytes: number): void;
  _mz_scan_offset(): number;
  _mz_scan_length(): number;
  _mz_scan_take(bytes: number): number;
  _mz_content_bytes(): number;
  _mz_is_exact(): number;
  _mz_is_seekable(): number;
  _mz_frame_count(): number;
  _mz_frames(): number;
  _mz_table_begin(): void;
  _mz_table_add(bytes: number, contentBytes: number): void;
  _mz_table_end(): number;
}

/** The default export of monoquant-zstd.mjs. */
export type ZstdFactory = () => Promise<WasmZstd>;
