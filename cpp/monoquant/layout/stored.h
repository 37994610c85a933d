// What is stored of a tensor that becomes codes, and of the inputs of its layer: no names, no plan, no bytes.
#pragma once

#include <cstdint>

#include "monoquant/quant/scheme.h"

namespace monoquant::layout {

/// One quantized tensor, seen as a stack of matrices, usually of one.
struct Stored {
  quant::Scheme scheme;
  bool weights_only = false; // loaders leave the layer's inputs alone
  uint64_t matrices = 1;
  uint64_t rows = 0; // of one matrix
  uint64_t columns = 0;

  /// Scales in one row.
  [[nodiscard]] uint64_t groups() const {
    return scheme.strategy == quant::Strategy::kGroup ? columns / scheme.group_size : 1;
  }
  /// Whether all of it has one scale.
  [[nodiscard]] bool shares_scale() const { return scheme.strategy == quant::Strategy::kTensor; }
};

/// How the inputs of a layer are quantized, where that is known before it runs.
struct StoredInput {
  float scale = 0.0F;
  int8_t zero_point = 0; // 0 where symmetric
  bool symmetric = true;
};

} // namespace monoquant::layout
