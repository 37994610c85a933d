#include "monoquant/quant/moment_sums.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "monoquant/quant/kernels/kernels.h"

namespace monoquant::quant {
namespace {

/// Samples that are added up in one go before they go to the sums: f32 keeps four digits more than so few.
constexpr size_t kSamplesAtOnce = 128;
/// Rows of a block that are worked on at once: they and a panel stay in a core's cache.
constexpr size_t kRowsAtOnce = 32;

} // namespace

DiagonalBlocks blocks_of(size_t width) {
  constexpr size_t kWhole = 2048;
  constexpr size_t kMostValues = size_t{1} << 23U;
  size_t block = kWhole;
  while (width > kWhole && block > 1 && width * block > kMostValues) {
    block /= 2;
  }
  return {width, width <= kWhole ? std::max<size_t>(width, 1) : block};
}

MomentSums::MomentSums(DiagonalBlocks blocks)
    : sums_{blocks, std::vector<float>(blocks.values())}, panel_(kSamplesAtOnce * blocks.width) {}

void MomentSums::add(std::span<const float> values) {
  while (!values.empty()) {
    const size_t some = std::min(values.size(), panel_.size() - filled_);
    std::transform(values.begin(), values.begin() + static_cast<ptrdiff_t>(some),
                   panel_.begin() + static_cast<ptrdiff_t>(filled_), [](float value) {
                     return std::fabs(value) <= std::numeric_limits<float>::max() ? value : 0.0F;
                   });
    filled_ += some;
    values = values.subspan(some);
    if (filled_ == panel_.size()) {
      add_panel();
    }
  }
}

void MomentSums::add_outer(std::span<const float> values, uint64_t position, size_t block) {
  const DiagonalBlocks &blocks = sums_.blocks;
  while (!values.empty()) {
    const uint64_t row = position / block; // of all blocks
    const auto first = static_cast<size_t>(position % block);
    const size_t count = std::min(values.size(), block - first);
    const auto offset = static_cast<size_t>(row / block) * block;
    const size_t i = offset + static_cast<size_t>(row % block);
    if (i < blocks.width) {
      const size_t own = i / blocks.block;
      const size_t n = blocks.columns(own);
      const size_t begin = blocks.first_column(own);
      float *sums = sums_.values.data() + blocks.begin(own) + (i - begin) * n;
      const size_t end = std::min(offset + first + count, begin + n);
      for (size_t j = std::max(offset + first, i); j < end; ++j) {
        sums[j - begin] += values[j - offset - first];
      }
    }
    position += count;
    values = values.subspan(count);
  }
}

SecondMoments MomentSums::finish() {
  add_panel();
  const DiagonalBlocks &blocks = sums_.blocks;
  for (size_t b = 0; b < blocks.count(); ++b) {
    const size_t n = blocks.columns(b);
    float *sums = sums_.values.data() + blocks.begin(b);
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < i; ++j) {
        sums[i * n + j] = sums[j * n + i];
      }
    }
  }
  return std::move(sums_);
}

/// The upper half only, and as much of the lower one as whole tiles of rows have.
void MomentSums::add_panel() {
  const DiagonalBlocks &blocks = sums_.blocks;
  const size_t samples = blocks.width == 0 ? 0 : filled_ / blocks.width;
  filled_ = 0;
  if (samples == 0) {
    return;
  }
  std::vector<float> factors(kRowsAtOnce * samples);
  for (size_t b = 0; b < blocks.count(); ++b) {
    const size_t n = blocks.columns(b);
    const float *x = panel_.data() + blocks.first_column(b);
    std::vector<float> products;
    for (size_t first = 0; first < n; first += kRowsAtOnce) {
      const size_t rows = std::min(kRowsAtOnce, n - first);
      for (size_t r = 0; r < rows; ++r) {
        for (size_t s = 0; s < samples; ++s) {
          factors[r * samples + s] = x[s * blocks.width + first + r];
        }
      }
      products.assign(rows * (n - first), 0.0F);
      kernels().add_products({factors.data(), samples, rows, samples},
                             {x + first, blocks.width, n - first}, {products.data(), n - first});
      float *sums = sums_.values.data() + blocks.begin(b) + first * n + first;
      for (size_t r = 0; r < rows; ++r) {
        for (size_t j = 0; j < n - first; ++j) {
          sums[r * n + j] += products[r * (n - first) + j];
        }
      }
    }
  }
}

} // namespace monoquant::quant
