#include "monoquant/quant/rescaling.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "monoquant/quant/method.h"
#include "monoquant/quant/output_errors.h"
#include "monoquant/quant/values.h"

namespace monoquant::quant {
namespace {

constexpr double kLeastSmoothing = 1e-5;
constexpr double kLeastAwq = 1e-4;
constexpr double kBesideWeights = 1e-4;
constexpr double kBesideGroup = 1e-6;

double usable(double factor, double least) {
  return std::isfinite(factor) ? std::max(factor, least) : 1.0;
}

} // namespace

std::vector<double> smoothing_factors(std::span<const double> inputs,
                                      std::span<const double> weights, double alpha) {
  std::vector<double> factors(inputs.size(), 1.0);
  for (size_t j = 0; j < factors.size(); ++j) {
    if (inputs[j] > 0) { // else the column is never used
      const double factor = weights[j] > 0
                                ? std::pow(inputs[j], alpha) / std::pow(weights[j], 1.0 - alpha)
                                : inputs[j];
      factors[j] = usable(factor, kLeastSmoothing);
    }
  }
  return factors;
}

std::vector<double> awq_factors(std::span<const double> inputs, std::span<const double> weights,
                                double ratio) {
  std::vector<double> factors(inputs.size(), 1.0);
  for (size_t j = 0; j < factors.size(); ++j) {
    factors[j] =
        usable(std::pow(inputs[j], ratio) / (std::pow(weights[j], 1.0 - ratio) + kBesideWeights),
               kLeastAwq);
  }
  if (factors.empty()) {
    return factors;
  }
  const auto [least, most] = std::minmax_element(factors.begin(), factors.end());
  const double middle = std::sqrt(*least * *most);
  for (double &factor : factors) {
    factor /= middle;
  }
  return factors;
}

void ColumnShares::add(std::span<const float> row) {
  for (size_t begin = 0; begin < row.size(); begin += group_) {
    const auto group = row.subspan(begin, std::min(group_, row.size() - begin));
    float largest = 0;
    for (const float value : group) {
      largest = std::max(largest, std::fabs(value));
    }
    for (size_t i = 0; i < group.size(); ++i) {
      sums_[begin + i] +=
          static_cast<double>(std::fabs(group[i])) / (static_cast<double>(largest) + kBesideGroup);
    }
  }
  ++rows_;
}

std::vector<double> ColumnShares::means() const {
  std::vector<double> means = sums_;
  for (double &mean : means) {
    mean /= static_cast<double>(std::max<size_t>(1, rows_));
  }
  return means;
}

void round_to_powers_of_two(std::span<double> factors) {
  constexpr double kMiddle = 0.70710678118654752440; // of 1/2 and 1, by their ratio
  for (double &factor : factors) {
    int exponent = 0;
    const double fraction = std::frexp(factor, &exponent); // from 1/2 to 1
    factor = std::ldexp(1.0, fraction < kMiddle ? exponent - 1 : exponent);
  }
}

double largest_square(std::span<const double> squares) {
  constexpr double kOfAlike = 2.0;
  double sum = 0;
  double largest = 0;
  for (const double square : squares) {
    largest = std::max(largest, square);
  }
  if (!(largest > 0) || !std::isfinite(largest)) {
    return 0;
  }
  for (const double square : squares) {
    const double share = square / largest;
    sum += share * share * share * share;
  }
  return kOfAlike * largest * std::sqrt(std::sqrt(sum));
}

void divide_moments(SecondMoments &moments, std::span<const double> factors) {
  const DiagonalBlocks &blocks = moments.blocks;
  for (size_t block = 0; block < blocks.count(); ++block) {
    const size_t first = blocks.first_column(block);
    const size_t columns = blocks.columns(block);
    float *value = moments.values.data() + blocks.begin(block);
    for (size_t i = 0; i < columns; ++i) {
      for (size_t j = 0; j < columns; ++j, ++value) {
        *value = static_cast<float>(static_cast<double>(*value) /
                                    (factors[first + i] * factors[first + j]));
      }
    }
  }
}

double rounding_cost(std::span<const float> rows, const Scheme &scheme,
                     std::span<const float> importance) {
  const size_t columns = importance.size();
  const size_t size = scheme.cuts_rows() ? static_cast<size_t>(scheme.group_size) : columns;
  const size_t scopes = columns / size;
  Scheme searched = scheme;
  searched.method = facts_of(scheme.method).needs_moments ? Method::kMse : scheme.method;
  std::vector<float> scales(scopes);
  std::vector<int32_t> zero_points(scopes);
  std::vector<uint32_t> magnitudes(scopes);
  float outer = 1;
  if (scheme.outer != Outer::kNone) {
    float largest = 0;
    for (const float value : rows) {
      largest = std::max(largest, std::fabs(value));
    }
    outer = outer_number(largest, scheme);
  }
  const QparamsArrays chosen{scales, zero_points, outer};
  double cost = 0;
  for (size_t begin = 0; begin + columns <= rows.size(); begin += columns) {
    const std::span<const float> row = rows.subspan(begin, columns);
    for (size_t i = 0; i < scopes; ++i) {
      float largest = 0;
      for (const float value : row.subspan(i * size, size)) {
        largest = std::max(largest, std::fabs(value));
      }
      magnitudes[i] = std::bit_cast<uint32_t>(largest);
    }
    facts_of(searched.method).choose({row, size, magnitudes, importance}, searched, chosen);
    cost += output_errors(row, size, scopes, searched, chosen, importance).noise;
  }
  return cost;
}

} // namespace monoquant::quant
