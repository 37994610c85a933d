#include "monoquant/quant/observers/histogram_search.h"

#include <algorithm>

namespace monoquant::quant {
namespace {

// dst_nbins: 2^8 by the width of the dtype, whatever quant_min and quant_max are.
constexpr size_t kLevels = 256;
constexpr double kShareStep = 1e-5; // share of the values that is cut at once
constexpr auto kLastLevel = static_cast<float>(kLevels - 1);

/// torch.div(a, b, rounding_mode='floor').
float floor_divided(float a, float b) {
  if (b == 0) {
    return a / b;
  }
  const float rest = std::fmod(a, b);
  float quotient = (a - rest) / b;
  if (rest != 0 && (b < 0) != (rest < 0)) {
    quotient -= 1.0F;
  }
  if (quotient == 0) {
    return std::copysign(0.0F, a / b);
  }
  float floor = std::floor(quotient);
  if (quotient - floor > 0.5F) {
    floor += 1.0F;
  }
  return floor;
}

/// Which level a point falls into; NaN stays NaN.
float level_of(float point, float level_width) {
  const float level = floor_divided(point, level_width);
  return level < 0.0F ? 0.0F : level > kLastLevel ? kLastLevel : level;
}

/// The integral of x^2 from begin to end.
float squares(float begin, float end) { return (end * end * end - begin * begin * begin) / 3.0F; }

/// Squared error of the values of all bins, spread evenly over their bin, when the bins from `first` to `last` are
/// divided into 256 levels. Each step is one f32 tensor operation; widths are f64 until they meet a tensor.
class ErrorOfBins {
public:
  explicit ErrorOfBins(const Histogram &histogram)
      : width_(histogram.bin_width()), densities_(histogram.counts), errors_(kHistogramBins) {
    for (float &density : densities_) {
      density /= static_cast<float>(width_);
    }
  }

  double operator()(size_t first, size_t last) {
    const double level_width = width_ * static_cast<double>(last - first + 1) / kLevels;
    if (level_width == 0.0) {
      return 0.0;
    }
    const auto half = static_cast<float>(level_width / 2);
    const float whole_level = squares(-half, half);
    const auto width = static_cast<float>(width_);
    const auto level = static_cast<float>(level_width);
    for (size_t bin = 0; bin < kHistogramBins; ++bin) {
      const float begin = (static_cast<float>(bin) - static_cast<float>(first)) * width;
      const float end = begin + width;
      const float begin_level = level_of(begin, level);
      const float end_level = level_of(end, level);
      const float begin_center = (begin_level + 0.5F) * level;
      const float end_center = end_level * level + half;
      const float density = densities_[bin];
      float error = density * squares(begin - begin_center, half);
      error += (end_level - begin_level - 1.0F) * (density * whole_level);
      error += density * squares(-half, end - end_center);
      errors_[bin] = error;
    }
    return static_cast<double>(cascade_sum(errors_));
  }

private:
  double width_;
  std::vector<float> densities_;
  std::vector<float> errors_;
};

/// Numbers of values up to each bin, that bin included. PyTorch adds in f64 and stores f32.
std::vector<float> running_totals(const std::vector<float> &counts) {
  std::vector<float> totals(counts.size());
  double total = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    total += static_cast<double>(counts[i]);
    totals[i] = static_cast<float>(total);
  }
  return totals;
}

struct Bins {
  size_t first = 0;
  size_t last = kHistogramBins - 1;
};

Bins search_bins(const Histogram &histogram) {
  ErrorOfBins error_of(histogram);
  const auto total = static_cast<double>(cascade_sum(histogram.counts));
  const std::vector<float> totals = running_totals(histogram.counts);
  Bins best;
  double least_error = std::numeric_limits<double>::infinity();
  double alpha = 0.0; // shares of the values up to the two ends
  double beta = 1.0;
  while (alpha < beta) {
    const double next_alpha = alpha + kShareStep;
    const double next_beta = beta - kShareStep;
    // A tensor is compared with a number in the tensor's type.
    const auto low = static_cast<float>(next_alpha * total);
    const auto high = static_cast<float>(next_beta * total);
    Bins next = best;
    while (next.first < best.last && totals[next.first] < low) {
      ++next.first;
    }
    while (next.last > best.first && totals[next.last] > high) {
      --next.last;
    }
    if (next.first - best.first > best.last - next.last) {
      next.last = best.last;
      alpha = next_alpha;
    } else {
      next.first = best.first;
      beta = next_beta;
    }
    if (next.first == best.first && next.last == best.last) {
      continue;
    }
    const double error = error_of(next.first, next.last);
    if (error > least_error) {
      break;
    }
    least_error = error;
    best = next;
  }
  return best;
}

} // namespace

ObservedRange search_range(const Histogram &histogram) {
  if (histogram.is_empty()) {
    return {};
  }
  const Bins bins = search_bins(histogram);
  const float width =
      (histogram.range.max - histogram.range.min) / static_cast<float>(kHistogramBins);
  return {histogram.range.min + width * static_cast<float>(bins.first),
          histogram.range.min + width * static_cast<float>(bins.last + 1)};
}

} // namespace monoquant::quant
