#include "monoquant/run/element_reader.h"

#include <algorithm>

namespace monoquant::run {

ElementReader::ElementReader(const std::array<const catalog::Catalog *, kSources> &catalogs,
                             size_t block_bytes) {
  for (size_t i = 0; i < kSources; ++i) {
    if (catalogs[i] != nullptr) {
      readers_[i].emplace(*catalogs[i], block_bytes, static_cast<uint32_t>(i));
    }
  }
}

void ElementReader::begin(const ElementRange &range) {
  range_ = range;
  const auto count = static_cast<size_t>(range.end - range.begin);
  elements_ = {}; // gives back what a large one took
  elements_.values.reserve(range.values ? count : 0);
  elements_.codes.resize(range.group == 0 ? 0 : count);
  end_ = range.begin;
  begin_part();
}

void ElementReader::begin_part() {
  begin_ = end_;
  end_ = std::min(range_.end, begin_ + kPartElements);
  if (begin_ == end_) {
    return;
  }
  std::span<int8_t> codes = elements_.codes;
  if (!codes.empty()) {
    codes = codes.subspan(static_cast<size_t>(begin_ - range_.begin),
                          static_cast<size_t>(end_ - begin_));
  }
  reader().begin(*range_.tensor, begin_, end_, codes);
}

std::optional<ByteRange> ElementReader::next() {
  while (begin_ < end_) {
    if (const auto read = reader().next()) {
      return read;
    }
    finish_part();
    begin_part();
  }
  return std::nullopt;
}

Result<void> ElementReader::fill(std::span<const uint8_t> bytes) { return reader().fill(bytes); }

void ElementReader::finish_part() {
  if (range_.values && range_.tensor->dtype == Dtype::kI8) {
    for (const uint8_t byte : reader().bytes()) {
      elements_.values.push_back(static_cast<float>(static_cast<int8_t>(byte)));
    }
  } else if (range_.values) {
    const std::span<const float> values = reader().values();
    elements_.values.insert(elements_.values.end(), values.begin(), values.end());
  }
  if (range_.group == 0) {
    return;
  }
  const uint64_t first = (begin_ + range_.group - 1) / range_.group * range_.group;
  for (uint64_t at = first; at < end_; at += range_.group) {
    elements_.scales.push_back(reader().decoder().scale(at));
    elements_.zero_points.push_back(reader().decoder().signed_zero_point(at));
  }
}

} // namespace monoquant::run
