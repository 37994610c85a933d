// The numbers of a piece to values.
#include <algorithm>
#include <cmath>

#include "monoquant/base/bytes.h"
#include "monoquant/base/float_convert.h"
#include "monoquant/layout/coded/decoder.h"
#include "monoquant/layout/coded/rotation.h"
#include "monoquant/layout/scale_bytes.h"

namespace monoquant::layout::coded {
namespace {

using catalog::Decoding;

/// A number that belongs to a scale and is a whole element.
double load_zero(const uint8_t *from, Dtype dtype) {
  switch (dtype) {
  case Dtype::kU8:
    return *from;
  case Dtype::kI8:
    return static_cast<int8_t>(*from);
  case Dtype::kI32:
    return load_le<int32_t>(from);
  case Dtype::kI64:
    return static_cast<double>(load_le<int64_t>(from));
  default:
    return static_cast<double>(load_scale(from, dtype));
  }
}

bool is_whole(Dtype dtype) {
  return dtype == Dtype::kU8 || dtype == Dtype::kI8 || dtype == Dtype::kI32 || dtype == Dtype::kI64;
}

} // namespace

void Decoder::decode_piece() {
  take_tables();
  const uint64_t columns = piece_.end_column - piece_.first_column;
  for (uint64_t row = piece_.first_row; row < piece_.end_row; ++row) {
    if (row == piece_.first_row || row % decoding_->scale_rows == 0) {
      find_scopes(row);
    }
    const auto at = static_cast<size_t>(position_ - begin_);
    const std::span<float> to = values_.subspan(at, static_cast<size_t>(columns));
    if (decoding_->rotated == 0) {
      decode_row(row, piece_.first_column, to);
    } else {
      decode_rotated(row, to);
    }
    position_ += columns;
  }
}

void Decoder::take_tables() {
  if (!decoding_->table) {
    numbers_ = decoding_->numbers;
    return;
  }
  numbers_.resize(static_cast<size_t>(decoding_->table->bytes / sizeof(float)));
  for (size_t i = 0; i < numbers_.size(); ++i) {
    numbers_[i] = load_le<float>(table_.data() + i * sizeof(float));
  }
}

/// The scales of a row, and what is wrong with those that nobody has met before.
void Decoder::find_scopes(uint64_t row) {
  const Decoding &decoding = *decoding_;
  const uint64_t down = row / decoding.scale_rows;
  scopes_.resize(static_cast<size_t>(groups_));
  for (uint64_t i = 0; i < groups_; ++i) {
    Scope &scope = scopes_[static_cast<size_t>(i)];
    const uint64_t group = first_group_ + i;
    scope.scale = scale_at(down, group);
    scope.zero = decoding.zeros ? zero_at(down, group) : 0;
    const bool begins_here = decoding.group_index
                                 ? piece_.first_column == 0
                                 : group * decoding.scale_columns >= piece_.first_column;
    if (row % decoding.scale_rows == 0 && begins_here) {
      judge(scope);
    }
  }
}

float Decoder::scale_at(uint64_t down, uint64_t across) const {
  const Decoding &decoding = *decoding_;
  const uint8_t *at = scale_words_.element(down, across);
  float scale = 0;
  if (decoding.scale_table) {
    scale = load_le<float>(scale_table_.data() + size_t{*at} * sizeof(float));
  } else if (decoding.scales.part.dtype == Dtype::kF8E4M3) {
    scale = f8_e4m3_to_f32(*at);
  } else {
    scale = load_scale(at, decoding.scales.part.dtype);
  }
  if (decoding.outer) {
    const uint64_t index =
        (piece_.matrix * decoding.scales_down() + down) * decoding.scales_across() + across;
    const uint64_t outer = index / decoding.scales_in_outer - first_outer_;
    const auto factor = load_le<float>(outer_.data() + outer * sizeof(float));
    scale = decoding.divides_by_outer ? scale / factor : scale * factor;
  }
  scale += decoding.scale_offset;
  return decoding.inverse_scales ? 1.0F / scale : scale;
}

float Decoder::zero_at(uint64_t down, uint64_t across) {
  const Decoding &decoding = *decoding_;
  if (decoding.zeros->in_word != 1) {
    const uint32_t mask = (1U << decoding.zeros->bits) - 1;
    const uint32_t stored = zero_words_.packed(down, across) + decoding.zero_added;
    return static_cast<float>(static_cast<int32_t>(stored & mask) + decoding.zero_lowest);
  }
  return static_cast<float>(
      load_zero(zero_words_.element(down, across), decoding.zeros->part.dtype));
}

/// Signs of scales are whatever other tools choose.
void Decoder::judge(const Scope &scope) {
  const bool is_bad_zero = scope.scale == 0 && !decoding_->zero_scales_are_sound;
  findings_.bad_scales += is_bad_zero || !std::isfinite(scope.scale) ? 1 : 0;
  if (!decoding_->zeros) {
    return;
  }
  const bool is_code = decoding_->zero != Decoding::Zero::kPoint ||
                       decoding_->zeros->in_word != 1 || !is_whole(decoding_->zeros->part.dtype) ||
                       (scope.zero >= numbers_.front() && scope.zero <= numbers_.back()) ||
                       std::find(numbers_.begin(), numbers_.end(), scope.zero) != numbers_.end();
  findings_.bad_zero_points += is_code && std::isfinite(scope.zero) ? 0 : 1;
}

/// The number of a column's scale in its row.
uint64_t Decoder::group_of(uint64_t column) const {
  if (!decoding_->group_index) {
    return column / decoding_->scale_columns;
  }
  const auto most = static_cast<int64_t>(decoding_->scales_across()) - 1;
  const int64_t group = load_le<int32_t>(order_.data() + column * sizeof(int32_t));
  return static_cast<uint64_t>(std::clamp<int64_t>(group, 0, most));
}

/// Columns from `column` on.
void Decoder::decode_row(uint64_t row, uint64_t column, std::span<float> to) {
  row_.resize(to.size());
  code_words_.read_row(row, column, row_);
  for (size_t at = 0; at < to.size();) {
    const uint64_t place = column + at;
    const uint64_t group = group_of(place);
    size_t count = 1;
    if (!decoding_->group_index) {
      const uint64_t left = (group + 1) * decoding_->scale_columns - place;
      count = static_cast<size_t>(std::min<uint64_t>(left, to.size() - at));
    } else if (piece_.matrix == 0 && row == 0) {
      const int64_t stored = load_le<int32_t>(order_.data() + place * sizeof(int32_t));
      findings_.bad_codes += stored != static_cast<int64_t>(group) ? 1 : 0;
    }
    put(std::span(row_).subspan(at, count), scopes_[static_cast<size_t>(group - first_group_)],
        to.data() + at);
    at += count;
  }
}

/// The piece's columns of a row; those of whole groups are needed for them.
void Decoder::decode_rotated(uint64_t row, std::span<float> to) {
  const uint64_t count = decoding_->rotated;
  const uint64_t first = piece_.first_column / count * count;
  const uint64_t end = (piece_.end_column + count - 1) / count * count;
  unrotated_.resize(static_cast<size_t>(end - first));
  decode_row(row, first, unrotated_);
  for (size_t at = 0; at < unrotated_.size(); at += static_cast<size_t>(count)) {
    rotate(std::span(unrotated_).subspan(at, static_cast<size_t>(count)));
  }
  const auto skipped = static_cast<std::ptrdiff_t>(piece_.first_column - first);
  std::copy_n(unrotated_.begin() + skipped, to.size(), to.begin());
}

float Decoder::rounded(float value) const {
  switch (decoding_->rounding) {
  case Dtype::kF16:
    return f16_to_f32(f32_to_f16(value));
  case Dtype::kBF16:
    return bf16_to_f32(f32_to_bf16(value));
  default:
    return value;
  }
}

/// Codes of one scope.
void Decoder::put(std::span<const uint8_t> codes, const Scope &scope, float *to) {
  const Decoding &decoding = *decoding_;
  const float taken_off = decoding.zero == Decoding::Zero::kPoint ? scope.zero : 0;
  const bool has_bias =
      decoding.zero == Decoding::Zero::kBias || decoding.zero == Decoding::Zero::kMinusBias;
  const float bias = decoding.zero == Decoding::Zero::kMinusBias ? -scope.zero : scope.zero;
  const bool rounds = decoding.rounding != Dtype::kF32;
  for (size_t i = 0; i < codes.size(); ++i) {
    const float number = numbers_[codes[i]];
    findings_.bad_codes += std::isfinite(number) ? 0 : 1;
    float value = number;
    if (taken_off != 0) {
      value = rounds ? rounded(number - taken_off) : number - taken_off;
    }
    value *= scope.scale;
    if (has_bias) {
      value = rounds ? rounded(rounded(value) + bias) : value + bias;
    }
    to[i] = value * decoding.factor;
  }
}

} // namespace monoquant::layout::coded
