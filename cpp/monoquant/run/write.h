// A run of output bytes and the place in the file where it goes.
// It exists for those who make bytes and those who hand them on alike.
// The bytes belong to whoever made the piece.
#pragma once

#include <cstdint>
#include <span>

namespace monoquant::run {

struct Write {
  uint64_t offset = 0;
  std::span<const uint8_t> bytes;
};

} // namespace monoquant::run
