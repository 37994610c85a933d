#include "monoquant/run/stage.h"

#include <algorithm>

#include "monoquant/run/tiling.h"

namespace monoquant::run {

Stage::Stage(size_t slots, size_t block_bytes, uint64_t file_bytes)
    : block_bytes_(static_cast<size_t>(
          std::min(std::max<uint64_t>(block_bytes, kMaxUnitBytes), file_bytes))) {
  for (size_t slot = 0; slot < std::max<size_t>(slots, 1); ++slot) {
    inputs_.emplace_back(block_bytes_);
  }
}

} // namespace monoquant::run
