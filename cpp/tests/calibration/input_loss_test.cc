// The estimate of what a stored scale costs, held against what it costs when the values themselves are quantized.
#include "monoquant/calibration/input_loss.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "monoquant/quant/observers/range_choice.h"
#include "support/random.h"

namespace monoquant::calibration {
namespace {

constexpr size_t kChannels = 64;
constexpr size_t kRows = 400;
using Values = std::vector<float>;

/// Rows of about normal values, the channels of different sizes.
Values rows() {
  test::Random random(3);
  Values values(kChannels * kRows);
  for (size_t i = 0; i < values.size(); ++i) {
    const float size = 1.0F + static_cast<float>(i % kChannels % 4);
    values[i] = (random.signed_unit() + random.signed_unit() + random.signed_unit()) * size;
  }
  return values;
}

ModuleStatistics observed(const Values &values) {
  ModuleStatistics statistics;
  statistics.samples = kRows;
  statistics.per_channel = kRows;
  statistics.squares.resize(kChannels);
  for (size_t i = 0; i < values.size(); ++i) {
    const auto value = static_cast<double>(values[i]);
    statistics.squares[i % kChannels] += value * value;
  }
  quant::TensorObserver observer;
  observer.begin_batch();
  observer.look(values);
  observer.count(values);
  EXPECT_TRUE(observer.end_batch());
  statistics.observer = observer.state();
  return statistics;
}

quant::ActivationQparams scale_of(float largest) { return {largest / 127.5F, 0}; }

/// The SQNR in dB of each row, sorted.
std::vector<double> measured(const Values &values, float scale) {
  std::vector<double> rows;
  for (size_t row = 0; row < kRows; ++row) {
    double signal = 0;
    double noise = 0;
    for (size_t i = row * kChannels; i < (row + 1) * kChannels; ++i) {
      const float code = std::clamp(std::nearbyint(values[i] / scale), -128.0F, 127.0F);
      const double error = static_cast<double>(values[i]) - static_cast<double>(code * scale);
      signal += static_cast<double>(values[i]) * static_cast<double>(values[i]);
      noise += error * error;
    }
    rows.push_back(10 * std::log10(signal / noise));
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

double estimated(const Values &values, float largest) {
  return estimated_sqnr_db(observed(values), scale_of(largest), quant::signed_8_bit(true));
}

float largest_of(const Values &values) {
  float largest = 0;
  for (const float value : values) {
    largest = std::max(largest, std::abs(value));
  }
  return largest;
}

TEST(InputLoss, is_that_of_a_row_in_the_middle) {
  const Values usual = rows();
  for (const float outlier : {1.0F, 3.0F, 10.0F, 30.0F}) {
    Values values = usual;
    values[5 * kChannels + 7] = largest_of(usual) * outlier; // in one row, in one channel
    const float largest = largest_of(values);
    const auto of_rows = measured(values, largest / 127.5F);
    EXPECT_NEAR(estimated(values, largest), of_rows[kRows / 2], 3) << outlier;
  }
}

TEST(InputLoss, of_all_rows_but_one_is_everything) {
  Values values = rows();
  values[7] = largest_of(values) * 1000;
  const float largest = largest_of(values);
  EXPECT_LT(measured(values, largest / 127.5F)[kRows / 2], 0.1);
  EXPECT_LT(estimated(values, largest), 1); // the one channel is among the many
  // The error of all values together says nothing of it.
  const double noise = quant::mean_squared_error(observed(values).observer.histogram,
                                                 scale_of(largest), quant::signed_8_bit(true));
  double signal = 0;
  for (const float value : values) {
    signal += static_cast<double>(value) * static_cast<double>(value);
  }
  EXPECT_GT(10 * std::log10(signal / static_cast<double>(values.size()) / noise), 20);
}

TEST(InputLoss, counts_what_is_clipped) {
  const Values values = rows();
  const float range = largest_of(values) / 4;
  const double found = estimated(values, range);
  EXPECT_NEAR(found, measured(values, range / 127.5F)[kRows / 2], 3);
  EXPECT_LT(found, estimated(values, largest_of(values)));
}

TEST(InputLoss, of_nothing_is_none) {
  EXPECT_TRUE(std::isinf(estimated(Values(kChannels * kRows), 1)));
  EXPECT_TRUE(std::isinf(estimated_sqnr_db({}, scale_of(1), quant::signed_8_bit(true))));
}

} // namespace
} // namespace monoquant::calibration
