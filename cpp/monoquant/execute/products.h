// The products of one row of weights with all samples: in floats, and in integers.
// It exists because these two loops are where executing layers spends its time.
// Every sum has one order, whatever the machine, the number of samples and the cuts of the weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "monoquant/execute/activations.h"
#include "monoquant/execute/coded_rows.h"

namespace monoquant::execute {

/// Samples as floats, for the float layer and for dequantized weights.
///
/// Kept in panels of eight samples, column by column, so that eight sums run side by side and each still adds its
/// columns in order; the last panel has the samples that are left:
///
///   panel 0: x[0][0] … x[7][0]  x[0][1] … x[7][1]  …   panel 1: x[8][0] … x[15][0]  …
class FloatSamples {
public:
  FloatSamples(std::span<const float> values, size_t width);

  [[nodiscard]] size_t samples() const { return samples_; }

  /// to[s] = sum over i of weights[i] * x[s][first + i]. Products of two f32 are exact in f64; they are added in
  /// f64 from the first column to the last. `to`: samples() values.
  void multiply(std::span<const float> weights, size_t first, std::span<double> to) const;

private:
  size_t width_;
  size_t samples_;
  std::vector<float> panels_;
};

/// to[s] = x_scale[s] * (sum over groups of w_scale[g] * (sum over the group's columns of x_step * w_step)), the
/// inner sum in integers and exact, the rest in f64, groups in order. Steps are codes less zero points: the integer
/// is the one that a runtime gets by correcting the sum of products of codes for the zero points,
///   sum (x - zx)(w - zw) = sum x w - zw sum x - zx sum w + n zx zw,
/// provided that its int32 does not overflow (codes of -128 on both sides do from 131,072 columns on).
void multiply(const CodedSamples &samples, const CodedRow &row, size_t first, std::span<double> to);

/// Sum of a[i] * b[i], exact. Both from -255 to 255.
int64_t dot(const int16_t *a, const int16_t *b, size_t count);

} // namespace monoquant::execute
