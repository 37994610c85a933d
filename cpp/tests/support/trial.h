// Runs a ExecuteStage over files in memory.
// It exists so that tests of what is executed say only which files there are.
// The stage is driven as any other: blocks of the size that is asked for.
#pragma once

#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "monoquant/base/bytes.h"
#include "monoquant/base/json.h"
#include "monoquant/execute/activations.h"
#include "monoquant/run/execute_stage.h"
#include "support/drive.h"
#include "support/memory_host.h"
#include "support/naive_layer.h"
#include "support/tensor_file.h"

namespace monoquant::test {

struct TrialFiles {
  const Bytes *reference = nullptr;
  const Bytes *data = nullptr;
};

/// The result, or why there is none.
inline Result<Json> try_trial(const Bytes &file, TrialFiles files = {},
                              size_t block_bytes = size_t{1} << 20U) {
  const auto open = [](const Bytes *bytes, bool joined) -> std::optional<catalog::Catalog> {
    if (bytes == nullptr) {
      return std::nullopt;
    }
    auto catalog = inspect(*bytes, {{}, {}, false, joined});
    EXPECT_TRUE(catalog);
    return catalog ? std::optional(std::move(catalog.value())) : std::nullopt;
  };
  const auto of_file = open(&file, true);
  const auto of_reference = open(files.reference, true);
  const auto of_data = open(files.data, false);
  run::ExecuteStage stage(*of_file, of_reference ? &*of_reference : nullptr,
                          of_data ? &*of_data : nullptr, block_bytes);
  const Bytes *sources[] = {&file, files.reference, files.data};
  const auto done = drive(
      stage,
      [&](const run::ByteRange &read, std::span<uint8_t> into) {
        const Bytes &from = *sources[read.source];
        ASSERT_LE(read.offset + into.size(), from.size());
        std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(read.offset), into.size(),
                    into.begin());
      },
      [](uint64_t, std::span<const uint8_t>) { FAIL() << "nothing is to be written"; });
  if (!done) {
    return done.error();
  }
  EXPECT_EQ(stage.done_bytes(), stage.total_bytes());
  return Json::parse(stage.result_json());
}

/// The layers' results.
inline Json trial(const Bytes &file, TrialFiles files = {}, size_t block_bytes = size_t{1} << 20U) {
  auto result = try_trial(file, files, block_bytes);
  EXPECT_TRUE(result);
  return result ? result.value()["layers"] : Json();
}

/// The layer that a tensor is in.
inline Json layer_of(const Json &layers, std::string_view tensor) {
  for (const Json &layer : layers) {
    for (const Json &name : layer["tensors"]) {
      if (name == tensor) {
        return layer;
      }
    }
  }
  ADD_FAILURE() << "no layer has " << tensor;
  return {};
}

/// A matrix as a file stores it: P, P_scale and P_zero_point.
inline std::vector<FileTensor> coded_tensors(const std::string &name, const NaiveMatrix &matrix,
                                             std::vector<uint64_t> shape = {}) {
  if (shape.empty()) {
    shape = {matrix.rows, matrix.columns};
  }
  const std::vector<double> scales(matrix.scales.begin(), matrix.scales.end());
  std::vector<uint64_t> scale_shape(shape.size(), 1);
  scale_shape[0] = matrix.rows;
  scale_shape[1] = matrix.groups();
  if (matrix.is_shared) {
    scale_shape = {1};
  }
  std::vector<FileTensor> tensors = {
      {name, Dtype::kI8, shape, Bytes(matrix.codes.begin(), matrix.codes.end())},
      make_tensor(name + "_scale", Dtype::kF32, scale_shape, scales)};
  if (!matrix.zero_points.empty()) {
    tensors.push_back({name + "_zero_point", Dtype::kI8, scale_shape,
                       Bytes(matrix.zero_points.begin(), matrix.zero_points.end())});
  }
  return tensors;
}

/// The same packed, four bits a code; columns are a multiple of eight.
inline std::vector<FileTensor> packed_tensors(const std::string &name, const NaiveMatrix &matrix) {
  Bytes words;
  for (size_t i = 0; i < matrix.codes.size(); i += 2) {
    words.push_back(static_cast<uint8_t>((matrix.codes[i] + 8) | ((matrix.codes[i + 1] + 8) << 4)));
  }
  Bytes extents(16);
  store_le(extents.data(), uint64_t{matrix.rows});
  store_le(extents.data() + 8, uint64_t{matrix.columns});
  const std::vector<double> scales(matrix.scales.begin(), matrix.scales.end());
  return {{name + "_packed", Dtype::kI32, {matrix.rows, matrix.columns / 8}, words},
          make_tensor(name + "_scale", Dtype::kF32, {matrix.rows, matrix.groups()}, scales),
          {name + "_shape", Dtype::kI64, {2}, extents}};
}

inline FileTensor float_tensor(const std::string &name, const std::vector<float> &values,
                               std::vector<uint64_t> shape) {
  return make_tensor(name, Dtype::kF32, std::move(shape),
                     std::vector<double>(values.begin(), values.end()));
}

inline std::vector<FileTensor> together(std::initializer_list<std::vector<FileTensor>> parts) {
  std::vector<FileTensor> all;
  for (const std::vector<FileTensor> &part : parts) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

/// SQNR in dB and cosine, written plainly.
struct PlainMeasure {
  double signal = 0;
  double noise = 0;
  double dot = 0;
  double executed = 0;

  void add(double y, double z) {
    signal += y * y;
    noise += (y - z) * (y - z);
    dot += y * z;
    executed += z * z;
  }
  [[nodiscard]] double sqnr_db() const { return 10 * std::log10(signal / noise); }
  [[nodiscard]] double cosine() const { return dot / std::sqrt(signal * executed); }
};

/// Of all outputs of a matrix, for samples one after the other.
inline PlainMeasure naive_measure(const NaiveMatrix &matrix, std::span<const float> values,
                                  const execute::ActivationRule &rule) {
  PlainMeasure measure;
  for (size_t row = 0; row < matrix.rows; ++row) {
    for (size_t at = 0; at < values.size(); at += matrix.columns) {
      const std::span<const float> sample = values.subspan(at, matrix.columns);
      measure.add(naive_reference(matrix, row, sample),
                  naive_executed(matrix, row, sample, rule, naive_magnitude(sample)));
    }
  }
  return measure;
}

} // namespace monoquant::test
