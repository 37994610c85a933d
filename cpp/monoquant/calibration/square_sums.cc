#include "monoquant/calibration/square_sums.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace monoquant::calibration {
namespace {

double square(float value) {
  const bool is_finite = std::fabs(value) <= std::numeric_limits<float>::max();
  const double exact = is_finite ? static_cast<double>(value) : 0.0;
  return exact * exact;
}

} // namespace

void add_squares(std::span<const float> values, uint64_t position, uint64_t inner,
                 std::span<double> squares) {
  if (inner == 1) { // a row has one value of each channel
    auto channel = static_cast<size_t>(position % squares.size());
    while (!values.empty()) {
      const size_t count = std::min(values.size(), squares.size() - channel);
      double *sums = squares.data() + channel;
      for (size_t i = 0; i < count; ++i) {
        sums[i] += square(values[i]);
      }
      values = values.subspan(count);
      channel = 0;
    }
    return;
  }
  while (!values.empty()) {
    const uint64_t left = inner - position % inner;
    const auto count = static_cast<size_t>(std::min<uint64_t>(values.size(), left));
    double &target = squares[static_cast<size_t>(position / inner % squares.size())];
    double sum = target;
    for (const float value : values.first(count)) {
      sum += square(value);
    }
    target = sum;
    position += count;
    values = values.subspan(count);
  }
}

} // namespace monoquant::calibration
