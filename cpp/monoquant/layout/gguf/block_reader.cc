#include "monoquant/layout/gguf/block_reader.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "monoquant/base/checked.h"
#include "monoquant/layout/gguf/block_order.h"
#include "monoquant/layout/gguf/decode.h"

namespace monoquant::layout::gguf {
namespace {

constexpr size_t kMostValues = 256; // of a block

const BlockFacts &facts_of(const catalog::Codes &codes) {
  return *find_block_type(codes.value_blocks->type); // whoever made the codes has found it
}

} // namespace

uint64_t BlockReader::blocks_of_piece(const catalog::Codes::ValueBlocks &kind) const {
  return std::max<uint64_t>(read_bytes_ / kind.bytes, 1);
}

void BlockReader::reserve(const catalog::Codes &codes, uint64_t /*elements*/) {
  const auto &kind = *codes.value_blocks;
  piece_.reserve(
      static_cast<size_t>(std::min(codes.data.bytes, blocks_of_piece(kind) * kind.bytes)));
}

void BlockReader::begin(const catalog::Codes &codes, uint64_t begin, uint64_t end,
                        std::span<float> values, std::span<int8_t> /*steps*/) {
  codes_ = &codes;
  begin_ = begin;
  end_ = end;
  values_ = values;
  findings_ = {};
  position_ = begin;
  begin_piece();
}

void BlockReader::begin_piece() {
  const auto &kind = *codes_->value_blocks;
  piece_.clear();
  first_ = position_ / kind.values;
  blocks_ = std::min(divide_up(end_, kind.values) - first_, blocks_of_piece(kind));
}

std::optional<Need> BlockReader::next() {
  if (position_ >= end_) {
    return std::nullopt;
  }
  const uint64_t bytes = codes_->value_blocks->bytes;
  const uint64_t left = blocks_ * bytes - piece_.size();
  return Need{codes_->data.offset + first_ * bytes + piece_.size(),
              std::min<uint64_t>(left, read_bytes_)};
}

void BlockReader::fill(std::span<const uint8_t> bytes) {
  piece_.insert(piece_.end(), bytes.begin(), bytes.end());
  if (piece_.size() < blocks_ * codes_->value_blocks->bytes) {
    return;
  }
  decode_piece();
  begin_piece();
}

/// A block of which only some values are wanted is decoded apart; whole ones all at once.
void BlockReader::decode_piece() {
  const auto &kind = *codes_->value_blocks;
  const BlockFacts &facts = facts_of(*codes_);
  if (kind.big_endian) {
    swap_order(facts, piece_);
  }
  const uint64_t piece_end = std::min(end_, (first_ + blocks_) * kind.values);
  const uint64_t whole_begin = std::min(piece_end, divide_up(position_, kind.values) * kind.values);
  const uint64_t whole_end = std::max(whole_begin, piece_end / kind.values * kind.values);
  decode_some(position_ / kind.values, position_, whole_begin);
  const auto values = values_.subspan(static_cast<size_t>(whole_begin - begin_),
                                      static_cast<size_t>(whole_end - whole_begin));
  if (!values.empty()) {
    const auto first = static_cast<size_t>((whole_begin / kind.values - first_) * kind.bytes);
    // Sizes fit, which is all that could be wrong.
    (void)decode_blocks(facts.type,
                        std::span(piece_).subspan(first, values.size() / kind.values * kind.bytes),
                        values);
    for (size_t at = 0; at < values.size(); at += kind.values) {
      const auto block = values.subspan(at, kind.values);
      const bool is_finite =
          std::all_of(block.begin(), block.end(), [](float value) { return std::isfinite(value); });
      findings_.bad_scales += is_finite ? 0 : 1;
    }
  }
  decode_some(whole_end / kind.values, whole_end, piece_end);
  position_ = piece_end;
}

/// Elements [begin, end) of one block, or none.
void BlockReader::decode_some(uint64_t block, uint64_t begin, uint64_t end) {
  if (begin >= end) {
    return;
  }
  const auto &kind = *codes_->value_blocks;
  std::array<float, kMostValues> all{};
  const auto values = std::span(all).first(kind.values);
  const auto bytes =
      std::span(piece_).subspan(static_cast<size_t>((block - first_) * kind.bytes), kind.bytes);
  (void)decode_blocks(facts_of(*codes_).type, bytes, values);
  const auto wanted = values.subspan(static_cast<size_t>(begin - block * kind.values),
                                     static_cast<size_t>(end - begin));
  std::copy(wanted.begin(), wanted.end(),
            values_.begin() + static_cast<std::ptrdiff_t>(begin - begin_));
  const bool begins_here = begin % kind.values == 0; // otherwise another part has counted it
  const bool is_finite =
      std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
  findings_.bad_scales += begins_here && !is_finite ? 1 : 0;
}

} // namespace monoquant::layout::gguf
