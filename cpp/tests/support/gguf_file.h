// GGUF files in memory: made without the engine's own reader.
// It exists so that a test says which keys, tensors and bytes a file has, in either byte order and version.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace monoquant::test {

/// Writes what the format says, in either byte order.
class GgufWriter {
public:
  explicit GgufWriter(bool big_endian = false) : swaps_(big_endian) {}

  template <typename T> GgufWriter &number(T value) {
    std::array<uint8_t, sizeof(T)> bytes;
    std::memcpy(bytes.data(), &value, sizeof(T));
    if (swaps_) {
      std::reverse(bytes.begin(), bytes.end());
    }
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  GgufWriter &raw(std::string_view text) {
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    return *this;
  }
  GgufWriter &text(std::string_view text) {
    number(static_cast<uint64_t>(text.size()));
    return raw(text);
  }
  GgufWriter &pad(size_t alignment) {
    bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment);
    return *this;
  }
  [[nodiscard]] const std::vector<uint8_t> &bytes() const { return bytes_; }

private:
  std::vector<uint8_t> bytes_;
  bool swaps_;
};

struct GgufFileTensor {
  std::string name;
  uint32_t type = 0;           // ggml_type
  std::vector<uint64_t> shape; // the last dimension runs fastest
  std::vector<uint8_t> bytes;
};

struct GgufFileKey {
  std::string name;
  uint32_t type = 8; // gguf_type
  std::vector<uint8_t> value;
};

/// A value as it stands in a file.
template <typename T> std::vector<uint8_t> gguf_number(T value, bool big_endian = false) {
  return GgufWriter(big_endian).number(value).bytes();
}
inline GgufFileKey gguf_text(std::string name, std::string_view text, bool big_endian = false) {
  return {std::move(name), 8, GgufWriter(big_endian).text(text).bytes()};
}

struct GgufFileParts {
  std::vector<GgufFileKey> keys;
  std::vector<GgufFileTensor> tensors;
  uint32_t version = 3;
  bool big_endian = false;
};

inline std::vector<uint8_t> make_gguf(const GgufFileParts &parts) {
  constexpr size_t kAlignment = 32;
  GgufWriter out(parts.big_endian);
  out.raw("GGUF").number(parts.version);
  out.number(uint64_t{parts.tensors.size()}).number(uint64_t{parts.keys.size()});
  for (const GgufFileKey &key : parts.keys) {
    out.text(key.name).number(key.type);
    out.raw({reinterpret_cast<const char *>(key.value.data()), key.value.size()});
  }
  uint64_t offset = 0;
  for (const GgufFileTensor &tensor : parts.tensors) {
    out.text(tensor.name).number(static_cast<uint32_t>(tensor.shape.size()));
    for (size_t i = tensor.shape.size(); i-- > 0;) {
      out.number(tensor.shape[i]);
    }
    out.number(tensor.type).number(offset);
    offset += (tensor.bytes.size() + kAlignment - 1) / kAlignment * kAlignment;
  }
  for (const GgufFileTensor &tensor : parts.tensors) {
    out.pad(kAlignment);
    out.raw({reinterpret_cast<const char *>(tensor.bytes.data()), tensor.bytes.size()});
  }
  return out.bytes();
}

} // namespace monoquant::test
