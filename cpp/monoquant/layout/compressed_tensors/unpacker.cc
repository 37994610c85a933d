#include "monoquant/layout/compressed_tensors/unpacker.h"

#include <algorithm>
#include <cmath>

#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"
#include "monoquant/layout/compressed_tensors/compressed_tensors.h"
#include "monoquant/layout/scale_bytes.h"

namespace monoquant::layout::compressed_tensors {
namespace {

using catalog::Codes;

int64_t load_integer(const uint8_t *from, Dtype dtype) {
  switch (dtype) {
  case Dtype::kU8:
    return *from;
  case Dtype::kI32:
    return load_le<int32_t>(from);
  case Dtype::kI64:
    return load_le<int64_t>(from);
  default:
    return static_cast<int8_t>(*from);
  }
}

// A code is the nearest where its value is no further away than half a step. Codes are found by multiplying with
// the reciprocal of the scale in f32, and their values by multiplying again: among 256 codes that makes at most
// 256 * 3 * 2^-24 steps of difference, 4.6e-5.
constexpr double kHalfStep = 0.5 + 1e-4;

uint64_t groups(const Codes &codes) { return codes.columns / std::min(codes.scope, codes.columns); }

/// The word that holds the packed zero point of a row's first group.
uint64_t first_word(const Codes &codes, uint64_t row) {
  const uint64_t per_word = 32 / codes.bits;
  const uint64_t words = divide_up(codes.matrix_rows, per_word);
  return (row / codes.matrix_rows * words + row % codes.matrix_rows / per_word) * groups(codes);
}

} // namespace

void Unpacker::reserve(const Codes &codes, uint64_t elements) {
  const uint64_t in_part = codes.group_index ? (elements / codes.columns + 2) * groups(codes)
                                             : elements / codes.scope + 2;
  const uint64_t scopes = std::min(codes.scopes(), in_part);
  order_.reserve(codes.group_index ? static_cast<size_t>(codes.columns) : 0);
  scales_.reserve(static_cast<size_t>(scopes));
  zero_points_.reserve(static_cast<size_t>(scopes));
  if (codes.packed_zero_points) {
    const uint64_t rows = elements / codes.columns + 2;
    words_.reserve(
        static_cast<size_t>(std::min(codes.zero_point->bytes / 4, rows * groups(codes))));
  }
}

void Unpacker::begin(const Codes &codes, uint64_t begin, uint64_t end, std::span<float> values,
                     std::span<int8_t> steps) {
  codes_ = &codes;
  begin_ = begin;
  end_ = end;
  values_ = values;
  steps_ = steps;
  first_scope_ = begin / codes.scope;
  uint64_t last_scope = (end - 1) / codes.scope;
  order_.clear();
  if (codes.group_index) { // any of a row's
    first_scope_ = begin / codes.columns * groups(codes);
    last_scope = ((end - 1) / codes.columns + 1) * groups(codes) - 1;
    order_.resize(static_cast<size_t>(codes.columns));
  }
  scopes_ = last_scope - first_scope_ + 1;
  scales_.resize(static_cast<size_t>(scopes_));
  zero_points_.assign(static_cast<size_t>(scopes_), 0);
  findings_ = {};
  enter(Step::kOrder);
}

size_t Unpacker::scope_index(uint64_t element) const {
  if (order_.empty()) {
    return static_cast<size_t>(element / codes_->scope - first_scope_);
  }
  const uint64_t row = element / codes_->columns;
  return static_cast<size_t>(row * groups(*codes_) +
                             order_[static_cast<size_t>(element % codes_->columns)] - first_scope_);
}

/// Behind the last element from this one on that is known to have its scope.
uint64_t Unpacker::end_of_scope(uint64_t element) const {
  return order_.empty() ? (element / codes_->scope + 1) * codes_->scope : element + 1;
}

/// False for a scope that an earlier part has met.
bool Unpacker::is_first_seen(uint64_t scope) const {
  return order_.empty() ? scope * codes_->scope >= begin_
                        : scope / groups(*codes_) * codes_->columns >= begin_;
}

const Codes::Part &Unpacker::part() const {
  switch (step_) {
  case Step::kOrder:
    return *codes_->group_index;
  case Step::kScales:
    return codes_->scale;
  case Step::kZeroPoints:
    return *codes_->zero_point;
  default:
    return codes_->data;
  }
}

void Unpacker::enter(Step step) {
  step_ = step;
  taken_ = 0;
  if (step == Step::kOrder && !codes_->group_index) {
    return enter(Step::kScales);
  }
  if (step == Step::kZeroPoints && !codes_->zero_point) {
    return enter(Step::kCodes);
  }
  const uint64_t first_row = begin_ / codes_->columns;
  const uint64_t last_row = (end_ - 1) / codes_->columns;
  if (step == Step::kCodes && codes_->packed) {
    const uint64_t bits = codes_->bits;
    const uint64_t last_column = (end_ - 1) % codes_->columns;
    position_ = first_row * codes_->row_bytes() + begin_ % codes_->columns * bits / 32 * 4;
    last_ = last_row * codes_->row_bytes() + (last_column * bits / 32 + 1) * 4;
  } else if (step == Step::kCodes) {
    position_ = begin_;
    last_ = end_;
  } else if (step == Step::kOrder) {
    position_ = 0;
    last_ = codes_->columns * sizeof(int32_t);
  } else if (step == Step::kZeroPoints && codes_->packed_zero_points) {
    position_ = first_word(*codes_, first_row) * 4;
    last_ = (first_word(*codes_, last_row) + groups(*codes_)) * 4;
    words_.resize(static_cast<size_t>((last_ - position_) / 4));
  } else if (step != Step::kDone) {
    const uint32_t width = dtype_bits(part().dtype) / 8;
    position_ = first_scope_ * width;
    last_ = (first_scope_ + scopes_) * width;
  }
  if (step != Step::kDone && !part().literal.empty()) {
    const auto literal = std::span(part().literal);
    take(literal.subspan(static_cast<size_t>(position_), static_cast<size_t>(last_ - position_)));
  }
}

std::optional<Need> Unpacker::next() {
  if (step_ == Step::kDone) {
    return std::nullopt;
  }
  return Need{part().offset + position_, std::min<uint64_t>(last_ - position_, block_bytes_)};
}

void Unpacker::take(std::span<const uint8_t> bytes) {
  switch (step_) {
  case Step::kOrder:
    take_order(bytes);
    break;
  case Step::kScales:
    take_scales(bytes);
    break;
  case Step::kZeroPoints:
    take_zero_points(bytes);
    break;
  default:
    decode(bytes);
    break;
  }
  position_ += bytes.size();
  if (position_ < last_) {
    return;
  }
  if (step_ == Step::kZeroPoints && codes_->packed_zero_points) {
    unpack_zero_points();
  }
  switch (step_) {
  case Step::kOrder:
    return enter(Step::kScales);
  case Step::kScales:
    return enter(Step::kZeroPoints);
  case Step::kZeroPoints:
    return enter(Step::kCodes);
  default:
    return enter(Step::kDone);
  }
}

void Unpacker::take_order(std::span<const uint8_t> bytes) {
  const auto most = static_cast<int64_t>(groups(*codes_)) - 1;
  for (size_t at = 0; at < bytes.size(); at += sizeof(int32_t)) {
    const int64_t group = load_le<int32_t>(bytes.data() + at);
    findings_.bad_codes += begin_ == 0 && (group < 0 || group > most) ? 1 : 0;
    order_[taken_++] = static_cast<uint32_t>(std::clamp<int64_t>(group, 0, most));
  }
}

void Unpacker::take_scales(std::span<const uint8_t> bytes) {
  const uint32_t width = dtype_bits(codes_->scale.dtype) / 8;
  for (size_t at = 0; at < bytes.size(); at += width) {
    const float scale = load_scale(bytes.data() + at, codes_->scale.dtype);
    const bool is_new = is_first_seen(first_scope_ + taken_);
    findings_.bad_scales += is_new && (scale == 0 || !std::isfinite(scale)) ? 1 : 0;
    findings_.negative_scales += is_new && scale < 0 ? 1 : 0;
    scales_[taken_++] = scale;
  }
}

void Unpacker::take_zero_points(std::span<const uint8_t> bytes) {
  if (codes_->packed_zero_points) {
    for (size_t at = 0; at < bytes.size(); at += 4) {
      words_[taken_++] = load_le<uint32_t>(bytes.data() + at);
    }
    return;
  }
  const Dtype dtype = codes_->zero_point->dtype;
  for (size_t at = 0; at < bytes.size(); at += dtype_bits(dtype) / 8) {
    const int64_t zero_point = load_integer(bytes.data() + at, dtype);
    const bool is_new = is_first_seen(first_scope_ + taken_);
    const bool is_code = zero_point >= codes_->lowest() && zero_point <= codes_->highest();
    findings_.bad_zero_points += is_new && !is_code ? 1 : 0;
    zero_points_[taken_++] =
        static_cast<int32_t>(std::clamp<int64_t>(zero_point, codes_->lowest(), codes_->highest()));
  }
}

void Unpacker::unpack_zero_points() {
  const uint64_t per_word = 32 / codes_->bits;
  const uint64_t in_row = groups(*codes_);
  const uint64_t base = first_word(*codes_, begin_ / codes_->columns);
  const uint32_t mask = (1U << codes_->bits) - 1;
  for (uint64_t i = 0; i < scopes_; ++i) {
    const uint64_t row = (first_scope_ + i) / in_row;
    const uint64_t group = (first_scope_ + i) % in_row;
    const uint32_t word = words_[static_cast<size_t>(first_word(*codes_, row) + group - base)];
    const auto shift = static_cast<uint32_t>(row % codes_->matrix_rows % per_word) * codes_->bits;
    zero_points_[static_cast<size_t>(i)] =
        static_cast<int32_t>(word >> shift & mask) + codes_->lowest();
  }
}

void Unpacker::decode(std::span<const uint8_t> bytes) {
  if (!codes_->packed) {
    decode_codes(position_, position_ + bytes.size(), bytes.data(), 0);
    return;
  }
  const uint64_t row_bytes = codes_->row_bytes();
  const uint64_t bits = codes_->bits;
  uint64_t position = position_;
  while (!bytes.empty()) {
    const uint64_t row = position / row_bytes;
    const uint64_t within = position % row_bytes;
    const auto taken = static_cast<size_t>(std::min<uint64_t>(bytes.size(), row_bytes - within));
    const uint64_t first_column = within * 8 / bits;
    const uint64_t end_column = std::min(codes_->columns, (within + taken) * 8 / bits);
    const uint64_t row_begin = row * codes_->columns;
    const uint64_t begin = std::max(begin_, row_begin + first_column);
    decode_codes(begin, std::min(end_, row_begin + end_column), bytes.data(),
                 begin - row_begin - first_column);
    if (within + taken == row_bytes) { // what is left of the last word
      for (uint64_t column = codes_->columns; column < row_bytes * 8 / bits; ++column) {
        const uint64_t bit = (column - first_column) * bits;
        const uint32_t code =
            static_cast<uint32_t>(bytes[static_cast<size_t>(bit / 8)]) >> (bit % 8) &
            ((1U << bits) - 1);
        findings_.bad_codes += code != 0 ? 1 : 0;
      }
    }
    bytes = bytes.subspan(taken);
    position += taken;
  }
}

/// Elements of one scope, from `begin` on; code_at(i) is the code of element begin + i.
template <typename CodeAt>
void Unpacker::put(uint64_t begin, size_t count, const CodeAt &code_at, int32_t moved) {
  const size_t scope = scope_index(begin);
  const auto first = static_cast<size_t>(begin - begin_);
  const float scale = scales_[scope];
  const int32_t zero_point = zero_points_[scope];
  float *values = values_.data() + first;
  for (size_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(code_at(i) - zero_point) * scale;
  }
  if (!steps_.empty()) {
    int8_t *steps = steps_.data() + first;
    for (size_t i = 0; i < count; ++i) {
      steps[i] = static_cast<int8_t>(code_at(i) - moved);
    }
  }
}

/// Codes of fewer bits that have a byte each, and do not fit into their bits.
uint64_t Unpacker::count_wide(const uint8_t *codes, size_t count) const {
  return static_cast<uint64_t>(std::count_if(codes, codes + count, [&](uint8_t byte) {
    const auto code = static_cast<int8_t>(byte);
    return code < codes_->lowest() || code > codes_->highest();
  }));
}

/// Elements [begin, end) of the tensor; the first of them is code number `skip` of `codes`.
void Unpacker::decode_codes(uint64_t begin, uint64_t end, const uint8_t *codes, uint64_t skip) {
  while (begin < end) {
    const uint64_t stop = std::min(end, end_of_scope(begin));
    const auto count = static_cast<size_t>(stop - begin);
    const auto from = static_cast<size_t>(skip);
    if (!codes_->packed && codes_->is_unsigned) {
      put(
          begin, count, [&](size_t i) -> int32_t { return codes[from + i]; }, 128);
    } else if (!codes_->packed) {
      put(
          begin, count, [&](size_t i) -> int32_t { return static_cast<int8_t>(codes[from + i]); },
          0);
      findings_.bad_codes += codes_->bits == 8 ? 0 : count_wide(codes + from, count);
    } else if (codes_->bits == 8) {
      put(
          begin, count, [&](size_t i) { return codes[from + i] - 128; }, 0);
    } else {
      const auto nibble = [&](size_t i) {
        const size_t at = from + i;
        return (codes[at / 2] >> (at % 2 * 4) & 15) - 8;
      };
      put(begin, count, nibble, 0);
    }
    begin = stop;
    skip += count;
  }
}

uint64_t Unpacker::misrounded(std::span<const float> values,
                              std::span<const float> expected) const {
  uint64_t misrounded = 0;
  for (uint64_t at = begin_; at < end_;) {
    const uint64_t stop = std::min(end_, end_of_scope(at));
    const auto scale = static_cast<double>(scales_[scope_index(at)]);
    const int32_t zero_point = zero_points_[scope_index(at)];
    const double lowest = codes_->lowest() - zero_point;
    const double highest = codes_->highest() - zero_point;
    for (; at < stop && scale != 0 && std::isfinite(scale); ++at) {
      const auto i = static_cast<size_t>(at - begin_);
      // In steps of the scale, from the zero point.
      const double stored = static_cast<double>(values[i]) / scale;
      const double wanted = static_cast<double>(expected[i]) / scale;
      const bool clamped =
          (stored > highest - 0.5 && wanted > stored) || (stored < lowest + 0.5 && wanted < stored);
      misrounded += !clamped && !(std::fabs(wanted - stored) <= kHalfStep) ? 1 : 0;
    }
    at = stop;
  }
  return misrounded;
}

std::unique_ptr<PartDecoder> make_decoder(size_t block_bytes) {
  return std::make_unique<Unpacker>(block_bytes);
}

} // namespace monoquant::layout::compressed_tensors
