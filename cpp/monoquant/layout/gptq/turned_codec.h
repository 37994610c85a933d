// Rows to the streams of GPTQ and AWQ, which hold outputs along a row: what is a row of ours is a column there.
// It exists once because these two differ only in how codes and zero points of neighbours share a word.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "monoquant/catalog/catalog.h"
#include "monoquant/layout/layout.h"

namespace monoquant::layout {

/// What shares a word.
enum class WordOrder : uint8_t {
  kInputs, // codes of one output, lowest bits first; zero points of outputs: GPTQ, version 1 (less one) of symmetric codes, else 2
  kOutputs, // of eight outputs, in the order 0 2 4 6 1 3 5 7 (AWQ)
};

/// Streams 0 to 2: codes, zero points, scales (F16). `stored` must outlive it.
std::unique_ptr<RowCodec> make_turned_codec(const Stored &stored, WordOrder order);

/// The bytes of numbers that a stream begins with, as files have them.
template <typename T> std::string bytes_of(std::span<const T> values) {
  // Little-endian, as all targets are.
  return {reinterpret_cast<const char *>(values.data()), values.size_bytes()};
}

/// Why no loader of these formats takes the tensor; "" where they do.
std::string refuse_all_but_linear(const catalog::Tensor &tensor, std::string_view format);

/// Why transformers does not load models of this type from codes whose layers have no parameter `weight`, as a sentence;
/// "" if it does.
std::string fault_without_weights(const catalog::Catalog &catalog, std::string_view format);

/// The modules of Linear layers that stay floats, as loaders may call them, sorted.
std::vector<std::string> modules_left_alone(const catalog::Catalog &catalog,
                                            std::span<const Described> tensors);

} // namespace monoquant::layout
