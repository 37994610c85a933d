#include "monoquant/quant/error_feedback.h"

#include <algorithm>
#include <cmath>

#include "monoquant/base/sort.h"
#include "monoquant/quant/cholesky.h"
#include "monoquant/quant/code_descent.h"
#include "monoquant/quant/kernels/kernels.h"

namespace monoquant::quant {
namespace {

/// What is added to the diagonal, as a share of its mean: the more, the less one weight makes up for another. As many
/// tries as it takes at most, each with ten times as much as the one before.
constexpr float kDamping = 0.01F;
constexpr int kTries = 3;
/// Weights of a row that are rounded before the rest of the row learns of them.
constexpr size_t kAtOnce = 64;

/// Rounds values in the order in which they make up for one another. `carry`: of that order, or empty.
void round_in_order(std::span<const float> rows, size_t width, size_t first,
                    std::span<const uint32_t> order, std::span<const float> carry,
                    std::span<const uint8_t> zeros, CodeDescent &rounded) {
  const size_t n = order.size();
  const size_t count = rounded.rows();
  std::vector<float> errors(count * n);  // in that order
  std::vector<float> carried(count * n); // what those before leave to be made up for
  for (size_t begin = 0; begin < n; begin += kAtOnce) {
    const size_t end = std::min(n, begin + kAtOnce);
    for (size_t r = 0; r < count; ++r) {
      float *const error = errors.data() + r * n;
      float *const sum = carried.data() + r * n;
      for (size_t k = begin; k < end; ++k) {
        const Grid &grid = rounded.grid_of(r, order[k]);
        const size_t at = r * width + first + order[k];
        const float value = rows[at];
        const bool is_zero = !zeros.empty() && zeros[at] != 0;
        const float code = is_zero ? 0.0F : grid.code(value + sum[k]);
        error[k] = value - code * grid.scale;
        rounded.set(r, order[k], code, error[k]);
        if (!carry.empty()) {
          const float *by = carry.data() + k * n;
          for (size_t j = k + 1; j < end; ++j) {
            sum[j] += error[k] * by[j];
          }
        }
      }
    }
    if (end < n && !carry.empty()) {
      kernels().add_products({errors.data() + begin, n, count, end - begin},
                             {carry.data() + begin * n + end, n, n - end},
                             {carried.data() + end, n});
    }
  }
}

} // namespace

ErrorFeedback::ErrorFeedback(SecondMoments moments) : moments_(std::move(moments)) {
  const DiagonalBlocks &layout = moments_.blocks;
  importance_.reserve(layout.width);
  for (size_t b = 0; b < layout.count(); ++b) {
    const size_t n = layout.columns(b);
    const std::span<const float> h = moments_.of(b);
    for (size_t i = 0; i < n; ++i) {
      importance_.push_back(h[i * n + i] > 0 ? h[i * n + i] : 0.0F);
    }
    blocks_.push_back({layout.first_column(b), n, {}, {}});
    factorise(blocks_.back());
  }
}

void ErrorFeedback::factorise(Block &block) {
  const size_t n = block.columns;
  float *h = moments_.values.data() + moments_.blocks.begin(blocks_.size() - 1);
  float *squares = importance_.data() + block.first; // of inputs, so far
  double sum = 0;
  size_t used = 0;
  for (size_t i = 0; i < n; ++i) {
    block.order.push_back(static_cast<uint32_t>(i));
    sum += static_cast<double>(squares[i]);
    used += squares[i] > 0 ? 1 : 0;
  }
  sort(block.order, [&](uint32_t a, uint32_t b) {
    return squares[a] > squares[b] || (squares[a] == squares[b] && a < b);
  });
  if (used == 0) {
    return; // nothing was ever put in: the nearest codes are as good as any
  }
  float damping = kDamping * static_cast<float>(sum / static_cast<double>(used));
  std::vector<float> lower(n * n);
  bool is_factorised = false;
  for (int attempt = 0; attempt < kTries && !is_factorised; ++attempt, damping *= 10) {
    // From the last to the first, so that the lower factor of this is the upper one of the other.
    for (size_t i = 0; i < n; ++i) {
      const float *row = h + block.order[n - 1 - i] * n;
      for (size_t j = 0; j <= i; ++j) {
        lower[i * n + j] = row[block.order[n - 1 - j]];
      }
      lower[i * n + i] += damping;
    }
    is_factorised = factorise_cholesky(lower, n);
  }
  if (!is_factorised) {
    ++failed_blocks_;
    return;
  }
  // Codes are moved by the same measure: samples are few, and what fits them too well fits others less.
  damping /= 10;
  block.damping = damping;
  for (size_t i = 0; i < n; ++i) {
    h[i * n + i] += damping;
  }
  block.carry.resize(n * n);
  for (size_t j = 0; j < n; ++j) {
    const float left = lower[(n - 1 - j) * n + (n - 1 - j)];
    squares[block.order[j]] = std::sqrt(squares[block.order[j]]) * left;
    for (size_t k = j + 1; k < n; ++k) {
      const size_t row = n - 1 - j;
      const size_t column = n - 1 - k;
      block.carry[j * n + k] = lower[row * n + column] / lower[column * n + column];
    }
  }
}

/// What was added to the diagonal is no part of the inputs.
double ErrorFeedback::signal_of(size_t index, std::span<const float> rows) const {
  const Block &block = blocks_[index];
  const size_t n = block.columns;
  const size_t count = rows.size() / width();
  std::vector<float> products(count * n);
  kernels().add_products({rows.data() + block.first, width(), count, n},
                         {moments_.of(index).data(), n, n}, {products.data(), n});
  double sum = 0;
  for (size_t row = 0; row < count; ++row) {
    for (size_t i = 0; i < n; ++i) {
      const auto value = static_cast<double>(rows[row * width() + block.first + i]);
      sum += value * (static_cast<double>(products[row * n + i]) -
                      static_cast<double>(block.damping) * value);
    }
  }
  return std::max(sum, 0.0);
}

OutputErrors ErrorFeedback::round(std::span<const float> rows, const Scheme &scheme, size_t scope,
                                  const QparamsArrays &qparams, std::span<float> to,
                                  std::span<const uint8_t> zeros) const {
  const size_t count = rows.size() / width();
  RowGrids grids(scheme, qparams, count, width(), scope);
  OutputErrors sums;
  for (size_t b = 0; b < blocks_.size(); ++b) {
    const Block &block = blocks_[b];
    CodeDescent rounded(moments_.of(b), block.first, block.columns, count, grids);
    round_in_order(rows, width(), block.first, block.order, block.carry, zeros, rounded);
    rounded.keep_zeros(zeros, width());
    rounded.run(scheme);
    const double noise = rounded.error(static_cast<double>(block.damping));
    sums.add({signal_of(b, rows), std::max(noise, 0.0)});
    for (size_t row = 0; row < count; ++row) {
      for (size_t i = 0; i < block.columns; ++i) {
        to[row * width() + block.first + i] = rounded.value(row, i);
      }
    }
  }
  grids.store_scales(qparams);
  return sums;
}

} // namespace monoquant::quant
