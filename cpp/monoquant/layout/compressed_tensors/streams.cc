#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/compressed_tensors/compressed_tensors.h"
#include "monoquant/quant/named_codes.h"

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

/// Loaders know stored scales of inputs beside unpacked codes only, and NVFP4's.
bool stores_inputs(const Stored &stored) {
  if (stored.weights_only || has_exponents(stored) ||
      stored.scheme.strategy == quant::Strategy::kBlock) {
    return false;
  }
  return stored.scheme.bits == 8 || stored.has_outer();
}

Dtype stored_type(Dtype scale) { return scale == Dtype::kF8E8M0 ? Dtype::kU8 : scale; }

/// As a matrix: for each row, or each row of blocks, the scales of its groups.
std::vector<uint64_t> scale_shape(const catalog::Tensor &tensor, const Stored &stored) {
  if (stored.shares_scale()) {
    return {1};
  }
  const bool is_block = stored.scheme.strategy == quant::Strategy::kBlock;
  const uint64_t rows = is_block ? divide_up(stored.rows, stored.scheme.block_rows) : stored.rows;
  return row_shape(tensor, rows, stored.groups());
}

std::vector<Stream> float_streams(const catalog::Tensor &tensor, const Stored &stored) {
  std::vector<Stream> streams;
  if (is_paired(stored)) {
    std::vector<uint64_t> shape = tensor.shape;
    shape.back() /= 2;
    streams.push_back(
        {Written::kByRow, concat(tensor.name, kPacked), Dtype::kU8, std::move(shape)});
  } else {
    streams.push_back({Written::kByRow, tensor.name, Dtype::kF8E4M3, tensor.shape});
  }
  streams.push_back({Written::kByBand, concat(tensor.name, kScale),
                     stored_type(stored.scheme.scale_dtype), scale_shape(tensor, stored)});
  if (stored.has_outer()) {
    streams.push_back({Written::kByBand, concat(tensor.name, kGlobalScale), Dtype::kF32, {1}});
  }
  return streams;
}

std::vector<Stream> input_streams(const catalog::Tensor &tensor, const StoredInput &input) {
  const std::string_view module = catalog::module_name(tensor.name);
  const std::string stem = concat(module, module.empty() ? "" : ".");
  std::vector<Stream> streams{{Written::kFixed,
                               concat(stem, input.is_global ? kInputGlobalScale : kInputScale),
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

std::string_view fit(quant::Scheme &scheme, bool /*weights_only*/) {
  using quant::Codebook;
  const bool is_block = scheme.strategy == quant::Strategy::kBlock;
  if (scheme.has_kernels()) {
    return is_block ? "FP8 for blocks of rows and columns" : std::string_view();
  }
  if (!scheme.symmetric) {
    return "the symmetric scheme";
  }
  if (scheme.codebook == Codebook::kF4E2M1) {
    return {};
  }
  if (scheme.codebook != Codebook::kF8E4M3) {
    return "integers, FP8, NVFP4, MXFP4 or MXFP8";
  }
  if (scheme.strategy == quant::Strategy::kGroup && scheme.scale_dtype != Dtype::kF8E8M0) {
    return "one scale for a tensor, a channel or a block of FP8";
  }
  return {};
}

/// Loaders have no places for scales of parts of groups; those of integers are packed, and may be of anything.
std::string arrange(const catalog::Tensor &tensor, Stored &stored) {
  const quant::Scheme &scheme = stored.scheme;
  if (scheme.has_kernels() || !scheme.cuts_rows()) {
    return {};
  }
  const bool is_block = scheme.strategy == quant::Strategy::kBlock;
  if (tensor.shape.size() != 2 && (is_block || !tensor.is_stack())) {
    return concat("it is no matrix, and only these have ", quant::codes_name(scheme), " in ",
                  is_block ? "blocks" : "groups");
  }
  if (stored.columns % scheme.group_size != 0) {
    return concat("its rows of ", stored.columns, " weights are no whole groups of ",
                  scheme.group_size);
  }
  return {};
}

std::vector<Stream> streams(const catalog::Tensor &tensor, const Stored &stored) {
  const quant::Scheme &scheme = stored.scheme;
  const std::string &name = tensor.name;
  if (!scheme.has_kernels()) {
    return float_streams(tensor, stored);
  }
  std::vector<Stream> streams;
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
  streams.push_back(
      {Written::kByBand, concat(name, kScale), scheme.scale_dtype, scale_shape(tensor, stored)});
  if (!scheme.symmetric) {
    const bool packs = packs_zero_points(stored);
    const uint64_t words = divide_up(stored.rows * scheme.bits, 32);
    streams.push_back(
        {Written::kByBand, concat(name, kZeroPoint), packs ? Dtype::kI32 : Dtype::kI8,
         packs ? row_shape(tensor, words, stored.groups()) : scale_shape(tensor, stored)});
  }
  return streams;
}

} // namespace compressed_tensors

constexpr Layout kCompressedTensors = {
    .name = "compressed-tensors",
    .fit = compressed_tensors::fit,
    .scales_as_weights = true,
    .arrange = compressed_tensors::arrange,
    .streams = compressed_tensors::streams,
    .part_suffixes = compressed_tensors::kPartSuffixes,
    .make_codec = compressed_tensors::make_codec,
    .stores_inputs = compressed_tensors::stores_inputs,
    .input_streams = compressed_tensors::input_streams,
    .input_names = compressed_tensors::kInputNames,
    .configuration = compressed_tensors::configuration,
    .needs = compressed_tensors::shape_needs,
    .join = compressed_tensors::join,
    .check = compressed_tensors::check,
    .find_leftovers = compressed_tensors::find_leftovers,
    .make_decoder = compressed_tensors::make_decoder,
};

} // namespace monoquant::layout
