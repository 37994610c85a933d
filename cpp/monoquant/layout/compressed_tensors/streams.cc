#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/compressed_tensors/compressed_tensors.h"

namespace monoquant::layout {
namespace compressed_tensors {
namespace {

template <typename T> std::string bytes_of(std::span<const T> values) {
  // Little-endian, as all targets are.
  return {reinterpret_cast<const char *>(values.data()), values.size_bytes()};
}

/// [out, last], with the experts in front or the kernel's dimensions behind as ones.
std::vector<uint64_t> row_shape(const catalog::Tensor &tensor, uint64_t rows, uint64_t last) {
  const size_t rank = tensor.shape.size();
  if (tensor.is_stack()) {
    return {tensor.shape[0], rows, last};
  }
  std::vector<uint64_t> shape(rank, 1);
  shape[0] = rows;
  shape[1] = last;
  return shape;
}

std::string_view fit(quant::Scheme & /*scheme*/, bool /*weights_only*/) { return {}; }

/// Loaders know stored scales of inputs beside unpacked codes only.
bool stores_inputs(const Stored &stored) { return stored.scheme.bits == 8 && !is_packed(stored); }

std::vector<Stream> input_streams(const catalog::Tensor &tensor, const StoredInput &input) {
  const std::string_view module = catalog::module_name(tensor.name);
  const std::string stem = concat(module, module.empty() ? "" : ".");
  std::vector<Stream> streams{{Written::kFixed,
                               concat(stem, kInputScale),
                               Dtype::kF32,
                               {1},
                               bytes_of(std::span(&input.scale, 1))}};
  if (!input.symmetric) {
    streams.push_back({Written::kFixed,
                       concat(stem, kInputZeroPoint),
                       Dtype::kI8,
                       {1},
                       bytes_of(std::span(&input.zero_point, 1))});
  }
  return streams;
}

} // namespace

std::vector<Stream> streams(const catalog::Tensor &tensor, const Stored &stored) {
  const quant::Scheme &scheme = stored.scheme;
  const std::string &name = tensor.name;
  std::vector<Stream> streams;
  const std::vector<uint64_t> scale_shape = stored.shares_scale()
                                                ? std::vector<uint64_t>{1}
                                                : row_shape(tensor, stored.rows, stored.groups());
  if (is_packed(stored)) {
    std::vector<uint64_t> packed{stored.rows, divide_up(stored.columns * scheme.bits, 32)};
    if (tensor.is_stack()) {
      packed.insert(packed.begin(), stored.matrices);
    }
    streams.push_back({Written::kByRow, concat(name, kPacked), Dtype::kI32, std::move(packed)});
    streams.push_back({Written::kFixed,
                       concat(name, kShape),
                       Dtype::kI64,
                       {tensor.shape.size()},
                       bytes_of(std::span<const uint64_t>(tensor.shape))});
  } else {
    streams.push_back({Written::kByRow, name, Dtype::kI8, tensor.shape});
  }
  streams.push_back({Written::kByBand, concat(name, kScale), scheme.scale_dtype, scale_shape});
  if (!scheme.symmetric) {
    const bool packs = packs_zero_points(stored);
    const uint64_t words = divide_up(stored.rows * scheme.bits, 32);
    streams.push_back({Written::kByBand, concat(name, kZeroPoint), packs ? Dtype::kI32 : Dtype::kI8,
                       packs ? row_shape(tensor, words, stored.groups()) : scale_shape});
  }
  return streams;
}

} // namespace compressed_tensors

constexpr Layout kCompressedTensors = {
    "compressed-tensors",
    compressed_tensors::fit,
    compressed_tensors::streams,
    compressed_tensors::kPartSuffixes,
    compressed_tensors::make_codec,
    compressed_tensors::stores_inputs,
    compressed_tensors::input_streams,
    compressed_tensors::kInputNames,
    compressed_tensors::configuration,
    compressed_tensors::shape_needs,
    compressed_tensors::join,
    compressed_tensors::check,
    compressed_tensors::find_leftovers,
    compressed_tensors::make_decoder,
};

} // namespace monoquant::layout
