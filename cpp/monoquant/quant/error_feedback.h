// Rounding that makes up for itself: the error of each weight of a row is taken back by the weights that follow it.
// It exists because what counts is what a layer computes from its inputs, and these move together.
// Minimises d H d^T for each row, d being its error and H the second moments of the inputs; scales are given.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "monoquant/quant/error_sums.h"
#include "monoquant/quant/qparams.h"
#include "monoquant/quant/scheme.h"
#include "monoquant/quant/second_moments.h"

namespace monoquant::quant {

// The method is GPTQ (Frantar et al. 2022), in the form of successive cancellation: with H = R R^T, R upper
// triangular, d H d^T is the sum over k of (sum over j <= k of d_j R_jk)^2. Weights are rounded one after the other,
// weight k to the grid nearest to
//     w_k + sum over j < k of d_j R_jk / R_kk,
// which makes the k-th term as small as the grid allows, and needs one factorisation and no inverse. Columns that
// inputs use most come first, since errors of early ones can be made up for; scales stay with their columns, so files
// need no index of groups. The error of weight k, as it is rounded, counts R_kk^2, which the search of scales
// should know. Then codes are moved by whole steps as long as that lowers d H d^T (coordinate descent).

class ErrorFeedback {
public:
  /// Made once a tensor. `moments`: of its columns.
  explicit ErrorFeedback(SecondMoments moments);

  [[nodiscard]] size_t width() const { return moments_.blocks.width; }
  /// Blocks whose moments could not be factorised: their weights become the nearest codes, before they are moved.
  [[nodiscard]] size_t failed_blocks() const { return failed_blocks_; }
  /// How much errors of each column count when scales are chosen: between the mean square of its input and R_kk^2, the
  /// mean square of that part of it that those rounded after it cannot make up for (their geometric mean). Of these
  /// samples the latter loses about as little, of others it lost more. Where nothing is made up for, the former.
  [[nodiscard]] std::span<const float> importance() const { return importance_; }

  /// Rounds rows of `width()` finite values to what their codes stand for: (code - zero_point) * scale. `qparams`: of
  /// their scopes of `scope` columns each, row by row; scales may change. Rows do not depend on one another. Says what
  /// that does to their outputs: w H w^T and d H d^T. `zeros`: of each weight whether it is to become zero, or empty;
  /// the others make up for that as for any error (SparseGPT: Frantar and Alistarh 2023).
  OutputErrors round(std::span<const float> rows, const Scheme &scheme, size_t scope,
                     const QparamsArrays &qparams, std::span<float> to,
                     std::span<const uint8_t> zeros = {}) const;

private:
  struct Block {
    size_t first = 0; // column
    size_t columns = 0;
    std::vector<uint32_t> order; // in which columns are rounded
    std::vector<float> carry;    // R_jk / R_kk, k > j, row by row in that order; empty: no feedback
    float damping = 0;           // that is in its diagonal
  };

  void factorise(Block &block);
  [[nodiscard]] double signal_of(size_t index, std::span<const float> rows) const;

  SecondMoments moments_; // and what was added to the diagonal of each block
  std::vector<Block> blocks_;
  std::vector<float> importance_;
  size_t failed_blocks_ = 0;
};

} // namespace monoquant::quant
