// Which type llama-quantize gives each tensor for one of its named mixtures, such as "Q4_K_M".
// It exists because a mixture is no type: values, down projections and the output get more bits, and rows that a type's
// blocks do not divide get another type.
// Source: llama.cpp, src/llama-quant.cpp (October 2026). Nothing here reads a weight.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "monoquant/base/result.h"

namespace monoquant::llama_cpp {

/// The types that mixtures are made of, by ggml's own numbers (ggml_type).
enum class GgmlType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ40 = 2,
  kQ41 = 3,
  kQ50 = 6,
  kQ51 = 7,
  kQ80 = 8,
  kQ2K = 10,
  kQ3K = 11,
  kQ4K = 12,
  kQ5K = 13,
  kQ6K = 14,
  kIq4Nl = 20,
  kIq4Xs = 23,
  kBf16 = 30,
  kMxfp4 = 39,
};

/// Mixtures by the number that a file says of itself: general.file_type (llama_ftype).
enum class Mixture : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ40 = 2,
  kQ41 = 3,
  kQ80 = 7,
  kQ50 = 8,
  kQ51 = 9,
  kQ2K = 10,
  kQ3KS = 11,
  kQ3KM = 12,
  kQ3KL = 13,
  kQ4KS = 14,
  kQ4KM = 15,
  kQ5KS = 16,
  kQ5KM = 17,
  kQ6K = 18,
  kQ2KS = 21,
  kIq4Nl = 25,
  kIq4Xs = 30,
  kBf16 = 32,
  kMxfp4Moe = 38,
};

/// "Q4_K_M" → kQ4KM, whatever the case of its letters. "Q3_K", "Q4_K" and "Q5_K" are those with _M. Nothing for others.
std::optional<Mixture> mixture_from_name(std::string_view name);
std::string_view mixture_name(Mixture mixture);

/// Values in one block of a type; rows are whole blocks.
uint32_t block_values(GgmlType type);

/// What the choice goes by beside names and shapes.
struct MixtureFacts {
  std::string_view architecture; // general.architecture
  uint32_t layers = 0;           // block_count
  uint32_t heads = 0;            // attention.head_count
  uint32_t kv_heads = 0;         // attention.head_count_kv
  uint32_t experts = 0;          // expert_count
};

struct MixtureTensor {
  std::string_view name;
  std::span<const uint64_t> shape; // the last dimension is that of a row
  GgmlType kept = GgmlType::kF32;  // its type if it is not quantized
};

/// The order in which llama-quantize writes tensors: those of no layer, then layer by layer, by name.
std::vector<size_t> mixture_order(std::span<const MixtureTensor> tensors);

/// A type for each tensor, in the order in which they are given. `has_importance`: what each column of inputs weighs is
/// known. Errors: kInvalidOptions where a mixture cannot do without that.
Result<std::vector<GgmlType>> mixture_types(Mixture mixture, const MixtureFacts &facts,
                                            std::span<const MixtureTensor> tensors,
                                            bool has_importance);

} // namespace monoquant::llama_cpp
