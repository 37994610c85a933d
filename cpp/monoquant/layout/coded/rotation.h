// The rotation that some codes were made under, undone: neighbours of a row are multiplied by a Hadamard matrix.
// Source: comfy-kitchen's ConvRot. The matrix is the Kronecker power of H4 / 2, symmetric and its own inverse:
//
//         1  1  1 -1
//   H4 =  1  1 -1  1
//         1 -1  1  1
//        -1  1  1  1
#pragma once

#include <span>

namespace monoquant::layout::coded {

/// A power of 4.
constexpr bool is_rotated_count(uint64_t count) {
  while (count > 1 && count % 4 == 0) {
    count /= 4;
  }
  return count == 1;
}

/// In f32, in passes of four values each, those that are neighbours first.
inline void rotate(std::span<float> values) {
  for (size_t step = 1; step < values.size(); step *= 4) {
    for (size_t at = 0; at < values.size(); at += at % step == step - 1 ? 3 * step + 1 : 1) {
      const float a = values[at];
      const float b = values[at + step];
      const float c = values[at + 2 * step];
      const float d = values[at + 3 * step];
      values[at] = 0.5F * (a + b + c - d);
      values[at + step] = 0.5F * (a + b - c + d);
      values[at + 2 * step] = 0.5F * (a - b + c + d);
      values[at + 3 * step] = 0.5F * (-a + b + c + d);
    }
  }
}

} // namespace monoquant::layout::coded
