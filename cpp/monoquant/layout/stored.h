// What is stored of a tensor that becomes codes, and of the inputs of its layer: no names, no plan, no bytes.
#pragma once

#include <cstdint>

#include <optional>
#include <string>

#include "monoquant/layout/gguf/block_types.h"
#include "monoquant/quant/scheme.h"

namespace monoquant::layout {

/// What a runtime wants changed in values before they are stored, in f32.
enum class RowChange : uint8_t {
  kNone,
  kInterleave, // rows of each head: the first half's and the second half's take turns
  kAddOne,     // 1.0 to every value
};

/// Rows of blocks, whose scales are the affair of their type: nothing else of a scheme means anything then.
struct BlockRows {
  gguf::BlockType type = gguf::BlockType::kF32;
  RowChange change = RowChange::kNone;
  uint64_t head_rows = 0;   // of kInterleave: rows of one head, an even number
  bool is_searched = false; // scales are the best that are found, not those that ggml chooses

  friend bool operator==(const BlockRows &, const BlockRows &) = default;
};

/// One quantized tensor, seen as a stack of matrices, usually of one.
struct Stored {
  quant::Scheme scheme;
  bool weights_only = false; // loaders leave the layer's inputs alone
  uint64_t matrices = 1;
  uint64_t rows = 0; // of one matrix
  uint64_t columns = 0;
  std::optional<BlockRows> blocks = {}; // of a GGUF file
  std::string note =
      {}; // what a layout says of the tensor, up to what is known when its scales are

  /// Scales in one row.
  [[nodiscard]] uint64_t groups() const {
    if (blocks) {
      return 0; // they are in the blocks
    }
    return scheme.cuts_rows() ? columns / scheme.group_size : 1;
  }
  /// Whether all of it has one scale.
  [[nodiscard]] bool shares_scale() const { return scheme.strategy == quant::Strategy::kTensor; }
  /// Whether every scale depends on all of it.
  [[nodiscard]] bool has_outer() const { return scheme.outer != quant::Outer::kNone; }
};

/// How the inputs of a layer are quantized, where that is known before it runs.
struct StoredInput {
  float scale = 0.0F;
  int8_t zero_point = 0; // 0 where symmetric
  bool symmetric = true;
  bool is_global =
      false; // what the scales of their groups are divided by, which are found as they come (NVFP4)
};

} // namespace monoquant::layout
