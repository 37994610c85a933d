// The limits that readers, writers and plans share: what is planned and written can be read back.
#pragma once

#include <cstddef>

namespace monoquant {

/// Tensors that a file may list, read or written. The largest published models have 90,000 weights; quantized, each
/// becomes up to four tensors, and most of them do.
inline constexpr size_t kMaxTensors = 400'000;

} // namespace monoquant
