// Which weights of a row become zeros: those that change least of what the layer computes.
// It exists because most layers have weights that hardly count, and codes of zeros compress well.
// Decided row by row from the row alone, so it depends on neither threads nor blocks.
#pragma once

#include <cstdint>
#include <span>

#include "monoquant/quant/error_sums.h"

namespace monoquant::quant {

/// Rows with some of their weights taken out, beside what they were.
struct PrunedRows {
  std::span<const float> original;
  std::span<const uint8_t> mask; // 1: became zero
};

/// How many of so many weights a share in percent is, below 100: rounded down.
uint64_t pruned_of(uint64_t columns, double percent);

/// Marks the `zeros` weights of a row that count least, of equals those of lower columns. Without `squares` a weight
/// counts by its magnitude; with them, the mean squares of what each column is multiplied with, by |weight| times the
/// root of its column's (Wanda: Sun et al. 2023). All weights are finite, and `zeros` is at most their number.
void choose_pruned(std::span<const float> row, uint64_t zeros, std::span<const float> squares,
                   std::span<uint8_t> mask);

/// Adds to the sums of rows with zeros what taking the weights out has cost, so that they are those of the original
/// rows. `importance`: of the columns of a row, for the errors of outputs, or empty.
void add_pruned(const PrunedRows &pruned, std::span<const float> importance, ErrorSums &sums);

} // namespace monoquant::quant
