// The safetensors container: named tensors behind a JSON header.
// Reader and writer share this header so that one drawing of the layout serves both.
// The reader accepts exactly what tiles the file: no hole, no overlap, no trailing byte, no duplicate name.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "monoquant/base/byte_window.h"
#include "monoquant/base/dtype.h"
#include "monoquant/base/result.h"

namespace monoquant::container {

//  0        8                    8+N                                        end
//  +--------+--------------------+---------+---------+-- ... --+-----------+
//  | u64 N  | N bytes of JSON    | tensor  | tensor  |         | tensor    |
//  +--------+--------------------+---------+---------+-- ... --+-----------+
//  JSON: {"__metadata__":{"k":"v"},"name":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},…}
//  Offsets count from 8+N. Source: the format's documentation and its reader, version 0.8.
inline constexpr uint64_t kSafetensorsPrefix = 8;
inline constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit
inline constexpr uint64_t kMaxExtent = (1ULL << 53U) - 1; // integers that JavaScript holds exactly

struct SafetensorsEntry {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<uint64_t> shape;
  uint64_t offset = 0; // in the file
  uint64_t bytes = 0;
};

using Metadata = std::vector<std::pair<std::string, std::string>>;

struct SafetensorsFile {
  Metadata metadata;                     // in the order of the file
  std::vector<SafetensorsEntry> entries; // in the order of their bytes
};

/// True where the first bytes of a file can be those of a safetensors file: a plausible header length, then
/// white space or '{'. `head` holds the first 9 bytes or more.
bool looks_like_safetensors(std::span<const uint8_t> head, uint64_t file_size);

/// Parses the header. Returns what it lacks, or the whole directory.
/// Errors: kMalformedFile, kFileTruncated, kLimitExceeded, each with the offset in the file.
Result<Parsed<SafetensorsFile>> read_safetensors(const ByteWindow &window);

/// A file about to be written: `offset` of each entry is filled in by `layout_safetensors`.
struct SafetensorsLayout {
  std::string header;        // length prefix, JSON and padding: the file's first bytes
  uint64_t file_bytes = 0;   // header and data
  std::vector<size_t> order; // entries by their place in the file
};

/// Sorts the entries as the format's own writer does (dtype descending, then name), assigns offsets and makes
/// the header, padded with spaces so that the data begins at a multiple of 8. `bytes` must agree with dtype
/// and shape. Errors: kLimitExceeded when the header would be over the format's limit.
Result<SafetensorsLayout> layout_safetensors(const Metadata &metadata,
                                             std::vector<SafetensorsEntry> &entries);

} // namespace monoquant::container
