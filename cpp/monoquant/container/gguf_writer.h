// The first bytes of a GGUF file that is written: its keys, and where its tensors will lie.
// It exists so that who knows keys and tensors need not know the container; container/gguf.h has the drawing.
// Version 3, little-endian; every tensor begins at a multiple of 32, and the file ends at one.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "monoquant/base/result.h"

namespace monoquant::container {

/// What ggml itself allows: names under 64 bytes, four dimensions.
inline constexpr size_t kMaxGgufName = 63;
inline constexpr size_t kMaxGgufDimensions = 4;
/// What ComfyUI-GGUF and stable-diffusion.cpp read.
inline constexpr size_t kMaxDiffusionName = 127;
inline constexpr uint64_t kGgufAlignment = 32;

/// A value as another file has it: the bytes of its type and of itself, little-endian.
struct GgufRaw {
  std::string bytes;
};

/// The value of a key. Its alternative says which type the file has.
using GgufValue =
    std::variant<bool, uint16_t, int32_t, uint32_t, uint64_t, float, std::string,
                 std::vector<int32_t>, std::vector<float>, std::vector<std::string>, GgufRaw>;

/// Keys in the order in which they are written, each once.
class GgufKeys {
public:
  struct Key {
    std::string name;
    GgufValue value;
  };

  /// A key that is there already keeps its place and takes the new value. A text or list of nothing is not set:
  /// gguf-py writes none, either.
  void set(std::string_view name, GgufValue value);
  /// One that is there already moves behind all others, as ggml's own functions have it.
  void set_last(std::string_view name, GgufValue value);
  void remove(std::string_view name);
  /// All of the others', one after the other.
  void append(GgufKeys others);
  /// Nothing where there is no such key.
  [[nodiscard]] const GgufValue *find(std::string_view name) const;
  [[nodiscard]] std::span<const Key> all() const { return keys_; }

private:
  std::vector<Key> keys_;
};

/// A tensor that is written.
struct GgufOutput {
  std::string name;
  std::vector<uint64_t> shape; // the last dimension runs fastest
  uint32_t type = 0;           // ggml_type
  uint64_t bytes = 0;          // of its data, without padding
  uint64_t offset = 0;         // in the file: what layout_gguf() says
};

struct GgufLayout {
  std::vector<uint8_t> header; // up to the first byte of data
  uint64_t file_bytes = 0;     // with the zeros behind the last tensor
};

/// Gives the tensors their places, in the order in which they stand, and makes the header.
/// `longest_name`: readers of diffusion models take longer ones than ggml.
/// Errors: kLimitExceeded (names and dimensions that are not read, sizes beyond 2^53), kInvalidOptions (a name twice).
Result<GgufLayout> layout_gguf(const GgufKeys &keys, std::span<GgufOutput> tensors,
                               size_t longest_name = kMaxGgufName);

} // namespace monoquant::container
