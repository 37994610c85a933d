#include "monoquant/run/unit_encoder.h"

#include <algorithm>
#include <cmath>

#include "monoquant/quant/method.h"
#include "monoquant/quant/output_errors.h"

namespace monoquant::run {
namespace {

using quant::QparamsArrays;
using quant::SourceKernels;

/// Scopes that are handled in one go: their ranges first, then their codes.
constexpr size_t kBatch = 64;

/// How many of `count` scopes have got a scale at the edge of its dtype. Zeros need no scale at all.
uint64_t count_edges(const Values &values, size_t size, size_t count, const quant::Scheme &scheme,
                     const QparamsArrays &chosen) {
  if (!scheme.has_kernels()) { // whose scales are as small as floats allow
    return 0;
  }
  const float edge = quant::edge_scale(scheme.scale_dtype);
  uint64_t edges = 0;
  for (size_t i = 0; i < count; ++i) {
    if (std::fabs(chosen.scales[i]) <= edge) {
      edges += quant::magnitude_of(values.part(i * size, size)) == 0 ? 0 : 1;
    }
  }
  return edges;
}

/// Chooses the scales of some scopes of one piece; the first of them is scope `first` of it. False at a value that is
/// not finite.
bool choose_some(const Values &batch, const quant::Scheme &scheme, size_t size, size_t first,
                 const UnitShape &shape, const QparamsArrays &qparams, UnitResult &result) {
  uint32_t magnitudes[kBatch];
  const size_t count = batch.count() / size;
  quant::kernels().of(batch.dtype).magnitudes(batch.bytes.data(), size, count, magnitudes);
  result.magnitude = std::max(result.magnitude, *std::max_element(magnitudes, magnitudes + count));
  if (result.magnitude >= kInfinityBits) {
    return false;
  }
  const auto importance = shape.importance.empty()
                              ? shape.importance
                              : shape.importance.subspan(first * size, count * size);
  quant::facts_of(scheme.method)
      .choose({batch, size, {magnitudes, count}, importance}, scheme, qparams);
  return true;
}

/// Errors, and what moves the means of outputs, are those of the weights as they were.
void add_what_was_pruned(const UnitShape &shape, UnitResult &result) {
  if (shape.pruned == nullptr) {
    return;
  }
  quant::add_pruned(*shape.pruned, shape.importance, result.sums);
  for (size_t piece = 0; piece < shape.mean_errors.sums.size(); ++piece) {
    const std::span<const float> means = shape.mean_errors.of(piece, 0, shape.write);
    for (size_t i = 0; i < shape.write; ++i) {
      const size_t at = piece * shape.write + i;
      if (shape.pruned->mask[at] != 0) {
        shape.mean_errors.sums[piece] +=
            static_cast<double>(shape.pruned->original[at]) * static_cast<double>(means[i]);
      }
    }
  }
}

/// The scales of all scopes first, then the codes of whole rows, then the bytes of both.
UnitResult encode_with_feedback(const Values &values, const quant::Scheme &scheme,
                                const layout::RowCodec &codec, const UnitShape &shape, size_t size,
                                const QparamsArrays &qparams, uint8_t *to) {
  UnitResult result;
  UnitShape searched = shape;
  searched.importance = shape.feedback->importance();
  const size_t scopes = values.count() / size;
  const size_t per_piece = shape.write / size;
  for (size_t begin = 0; begin < scopes;) {
    const size_t first = begin % per_piece;
    const size_t count = std::min(kBatch, per_piece - first);
    if (!choose_some(values.part(begin * size, count * size), scheme, size, first, searched,
                     qparams.from(begin), result)) {
      return result;
    }
    begin += count;
  }
  std::vector<float> rounded(values.count());
  const std::span given(reinterpret_cast<const float *>(values.bytes.data()), values.count());
  const bool is_pruned = shape.pruned != nullptr;
  const std::span<const float> rows = is_pruned ? shape.pruned->original : given;
  const quant::OutputErrors output =
      shape.feedback->round(rows, scheme, size, qparams, rounded,
                            is_pruned ? shape.pruned->mask : std::span<const uint8_t>());
  result.edge_scales = count_edges(values, size, scopes, scheme, qparams);
  // These are what codes stand for, so their nearest codes are the ones that were chosen.
  quant::ErrorSums none;
  for (size_t begin = 0; begin < scopes; begin += per_piece) {
    uint8_t *const end = to + codec.row_bytes(shape.write);
    to = codec.encode(Values(rounded).part(begin * size, shape.write), size, per_piece,
                      qparams.from(begin), to, none);
    to = std::fill_n(to, end - to, uint8_t{0});
  }
  result.sums = quant::exact_errors(rows, rounded);
  result.sums.output = output;
  for (size_t piece = 0; piece < shape.mean_errors.sums.size(); ++piece) {
    const std::span<const float> means = shape.mean_errors.of(piece, 0, shape.write);
    double &sum = shape.mean_errors.sums[piece];
    sum = 0;
    for (size_t i = 0; i < shape.write; ++i) {
      const size_t at = piece * shape.write + i;
      sum += static_cast<double>(rows[at] - rounded[at]) * static_cast<double>(means[i]);
    }
  }
  return result;
}

} // namespace

UnitResult measure(const Values &values) {
  UnitResult result;
  result.magnitude = quant::magnitude_of(values);
  if (result.magnitude < kInfinityBits) {
    quant::kernels().of(values.dtype).ranges(values.bytes.data(), values.count(), 1, &result.range);
  }
  return result;
}

UnitResult encode_unit(const Values &values, const quant::Scheme &scheme,
                       const layout::RowCodec &codec, UnitShape shape, QparamsArrays qparams,
                       uint8_t *to) {
  const bool whole = scheme.strategy == quant::Strategy::kTensor;
  const size_t size = scheme.cuts_rows() ? static_cast<size_t>(scheme.group_size) : shape.write;
  if (shape.feedback != nullptr) {
    return encode_with_feedback(values, scheme, codec, shape, size, qparams, to);
  }
  const size_t per_piece = shape.write / size;
  const auto piece_bytes = static_cast<size_t>(codec.row_bytes(shape.write));
  const MeanErrors &shifts = shape.mean_errors;
  UnitResult result;
  for (size_t at = 0, piece = 0; at < values.count(); ++piece) {
    uint8_t *const piece_end = to + piece_bytes;
    double shift = 0;
    for (size_t done = 0; done < per_piece;) {
      const size_t count = std::min(kBatch, per_piece - done);
      const Values batch = values.part(at, count * size);
      if (!shape.knows_qparams) {
        if (!choose_some(batch, scheme, size, done, shape, qparams, result)) {
          return result;
        }
        result.edge_scales += count_edges(batch, size, count, scheme, qparams);
      }
      to = codec.encode(batch, size, count, qparams, to, result.sums);
      if (!shape.importance.empty()) {
        const auto importance = shape.importance.subspan(done * size, count * size);
        result.sums.output.add(
            quant::output_errors(batch, size, count, scheme, qparams, importance));
      }
      if (!shifts.sums.empty()) {
        const auto means = shifts.of(piece, done * size, count * size);
        shift += quant::mean_error(batch, size, count, scheme, qparams, means);
      }
      qparams = qparams.from(whole ? 0 : count);
      at += count * size;
      done += count;
    }
    if (!shifts.sums.empty()) {
      shifts.sums[piece] = shift;
    }
    to = std::fill_n(to, piece_end - to, uint8_t{0});
  }
  add_what_was_pruned(shape, result);
  return result;
}

UnitResult encode_blocks(const Values &values, const layout::RowCodec &codec,
                         const UnitShape &shape, uint8_t *to) {
  constexpr uint32_t kLargest = kInfinityBits - 1;
  UnitResult result;
  result.magnitude = quant::magnitude_of(values);
  if (result.magnitude >= kInfinityBits && !shape.takes_any) {
    return result;
  }
  const std::span all(reinterpret_cast<const float *>(values.bytes.data()), values.count());
  if (!codec.encode_blocks(all, shape.write, shape.importance, to, result.sums)) {
    result.magnitude = kLargest;
  }
  add_what_was_pruned(shape, result);
  return result;
}

UnitResult convert(const Values &values, Dtype target, uint8_t *to) {
  if (target == Dtype::kF32) { // of F32: values that were changed
    std::copy(values.bytes.begin(), values.bytes.end(), to);
    UnitResult kept;
    kept.magnitude = quant::magnitude_of(values);
    kept.sums = quant::exact_errors(values, values);
    return kept;
  }
  const SourceKernels &source = quant::kernels().of(values.dtype);
  const auto encode = target == Dtype::kF16 ? source.encode_f16 : source.encode_bf16;
  UnitResult result;
  result.magnitude = encode(values.bytes.data(), values.count(), to, result.sums);
  const auto [lowest, highest] = quant::kSquarable;
  const bool is_squarable = result.magnitude >= lowest && result.magnitude <= highest;
  if (!is_squarable && result.magnitude < overflow_magnitude(target)) {
    result.sums = quant::exact_errors(values, {target, {to, values.count() * 2}});
  }
  return result;
}

uint32_t overflow_magnitude(Dtype target) {
  if (target == Dtype::kF32) {
    return kInfinityBits;
  }
  return target == Dtype::kF16 ? 0x477FF000U : 0x7F7F8000U; // 65520; 2^128 less half a step
}

} // namespace monoquant::run
