#include "support/reference_quantizer.h"

#include <algorithm>
#include <cmath>

#include "monoquant/base/bytes.h"
#include "monoquant/base/float_convert.h"
#include "monoquant/quant/search.h"
#include "support/reference_kernels.h"

namespace monoquant::test {
namespace {

constexpr float kEps = 1.1920928955078125e-07F; // PyTorch's, 2^-23

float as_stored(float scale, Dtype dtype) {
  if (dtype == Dtype::kF16) {
    return f16_to_f32(f32_to_f16(scale));
  }
  return dtype == Dtype::kBF16 ? bf16_to_f32(f32_to_bf16(scale)) : scale;
}

/// PyTorch's `_calculate_qparams` for signed codes.
void choose(std::span<const float> scope, const quant::Scheme &scheme, float &scale,
            int32_t &zero_point) {
  const int32_t highest = (1 << (scheme.bits - 1)) - 1;
  const int32_t lowest = -highest - 1;
  const auto levels = static_cast<float>(highest - lowest);
  const float neg = std::min(0.0F, *std::min_element(scope.begin(), scope.end()));
  const float pos = std::max(0.0F, *std::max_element(scope.begin(), scope.end()));
  zero_point = 0;
  if (scheme.symmetric) {
    scale = as_stored(std::max(std::max(-neg, pos) / (levels / 2), kEps), scheme.scale_dtype);
    return;
  }
  // A width beyond f32 is infinite in PyTorch; there the division comes first.
  const float width = pos - neg;
  const float step = std::isinf(width) ? pos / levels - neg / levels : width / levels;
  scale = as_stored(std::max(step, kEps), scheme.scale_dtype);
  zero_point =
      std::clamp(lowest - static_cast<int32_t>(std::nearbyint(neg / scale)), lowest, highest);
}

std::vector<uint8_t> bytes_of_codes(std::span<const int32_t> codes) {
  std::vector<uint8_t> bytes;
  bytes.reserve(codes.size());
  for (const int32_t code : codes) {
    bytes.push_back(static_cast<uint8_t>(code));
  }
  return bytes;
}

/// A run of codes as a stream of bits, lowest first, shifted to unsigned and filled up to 32-bit words.
void append_packed(std::vector<uint8_t> &bytes, std::span<const int32_t> codes, uint32_t bits) {
  std::vector<uint8_t> run((codes.size() * bits + 31) / 32 * 4);
  for (size_t i = 0; i < codes.size(); ++i) {
    const auto shifted = static_cast<uint32_t>(codes[i] + (1 << (bits - 1)));
    for (uint32_t bit = 0; bit < bits; ++bit) {
      const size_t at = i * bits + bit;
      run[at / 8] = static_cast<uint8_t>(run[at / 8] | ((shifted >> bit & 1U) << (at % 8)));
    }
  }
  bytes.insert(bytes.end(), run.begin(), run.end());
}

/// [rows, last] of each matrix: ones in place of a kernel's dimensions, experts in front.
std::vector<uint64_t> per_row_shape(const FileTensor &source, bool is_stack, uint64_t rows,
                                    uint64_t last) {
  if (is_stack) {
    return {source.shape[0], rows, last};
  }
  std::vector<uint64_t> shape = {rows, last};
  shape.resize(source.shape.size(), 1);
  return shape;
}

} // namespace

Matrices as_matrices(const std::vector<uint64_t> &shape, bool is_stack) {
  Matrices matrices{is_stack ? shape[0] : 1, is_stack ? shape[1] : shape[0], 1};
  for (size_t i = is_stack ? 2 : 1; i < shape.size(); ++i) {
    matrices.columns *= shape[i];
  }
  return matrices;
}

ReferenceCodes reference_codes(std::span<const float> values, const Matrices &shape,
                               const quant::Scheme &scheme, std::span<const float> importance) {
  ReferenceCodes result;
  switch (scheme.strategy) {
  case quant::Strategy::kTensor:
    result.scope_size = values.size();
    break;
  case quant::Strategy::kChannel:
    result.scope_size = static_cast<size_t>(shape.columns);
    break;
  case quant::Strategy::kGroup:
  case quant::Strategy::kBlock: // of small floats only, whose tests have references of their own
    result.scope_size = static_cast<size_t>(scheme.group_size);
    break;
  }
  const int32_t highest = (1 << (scheme.bits - 1)) - 1;
  const int32_t lowest = -highest - 1;
  result.codes.reserve(values.size());
  for (size_t begin = 0; begin < values.size(); begin += result.scope_size) {
    const std::span<const float> scope = values.subspan(begin, result.scope_size);
    float scale = 0;
    int32_t zero_point = 0;
    if (scheme.method == quant::Method::kMse) {
      const size_t column = begin % static_cast<size_t>(shape.columns);
      const auto weights =
          importance.empty() ? importance : importance.subspan(column, result.scope_size);
      const quant::Qparams found =
          quant::search_qparams(scope, weights, scheme, quant::scalar_kernels());
      scale = found.scale;
      zero_point = found.zero_point;
    } else {
      choose(scope, scheme, scale, zero_point);
    }
    const float inverse = 1.0F / scale;
    for (const float value : scope) {
      const auto rounded = static_cast<int32_t>(std::nearbyint(value * inverse));
      result.codes.push_back(std::clamp(zero_point + rounded, lowest, highest));
    }
    result.scales.push_back(scale);
    result.zero_points.push_back(zero_point);
  }
  return result;
}

std::map<std::string, FileTensor> reference_outputs(const FileTensor &source, bool is_stack,
                                                    const layout::Stored &stored,
                                                    std::span<const float> importance) {
  const Matrices shape = as_matrices(source.shape, is_stack);
  return reference_outputs(source, is_stack, stored,
                           reference_codes(values_of(source), shape, stored.scheme, importance));
}

std::map<std::string, FileTensor> reference_outputs(const FileTensor &source, bool is_stack,
                                                    const layout::Stored &stored,
                                                    const ReferenceCodes &made) {
  const Matrices shape = as_matrices(source.shape, is_stack);
  const std::span<const int32_t> codes(made.codes);
  std::map<std::string, FileTensor> outputs;
  const auto add = [&](FileTensor tensor) { outputs[tensor.name] = std::move(tensor); };

  const quant::Scheme &scheme = stored.scheme;
  const bool whole = scheme.strategy == quant::Strategy::kTensor;
  const uint64_t groups =
      scheme.strategy == quant::Strategy::kGroup ? shape.columns / scheme.group_size : 1;
  const std::vector<uint64_t> scale_shape =
      whole ? std::vector<uint64_t>{1} : per_row_shape(source, is_stack, shape.rows, groups);
  add(make_tensor(source.name + "_scale", scheme.scale_dtype, scale_shape,
                  {made.scales.begin(), made.scales.end()}));

  if (!stored.weights_only) {
    add({source.name, Dtype::kI8, source.shape, bytes_of_codes(codes)});
    if (!scheme.symmetric) {
      add({source.name + "_zero_point", Dtype::kI8, scale_shape, bytes_of_codes(made.zero_points)});
    }
    return outputs;
  }

  const auto columns = static_cast<size_t>(shape.columns);
  FileTensor packed{source.name + "_packed", Dtype::kI32, {}, {}};
  for (size_t row = 0; row < shape.count * shape.rows; ++row) {
    append_packed(packed.bytes, codes.subspan(row * columns, columns), scheme.bits);
  }
  packed.shape = {shape.rows, packed.bytes.size() / 4 / (shape.count * shape.rows)};
  if (is_stack) {
    packed.shape.insert(packed.shape.begin(), shape.count);
  }
  add(std::move(packed));

  FileTensor original{source.name + "_shape", Dtype::kI64, {source.shape.size()}, {}};
  original.bytes.resize(8 * source.shape.size());
  for (size_t i = 0; i < source.shape.size(); ++i) {
    store_le(original.bytes.data() + 8 * i, source.shape[i]);
  }
  add(std::move(original));

  if (!scheme.symmetric && whole) {
    add({source.name + "_zero_point", Dtype::kI8, {1}, bytes_of_codes(made.zero_points)});
  } else if (!scheme.symmetric) {
    // Along the outputs: word w of group g holds rows w * n and following.
    const uint64_t words = (shape.rows * scheme.bits + 31) / 32;
    FileTensor zero{source.name + "_zero_point", Dtype::kI32, {}, {}};
    zero.shape = per_row_shape(source, is_stack, words, groups);
    for (uint64_t matrix = 0; matrix < shape.count; ++matrix) {
      std::vector<uint8_t> by_group; // all words of a group, then those of the next
      for (uint64_t group = 0; group < groups; ++group) {
        std::vector<int32_t> column;
        for (uint64_t row = 0; row < shape.rows; ++row) {
          const uint64_t scope = (matrix * shape.rows + row) * groups + group;
          column.push_back(made.zero_points[static_cast<size_t>(scope)]);
        }
        append_packed(by_group, column, scheme.bits);
      }
      for (uint64_t word = 0; word < words; ++word) {
        for (uint64_t group = 0; group < groups; ++group) {
          const auto at = static_cast<std::ptrdiff_t>((group * words + word) * 4);
          zero.bytes.insert(zero.bytes.end(), by_group.begin() + at, by_group.begin() + at + 4);
        }
      }
    }
    add(std::move(zero));
  }
  return outputs;
}

FileTensor reference_float(const FileTensor &source, Dtype target) {
  FileTensor result{source.name, target, source.shape, {}};
  for (const float value : values_of(source)) {
    const bool half = target == Dtype::kF16;
    const uint32_t body =
        round_to_format(std::fabs(static_cast<double>(value)), half ? 10 : 7, half ? -14 : -126);
    const uint32_t bits = body | (std::signbit(value) ? 0x8000U : 0U);
    result.bytes.push_back(static_cast<uint8_t>(bits));
    result.bytes.push_back(static_cast<uint8_t>(bits >> 8U));
  }
  return result;
}

quant::ErrorSums reference_errors(std::span<const float> values, const ReferenceCodes &codes) {
  quant::ErrorSums sums;
  for (size_t i = 0; i < values.size(); ++i) {
    const auto value = static_cast<double>(values[i]);
    const double error = value - codes.stored(i);
    sums.signal += value * value;
    sums.noise += error * error;
    sums.peak = std::max(sums.peak, static_cast<float>(std::fabs(error)));
  }
  return sums;
}

} // namespace monoquant::test
