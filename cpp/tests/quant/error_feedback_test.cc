#include "monoquant/quant/error_feedback.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "monoquant/quant/cholesky.h"
#include "monoquant/quant/moment_sums.h"
#include "monoquant/quant/search.h"
#include "support/fixture.h"
#include "support/random.h"
#include "support/tensor_file.h"

namespace monoquant::quant {
namespace {

using test::Random;
using Floats = std::vector<float>;

/// A layer and what it was fed with, row by row.
struct Layer {
  size_t columns = 0;
  Floats weights;
  Floats inputs;
};

/// Inputs that move together, as those of layers do: some directions, and noise. Some columns are never used.
Layer random_layer(uint64_t seed, size_t rows, size_t columns, size_t samples) {
  constexpr size_t kDirections = 6;
  Random random(seed);
  Layer layer{columns, {}, Floats(samples * columns)};
  for (size_t i = 0; i < rows * columns; ++i) {
    layer.weights.push_back(random.weight() * 0.1F);
  }
  Floats directions(kDirections * columns);
  for (float &value : directions) {
    value = random.weight();
  }
  for (size_t s = 0; s < samples; ++s) {
    for (size_t d = 0; d < kDirections; ++d) {
      const float by = random.weight() * 2;
      for (size_t i = 0; i < columns; ++i) {
        layer.inputs[s * columns + i] += by * directions[d * columns + i];
      }
    }
    for (size_t i = 0; i < columns; ++i) {
      float &value = layer.inputs[s * columns + i];
      value = i % 19 == 7 ? 0.0F : value + random.weight();
    }
  }
  return layer;
}

SecondMoments moments_of(const Layer &layer, size_t block) {
  MomentSums sums({layer.columns, block});
  sums.add(layer.inputs);
  return sums.finish();
}

Scheme scheme_of(bool symmetric, size_t group, uint32_t bits = 4) {
  Scheme scheme;
  scheme.bits = bits;
  scheme.symmetric = symmetric;
  scheme.strategy = Strategy::kGroup;
  scheme.group_size = group;
  scheme.scale_dtype = Dtype::kF16;
  scheme.method = Method::kGptq;
  scheme.signed_scales = symmetric && bits == 4;
  return scheme;
}

struct Rounded {
  Floats scales;
  std::vector<int32_t> zero_points;
  Floats values;
  OutputErrors output;
};

/// Some rows at a time.
Rounded round(const ErrorFeedback &feedback, const Layer &layer, const Scheme &scheme,
              size_t rows_at_once) {
  const size_t scope = static_cast<size_t>(scheme.group_size);
  const size_t scopes = layer.weights.size() / scope;
  Rounded made{Floats(scopes), std::vector<int32_t>(scopes), Floats(layer.weights.size()), {}};
  const QparamsArrays qparams{made.scales, made.zero_points};
  for (size_t i = 0; i < scopes; ++i) {
    const auto importance = feedback.importance().subspan(i * scope % layer.columns, scope);
    qparams.set(i, search_qparams(std::span(layer.weights).subspan(i * scope, scope), importance,
                                  scheme, scalar_kernels()));
  }
  const size_t step = rows_at_once * layer.columns;
  for (size_t at = 0; at < layer.weights.size(); at += step) {
    const size_t size = std::min(step, layer.weights.size() - at);
    made.output.add(feedback.round(std::span(layer.weights).subspan(at, size), scheme, scope,
                                   qparams.from(at / scope),
                                   std::span(made.values).subspan(at, size)));
  }
  return made;
}

/// Of the layer's output, summed over all samples, in f64: what all this is about.
double output_error(const Layer &layer, const Floats &values) {
  double sum = 0;
  for (size_t row = 0; row < values.size(); row += layer.columns) {
    for (size_t s = 0; s < layer.inputs.size(); s += layer.columns) {
      double error = 0;
      for (size_t i = 0; i < layer.columns; ++i) {
        error +=
            (static_cast<double>(layer.weights[row + i]) - static_cast<double>(values[row + i])) *
            static_cast<double>(layer.inputs[s + i]);
      }
      sum += error * error;
    }
  }
  return sum;
}

/// The nearest codes with the same scales.
Floats nearest(const Layer &layer, const Scheme &scheme, const Rounded &rounded) {
  Floats values;
  for (size_t i = 0; i < layer.weights.size(); ++i) {
    const size_t scope = i / static_cast<size_t>(scheme.group_size);
    const float scale = rounded.scales[scope];
    const auto lowest = static_cast<float>(scheme.lowest() - rounded.zero_points[scope]);
    const auto highest = static_cast<float>(scheme.highest() - rounded.zero_points[scope]);
    values.push_back(std::clamp(std::nearbyint(layer.weights[i] / scale), lowest, highest) * scale);
  }
  return values;
}

TEST(Cholesky, gives_the_matrix_back) {
  for (const size_t size : {1U, 2U, 63U, 64U, 65U, 200U}) {
    const Layer layer = random_layer(size, 1, size, size + 50);
    SecondMoments moments = moments_of(layer, size);
    for (size_t i = 0; i < size; ++i) {
      moments.values[i * size + i] += 10;
    }
    Floats factor = moments.values;
    ASSERT_TRUE(factorise_cholesky(factor, size));
    for (size_t i = 0; i < size; ++i) {
      for (size_t j = 0; j <= i; ++j) {
        double sum = 0;
        for (size_t k = 0; k <= j; ++k) {
          sum +=
              static_cast<double>(factor[i * size + k]) * static_cast<double>(factor[j * size + k]);
        }
        const double scale = std::sqrt(static_cast<double>(moments.values[i * size + i]) *
                                       static_cast<double>(moments.values[j * size + j]));
        EXPECT_NEAR(sum, static_cast<double>(moments.values[i * size + j]), 1e-5 * scale);
      }
    }
  }
}

TEST(Cholesky, refuses_what_is_not_positive) {
  Floats matrix(100 * 100);
  for (size_t i = 0; i < 100; ++i) {
    matrix[i * 100 + i] = i == 77 ? -1.0F : 1.0F;
  }
  EXPECT_FALSE(factorise_cholesky(matrix, 100));
  matrix.assign(100 * 100, std::nanf(""));
  EXPECT_FALSE(factorise_cholesky(matrix, 100));
}

TEST(MomentSums, are_those_of_plain_sums_however_the_samples_come) {
  for (const size_t block : {90U, 32U, 7U}) {
    const Layer layer = random_layer(3, 1, 90, 300);
    const SecondMoments whole = moments_of(layer, block);
    MomentSums pieces({90, block});
    Random random(4);
    for (size_t at = 0; at < layer.inputs.size();) {
      const size_t size = std::min(layer.inputs.size() - at, random.index(400));
      pieces.add(std::span(layer.inputs).subspan(at, size));
      at += size;
    }
    EXPECT_EQ(pieces.finish().values, whole.values);
    for (size_t b = 0; b < whole.blocks.count(); ++b) {
      const size_t n = whole.blocks.columns(b);
      const size_t first = whole.blocks.first_column(b);
      for (size_t i = 0; i < n; ++i) {
        for (size_t j = 0; j < n; ++j) {
          double sum = 0;
          double size = 0;
          for (size_t s = 0; s < layer.inputs.size(); s += 90) {
            const double product = static_cast<double>(layer.inputs[s + first + i]) *
                                   static_cast<double>(layer.inputs[s + first + j]);
            sum += product;
            size += std::fabs(product);
          }
          EXPECT_NEAR(static_cast<double>(whole.of(b)[i * n + j]), sum, 1e-5 * size);
        }
      }
    }
  }
}

TEST(ErrorFeedback, loses_less_than_the_nearest_codes) {
  for (const bool symmetric : {true, false}) {
    for (const uint32_t bits : {4U, 8U}) {
      const Layer layer = random_layer(5, 12, 128, 400);
      const ErrorFeedback feedback(moments_of(layer, 128));
      EXPECT_EQ(feedback.failed_blocks(), 0U);
      const Scheme scheme = scheme_of(symmetric, 32, bits);
      const Rounded rounded = round(feedback, layer, scheme, 5);
      const double error = output_error(layer, rounded.values);
      EXPECT_LT(error, 0.35 * output_error(layer, nearest(layer, scheme, rounded)));
    }
  }
}

TEST(ErrorFeedback, says_what_it_does_to_outputs) {
  for (const size_t block : {96U, 32U}) {
    const Layer layer = random_layer(13, 9, 96, 300);
    const ErrorFeedback feedback(moments_of(layer, block));
    const Rounded rounding = round(feedback, layer, scheme_of(true, 32), 4);
    // Of all samples, each block by itself.
    double signal = 0;
    double noise = 0;
    for (size_t row = 0; row < 9; ++row) {
      for (size_t sample = 0; sample < 300; ++sample) {
        for (size_t begin = 0; begin < 96; begin += block) {
          double output = 0;
          double error = 0;
          for (size_t i = begin; i < begin + block; ++i) {
            const auto x = static_cast<double>(layer.inputs[sample * 96 + i]);
            const auto w = static_cast<double>(layer.weights[row * 96 + i]);
            output += w * x;
            error += (w - static_cast<double>(rounding.values[row * 96 + i])) * x;
          }
          signal += output * output;
          noise += error * error;
        }
      }
    }
    EXPECT_NEAR(rounding.output.signal / signal, 1, 1e-3) << block;
    EXPECT_NEAR(rounding.output.noise / noise, 1, 1e-2) << block;
  }
}

TEST(ErrorFeedback, makes_values_that_codes_stand_for) {
  const Layer layer = random_layer(6, 9, 96, 200);
  for (const size_t block : {96U, 40U}) { // blocks that cut scopes apart
    for (const size_t group : {32U, 96U}) {
      const Scheme scheme = scheme_of(false, group);
      const Rounded rounded = round(ErrorFeedback(moments_of(layer, block)), layer, scheme, 9);
      for (size_t i = 0; i < rounded.values.size(); ++i) {
        const float scale = rounded.scales[i / group];
        EXPECT_EQ(round_scale(scale, Dtype::kF16), scale);
        const float code = std::nearbyint(rounded.values[i] / scale);
        EXPECT_EQ(code * scale, rounded.values[i]);
        const auto stored = static_cast<int32_t>(code) + rounded.zero_points[i / group];
        EXPECT_GE(stored, -8);
        EXPECT_LE(stored, 7);
      }
    }
  }
}

TEST(ErrorFeedback, does_not_depend_on_how_many_rows_are_rounded_at_once) {
  const Layer layer = random_layer(7, 17, 160, 300);
  const ErrorFeedback feedback(moments_of(layer, 64));
  const Scheme scheme = scheme_of(true, 32);
  const Rounded one = round(feedback, layer, scheme, 1);
  for (const size_t rows : {2U, 5U, 17U}) {
    const Rounded some = round(feedback, layer, scheme, rows);
    EXPECT_EQ(some.values, one.values);
    EXPECT_EQ(some.scales, one.scales);
  }
}

TEST(ErrorFeedback, counts_only_what_later_columns_cannot_make_up_for) {
  Layer layer = random_layer(11, 1, 64, 300);
  Random random(12);
  for (float &value : layer.inputs) {
    value = random.weight();
  }
  // Two columns that say the same, the larger of which is rounded first.
  for (size_t s = 0; s < layer.inputs.size(); s += 64) {
    layer.inputs[s + 40] = 5 * layer.inputs[s + 3];
  }
  const SecondMoments moments = moments_of(layer, 64);
  const ErrorFeedback feedback(moments);
  const auto square = [&](size_t column) { return moments.values[column * 65]; };
  EXPECT_LT(feedback.importance()[40], square(40) * 0.2F);
  EXPECT_GT(feedback.importance()[3], square(3) * 0.7F);
  const auto all = feedback.importance();
  EXPECT_GT(*std::min_element(all.begin(), all.end()), 0.0F);
}

/// Weights that no input has met are rounded like any others: they may be met later.
TEST(ErrorFeedback, keeps_columns_that_were_never_used) {
  const Layer layer = random_layer(8, 8, 64, 100);
  const Scheme scheme = scheme_of(true, 64);
  const Rounded rounded = round(ErrorFeedback(moments_of(layer, 64)), layer, scheme, 8);
  for (size_t i = 0; i < rounded.values.size(); ++i) {
    const float step = std::fabs(rounded.scales[i / 64]);
    if (i % 64 % 19 == 7 && std::fabs(layer.weights[i]) < 6 * step) {
      EXPECT_LE(std::fabs(rounded.values[i] - layer.weights[i]), step * 0.501F);
    }
  }
}

TEST(ErrorFeedback, without_any_inputs_takes_the_nearest_codes) {
  Layer layer = random_layer(9, 8, 64, 10);
  layer.inputs.assign(layer.inputs.size(), 0);
  const Scheme scheme = scheme_of(true, 32);
  const Rounded rounded = round(ErrorFeedback(moments_of(layer, 64)), layer, scheme, 8);
  EXPECT_EQ(rounded.values, nearest(layer, scheme, rounded));
}

/// One weight that many inputs share, of which f32 loses most: damping and other tries have to do.
TEST(ErrorFeedback, survives_moments_that_are_hardly_of_full_rank) {
  Layer layer = random_layer(10, 4, 128, 20);
  for (size_t i = 0; i < layer.inputs.size(); ++i) {
    layer.inputs[i] = layer.inputs[i / 128 * 128] * 1e6F;
  }
  const Scheme scheme = scheme_of(true, 32);
  const Rounded rounded = round(ErrorFeedback(moments_of(layer, 128)), layer, scheme, 4);
  EXPECT_LE(output_error(layer, rounded.values),
            output_error(layer, nearest(layer, scheme, rounded)) * 1.0001);
}

struct Bound {
  bool symmetric;
  size_t group;
  double others; // the best of llm-compressor 0.14 and GPTQModel 7.7, in any of their orders
  double ours;   // reached, and a little
};

/// Of a layer of 32 by 256 and 512 samples: tr(D H D^T) with H = 2 / samples X^T X. Scales and groups are each one's own.
TEST(ErrorFeedback, loses_less_than_other_implementations) {
  constexpr Bound kBounds[] = {{true, 64, 0.1919, 0.1635},  {true, 32, 0.1514, 0.1140},
                               {true, 256, 0.5072, 0.3240}, {false, 64, 0.1304, 0.1262},
                               {false, 32, 0.0988, 0.0885}, {false, 256, 0.2741, 0.2405}};
  const test::TensorFile file =
      test::parse_file(test::read_fixture("methods/gptq_inputs.safetensors"));
  Layer layer{256, test::values_of(file.tensors.at("W")), {}};
  for (const uint8_t byte : file.tensors.at("X_times_8").bytes) {
    layer.inputs.push_back(static_cast<float>(static_cast<int8_t>(byte)) / 8);
  }
  const ErrorFeedback feedback(moments_of(layer, 256));
  for (const Bound &bound : kBounds) {
    const Scheme scheme = scheme_of(bound.symmetric, bound.group);
    const Rounded rounded = round(feedback, layer, scheme, 32);
    const double error = output_error(layer, rounded.values) * 2 / 512;
    EXPECT_LT(error, bound.others) << bound.symmetric << " " << bound.group;
    EXPECT_LT(error, bound.ours) << bound.symmetric << " " << bound.group;
  }
}

} // namespace
} // namespace monoquant::quant
