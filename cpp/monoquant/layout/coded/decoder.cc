#include "monoquant/layout/coded/decoder.h"

#include <algorithm>

#include "monoquant/base/checked.h"
#include "monoquant/layout/coded/coded.h"

namespace monoquant::layout::coded {
namespace {

using catalog::Decoding;
using catalog::Fields;

/// Rows or columns that fill whole words of any number of bits.
constexpr uint64_t kWhole = 64;

/// The end of the part of so many that this one is in; parts may be endless.
uint64_t end_of_part(uint64_t index, uint64_t size) {
  return size == UINT64_MAX ? size : (index / size + 1) * size;
}

} // namespace

void Decoder::reserve(const catalog::Codes &codes, uint64_t elements) {
  const Decoding &decoding = *codes.decoding;
  const uint64_t most = std::max(elements, kSlabBytes);
  code_words_.window().reserve(std::min(decoding.codes.part.bytes, most));
  row_.reserve(static_cast<size_t>(std::min(decoding.columns, elements)));
}

/// Where all numbers lie straight, a piece has its bytes one after the other, whatever it is.
Decoder::Slab Decoder::slab() const {
  const Decoding &decoding = *decoding_;
  const bool turned =
      decoding.codes.turned || decoding.scales.turned || (decoding.zeros && decoding.zeros->turned);
  if (!turned) {
    return {};
  }
  const uint64_t bits = std::max<uint64_t>(decoding.codes.bits, 1);
  const uint64_t row_bytes = divide_up(decoding.columns, 8) * bits + decoding.scales_across() * 8;
  const uint64_t rows = slab_bytes_ / row_bytes;
  if (rows >= decoding.rows) {
    return {decoding.rows, decoding.columns};
  }
  if (rows >= kWhole) {
    return {rows / kWhole * kWhole, decoding.columns};
  }
  return {kWhole, std::max(kWhole, slab_bytes_ / kWhole / bits * 8 / kWhole * kWhole)};
}

void Decoder::begin(const catalog::Codes &codes, uint64_t begin, uint64_t end,
                    std::span<float> values, std::span<int8_t> /*steps*/) {
  codes_ = &codes;
  decoding_ = codes.decoding.get();
  begin_ = begin;
  end_ = end;
  values_ = values;
  findings_ = {};
  position_ = begin;
  begin_piece();
}

/// As many whole rows as there are from `position_` on, or what is left of a row; not beyond a slab.
void Decoder::begin_piece() {
  if (position_ == end_) {
    return;
  }
  const uint64_t columns = decoding_->columns;
  const uint64_t row = position_ / columns % decoding_->rows;
  const uint64_t column = position_ % columns;
  const uint64_t left = end_ - position_;
  const Slab slab = this->slab();
  piece_ = {position_ / columns / decoding_->rows, row, row + 1, column, columns};
  if (column == 0 && left >= columns && slab.columns >= columns) {
    piece_.end_row = std::min({decoding_->rows, row + left / columns, end_of_part(row, slab.rows),
                               end_of_part(row, rows_apart(decoding_->codes))});
  } else {
    piece_.end_column = std::min({columns, column + left, end_of_part(column, slab.columns)});
  }
  want_piece();
}

/// Makes wanted what the piece is made of.
void Decoder::want_piece() {
  const Decoding &decoding = *decoding_;
  const Slab slab = this->slab();
  Area straight = piece_;
  if (decoding.rotated != 0) { // whole groups
    const uint64_t count = decoding.rotated;
    straight.first_column = straight.first_column / count * count;
    straight.end_column = divide_up(straight.end_column, count) * count;
  }
  Area turned = straight;
  if (slab.rows != UINT64_MAX) {
    turned.first_row = piece_.first_row / slab.rows * slab.rows;
    turned.end_row = std::min(decoding.rows, turned.first_row + slab.rows);
    const uint64_t across = std::min(slab.columns, decoding.columns);
    turned.first_column = piece_.first_column / across * across;
    turned.end_column = std::min(decoding.columns, turned.first_column + across);
  }
  const auto scopes = [&](const Area &area) {
    const bool any = decoding.group_index.has_value();
    return Area{area.matrix, area.first_row / decoding.scale_rows,
                divide_up(area.end_row, decoding.scale_rows),
                any ? 0 : area.first_column / decoding.scale_columns,
                any ? decoding.scales_across()
                    : divide_up(area.end_column, decoding.scale_columns)};
  };
  const auto area_for = [&](const Fields &fields) { return fields.turned ? turned : straight; };
  code_words_.want(decoding.codes, area_for(decoding.codes));
  scale_words_.want(decoding.scales, scopes(area_for(decoding.scales)));
  if (decoding.zeros) {
    zero_words_.want(*decoding.zeros, scopes(area_for(*decoding.zeros)));
  }
  const Area own = scopes(straight);
  first_group_ = own.first_column;
  groups_ = own.end_column - own.first_column;
  if (decoding.table) {
    table_.want({&*decoding.table, 0, decoding.table->bytes, 1, 0});
  }
  if (decoding.scale_table) {
    scale_table_.want({&*decoding.scale_table, 0, decoding.scale_table->bytes, 1, 0});
  }
  if (decoding.outer) {
    const auto outer_of = [&](uint64_t down, uint64_t group) {
      const uint64_t index =
          (own.matrix * decoding.scales_down() + down) * decoding.scales_across() + group;
      return index / decoding.scales_in_outer;
    };
    const uint64_t first = outer_of(own.first_row, own.first_column);
    const uint64_t last = outer_of(own.end_row - 1, own.end_column - 1);
    outer_.want({&*decoding.outer, first * 4, (last - first + 1) * 4, 1, 0});
    first_outer_ = first;
  }
  if (decoding.group_index) {
    order_.want({&*decoding.group_index, 0, decoding.group_index->bytes, 1, 0});
  }
}

/// What of the piece is not read yet; null where all is there.
Window *Decoder::unread() {
  const Decoding &decoding = *decoding_;
  const std::array<std::pair<bool, Window *>, 7> all = {{
      {decoding.table.has_value(), &table_},
      {decoding.scale_table.has_value(), &scale_table_},
      {decoding.outer.has_value(), &outer_},
      {decoding.group_index.has_value(), &order_},
      {true, &scale_words_.window()},
      {decoding.zeros.has_value(), &zero_words_.window()},
      {true, &code_words_.window()},
  }};
  for (const auto &[is_used, window] : all) {
    if (is_used && window->next(1)) {
      return window;
    }
  }
  return nullptr;
}

std::optional<Need> Decoder::next() {
  while (position_ < end_) {
    if (const Window *window = unread()) {
      return window->next(block_bytes_);
    }
    decode_piece();
    begin_piece();
  }
  return std::nullopt;
}

void Decoder::fill(std::span<const uint8_t> bytes) { unread()->take(bytes); }

} // namespace monoquant::layout::coded
