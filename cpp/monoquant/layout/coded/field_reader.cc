#include "monoquant/layout/coded/field_reader.h"

#include <array>
#include <cstring>

#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"

namespace monoquant::layout::coded {
namespace {

using catalog::Fields;

/// The place in its word of each of eight neighbours, counted from the lowest bits. Source: AutoAWQ's GEMM packing.
constexpr std::array<uint32_t, 8> kAwqPlaces = {0, 4, 1, 5, 2, 6, 3, 7};

struct Range {
  uint64_t begin = 0;
  uint64_t end = 0;
};

/// The words that hold neighbours [begin, end).
Range words_of(const Fields &fields, uint64_t begin, uint64_t end) {
  const uint64_t word_bits = uint64_t{fields.word_bytes} * 8;
  if (fields.in_word == 0) {
    return {begin * fields.bits / word_bits, divide_up(end * fields.bits, word_bits)};
  }
  return {begin / fields.in_word, divide_up(end, fields.in_word)};
}

} // namespace

uint64_t rows_apart(const Fields &fields) {
  if (!fields.is_apart() || fields.along != Fields::Along::kRows) {
    return UINT64_MAX;
  }
  return fields.turned ? fields.across : fields.down;
}

void FieldReader::want(const Fields &fields, const Area &area) {
  fields_ = &fields;
  const bool along_rows = fields.along == Fields::Along::kRows;
  Range rows{area.first_row, area.end_row};
  Range columns{area.first_column, area.end_column};
  Range &packed = along_rows ? rows : columns;
  if (fields.is_apart()) {
    const uint64_t words = along_rows == fields.turned ? fields.across : fields.down;
    const uint64_t part = packed.begin / words * words;
    packed = {packed.begin - part, packed.end - part};
  } else {
    packed = words_of(fields, packed.begin, packed.end);
  }
  const Range down = fields.turned ? columns : rows;
  const Range across = fields.turned ? rows : columns;
  first_down_ = down.begin;
  first_across_ = across.begin;
  across_ = across.end - across.begin;
  const uint64_t matrix = area.matrix * fields.down * fields.across;
  const uint64_t width = fields.word_bytes;
  window_.want({&fields.part, (matrix + down.begin * fields.across + across.begin) * width,
                across_ * width, down.end - down.begin, fields.across * width});
}

FieldReader::Place FieldReader::place(uint64_t row, uint64_t column) const {
  const Fields &fields = *fields_;
  const bool along_rows = fields.along == Fields::Along::kRows;
  const uint64_t number = along_rows ? row : column;
  uint64_t word = number;
  uint32_t bit = 0;
  if (fields.in_word == 0) {
    const uint64_t word_bits = uint64_t{fields.word_bytes} * 8;
    word = number * fields.bits / word_bits;
    bit = static_cast<uint32_t>(number * fields.bits % word_bits);
  } else if (fields.is_apart()) {
    const uint64_t words = along_rows == fields.turned ? fields.across : fields.down;
    const auto nth = static_cast<uint32_t>(number / words);
    word = number % words;
    bit = (fields.order == Fields::Order::kApart ? nth : fields.in_word - 1 - nth) * fields.bits;
  } else if (fields.in_word > 1) {
    const auto nth = static_cast<uint32_t>(number % fields.in_word);
    word = number / fields.in_word;
    bit = fields.bits * (fields.order == Fields::Order::kLowFirst    ? nth
                         : fields.order == Fields::Order::kHighFirst ? fields.in_word - 1 - nth
                                                                     : kAwqPlaces[nth % 8]);
  }
  const uint64_t other = along_rows ? column : row;
  const uint64_t down = along_rows != fields.turned ? word : other;
  const uint64_t across = along_rows != fields.turned ? other : word;
  return {(down - first_down_) * across_ + across - first_across_, bit};
}

uint64_t FieldReader::load(uint64_t word) const {
  const uint8_t *at = window_.data() + word * fields_->word_bytes;
  return fields_->word_bytes == 4 ? load_le<uint32_t>(at) : *at;
}

uint32_t FieldReader::packed(uint64_t row, uint64_t column) const {
  const Place place = this->place(row, column);
  const uint32_t word_bits = fields_->word_bytes * 8;
  uint64_t bits = load(place.word) >> place.bit;
  if (place.bit + fields_->bits > word_bits) { // goes on in the next word
    const uint64_t step = (fields_->along == Fields::Along::kRows) != fields_->turned ? across_ : 1;
    bits |= load(place.word + step) << (word_bits - place.bit);
  }
  return static_cast<uint32_t>(bits) & ((1U << fields_->bits) - 1);
}

void FieldReader::read_row(uint64_t row, uint64_t column, std::span<uint8_t> to) const {
  const Fields &fields = *fields_;
  const bool is_bytes = fields.in_word == 1 && fields.word_bytes == 1 && !fields.turned;
  if (is_bytes) {
    std::memcpy(to.data(), element(row, column), to.size());
    return;
  }
  if (fields.along == Fields::Along::kRows) { // all at the same bit of their words
    const Place first = place(row, column);
    if (fields.in_word != 0) {
      const uint64_t step = fields.turned ? across_ : 1;
      const uint32_t mask = (1U << fields.bits) - 1;
      for (size_t i = 0; i < to.size(); ++i) {
        to[i] = static_cast<uint8_t>(load(first.word + i * step) >> first.bit & mask);
      }
      return;
    }
  }
  for (size_t i = 0; i < to.size(); ++i) {
    to[i] = static_cast<uint8_t>(packed(row, column + i));
  }
}

const uint8_t *FieldReader::element(uint64_t row, uint64_t column) const {
  return window_.data() + place(row, column).word * fields_->word_bytes;
}

} // namespace monoquant::layout::coded
