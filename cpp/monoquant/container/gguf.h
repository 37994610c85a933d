// The metadata of a GGUF file: its keys and where its tensors lie.
// It exists because llama.cpp keeps models and statistics of their inputs in such files.
// Versions 2 and 3, both byte orders; every length was checked against the file before it is used.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "monoquant/base/byte_window.h"
#include "monoquant/base/result.h"

namespace monoquant::container {

//  0       4          8              16          24
//  +-------+----------+--------------+-----------+--------+---------+-- padding --+----------+
//  | GGUF  | version  | tensor count | key count | keys … | infos … |    zeros    | data …   |
//  +-------+----------+--------------+-----------+--------+---------+-------------+----------+
//  string  u64 length, bytes
//  key     string name, u32 type, value          array: u32 type, u64 count, values
//  info    string name, u32 dimensions, u64 each, u32 type, u64 offset in the data
//  Source: ggml's docs/gguf.md. Dimensions run fastest first; data begin at a multiple of general.alignment (32).

enum class GgufType : uint8_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64
};

struct GgufKey {
  std::string name;
  GgufType type = GgufType::kU8;
  std::string text; // of a string; else the bytes of the number, little-endian; none for an array
  GgufType element = GgufType::kU8; // of an array
  uint64_t count = 0;               // the same: how many of them
  uint64_t begin = 0;               // of the bytes of type and value, in the file
  uint64_t end = 0;
};

struct GgufTensor {
  std::string name;
  std::vector<uint64_t> shape; // the last dimension runs fastest
  uint32_t type = 0;           // ggml_type
  uint64_t offset = 0;         // in the file
};

struct GgufFile {
  uint32_t version = 0;
  bool big_endian = false;
  uint64_t alignment = 0; // of data, a power of two
  std::vector<GgufKey> keys;
  std::vector<GgufTensor> tensors; // in the order of the file, which need not be that of their data

  /// The text of a key; empty if there is none of that type.
  [[nodiscard]] std::string_view text(std::string_view key) const;
};

bool looks_like_gguf(std::span<const uint8_t> head);

/// Errors: kMalformedFile, kUnsupportedFormat (another version), kLimitExceeded, kFileTruncated.
Result<Parsed<GgufFile>> read_gguf(const ByteWindow &window);

} // namespace monoquant::container
