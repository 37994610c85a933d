#include "monoquant/execute/products.h"

#include <algorithm>
#include <limits>

namespace monoquant::execute {
namespace {

constexpr size_t kPanel = 8;

/// So many products fit into int32, where the machine has twice as many lanes as for int64.
constexpr size_t kDotBlock = 32768;
static_assert(int64_t{kDotBlock} * 255 * 255 <= std::numeric_limits<int32_t>::max());

/// `x`: the panel from the first column on. Inline, so that whole panels get a loop with as many lanes.
inline void multiply_panel(std::span<const float> weights, const float *x, size_t lanes,
                           double *to) {
  double sums[kPanel] = {};
  for (const float weight : weights) {
    const double w = weight;
    for (size_t lane = 0; lane < lanes; ++lane) {
      sums[lane] += w * static_cast<double>(x[lane]);
    }
    x += lanes;
  }
  std::copy_n(sums, lanes, to);
}

} // namespace

FloatSamples::FloatSamples(std::span<const float> values, size_t width)
    : width_(width), samples_(values.size() / width), panels_(values.size()) {
  for (size_t s = 0; s < samples_; ++s) {
    const size_t begin = s / kPanel * kPanel;
    const size_t lanes = std::min(kPanel, samples_ - begin);
    const float *from = values.data() + s * width;
    float *to = panels_.data() + begin * width + (s - begin);
    for (size_t i = 0; i < width; ++i) {
      to[i * lanes] = from[i];
    }
  }
}

void FloatSamples::multiply(std::span<const float> weights, size_t first,
                            std::span<double> to) const {
  size_t begin = 0;
  for (; samples_ - begin >= kPanel; begin += kPanel) {
    multiply_panel(weights, panels_.data() + begin * width_ + first * kPanel, kPanel, &to[begin]);
  }
  if (begin < samples_) {
    const size_t lanes = samples_ - begin;
    multiply_panel(weights, panels_.data() + begin * width_ + first * lanes, lanes, &to[begin]);
  }
}

int64_t dot(const int16_t *a, const int16_t *b, size_t count) {
  int64_t total = 0;
  for (size_t begin = 0; begin < count; begin += kDotBlock) {
    const size_t end = std::min(count, begin + kDotBlock);
    int32_t sum = 0;
    for (size_t i = begin; i < end; ++i) {
      sum += int32_t{a[i]} * int32_t{b[i]};
    }
    total += sum;
  }
  return total;
}

void multiply(const CodedSamples &samples, const CodedRow &row, size_t first,
              std::span<double> to) {
  const std::span<const int16_t> weights = row.steps();
  for (size_t s = 0; s < samples.samples(); ++s) {
    const int16_t *x = samples.steps(s).data() + first;
    double sum = 0;
    size_t begin = 0;
    for (const float scale : row.scales()) {
      const size_t size = std::min(row.group_size(), weights.size() - begin);
      sum += static_cast<double>(scale) *
             static_cast<double>(dot(x + begin, weights.data() + begin, size));
      begin += size;
    }
    to[s] = static_cast<double>(samples.scale(s)) * sum;
  }
}

} // namespace monoquant::execute
