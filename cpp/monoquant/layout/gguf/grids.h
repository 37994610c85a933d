// The grids of the IQ types: which points of eight or four values their codes stand for.
// They are facts of the format that follow from no formula. They are stored as gaps between numbers, in 2 kB for 16 kB of
// points, because pages download the engine.
#pragma once

#include <cstdint>
#include <span>

namespace monoquant::layout::gguf {

enum class Grid : uint8_t {
  kIq2Xxs, // 256 points of eight digits of base 3
  kIq2Xs,  // 512
  kIq2S,   // 1024
  kIq1,    // 2048
  kIq3Xxs, // 256 points of four digits of base 8
  kIq3S,   // 512
};

inline constexpr size_t grid_points(Grid grid) {
  constexpr size_t kPoints[] = {256, 512, 1024, 2048, 256, 512};
  return kPoints[static_cast<size_t>(grid)];
}

/// All points of a grid, by code. The digits of a point are 2 bits each (base 3) or 3 (base 8), that of the first value
/// lowest. `points` has room for all of them.
void unpack_grid(Grid grid, std::span<uint16_t> points);

} // namespace monoquant::layout::gguf
