// Little-endian loads and stores at any alignment.
// They exist because tensors start at odd offsets in files that other tools wrote.
// Every supported target is little-endian, so a load is a copy.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace monoquant {

static_assert(std::endian::native == std::endian::little);

template <typename T> T load_le(const uint8_t *from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

template <typename T> void store_le(uint8_t *to, T value) { std::memcpy(to, &value, sizeof(T)); }

inline std::string_view text_view(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}

} // namespace monoquant
