// The limits that readers, writers and plans share: what is planned and written can be read back.
#pragma once

#include <cstddef>

namespace monoquant {

/// Tensors that a file may list, read or written. The largest published models have 90,000; of quantized ones the
/// experts of DeepSeek-V3 in INT4 are 134,000. More do not fit into the 256 MiB that WebAssembly has here, together
/// with the plan for them.
inline constexpr size_t kMaxTensors = 300'000;

/// The same of a state dict that is written: its pickle takes more memory to be read than a header.
inline constexpr size_t kMaxSavedTensors = 100'000;

/// Files that a model may be divided into, read or written: the largest published ones have some 200, and a process
/// may have so many open.
inline constexpr size_t kMaxFiles = 1000;

} // namespace monoquant
