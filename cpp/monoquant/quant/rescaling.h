// Factors of a weight's columns by which the inputs of its layer are divided: the output stays as it is.
// They exist because inputs and weights can trade magnitudes: what is hard to store on the one side moves to the other.
// Pure: statistics of columns in, one factor a column out, finite and above zero.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "monoquant/quant/scheme.h"
#include "monoquant/quant/second_moments.h"

namespace monoquant::quant {

//   y = W x = (W diag(t)) (diag(t)^-1 x)          t_j: the factor of column j

/// Of inputs and weights that both become codes (SmoothQuant: Xiao et al. 2022): inputs_j^alpha / weights_j^(1 - alpha).
/// `inputs` and `weights`: the widths of their ranges, column by column; 0 where nothing is known or nothing is there.
std::vector<double> smoothing_factors(std::span<const double> inputs,
                                      std::span<const double> weights, double alpha);

/// Of weights alone (AWQ: Lin et al. 2023): inputs_j^ratio / (weights_j^(1 - ratio) + 1e-4), such that the largest and
/// the smallest one are as far from 1. `inputs`: mean magnitudes; `weights`: what ColumnShares has found.
std::vector<double> awq_factors(std::span<const double> inputs, std::span<const double> weights,
                                double ratio);

/// How large the weights of each column are beside the largest of what they share a scale with, on average.
class ColumnShares {
public:
  ColumnShares() = default;
  /// `group`: neighbours of a row that share a scale; it divides the columns.
  ColumnShares(size_t columns, size_t group) : group_(group), sums_(columns) {}

  /// One row after the other.
  void add(std::span<const float> row);
  /// 0 each if there was no row.
  [[nodiscard]] std::vector<double> means() const;

private:
  size_t group_ = 1;
  size_t rows_ = 0;
  std::vector<double> sums_;
};

/// The power of two that is nearest to each, by their ratio: with such factors nothing is rounded that is stored as a
/// float.
void round_to_powers_of_two(std::span<double> factors);

/// How much the largest input of a sample is, squared, on average: estimated from the mean squares of all columns. That
/// of one column that outweighs all others is about its mean square; of K alike ones it grows with the logarithm of K.
double largest_square(std::span<const double> squares);

/// Of inputs that are divided by the factors.
void divide_moments(SecondMoments &moments, std::span<const double> factors);

/// What quantizing `rows` (whole rows of `columns` values) does to what the layer computes, summed up: importance of the
/// column * error^2. Scales are chosen as the scheme says; of fed-back errors as if they were not.
double rounding_cost(std::span<const float> rows, const Scheme &scheme,
                     std::span<const float> importance);

} // namespace monoquant::quant
