#include "monoquant/run/stretch.h"

#include <algorithm>

namespace monoquant::run {

StretchReader::StretchReader(const std::array<const catalog::Catalog *, kSources> &catalogs,
                             size_t block_bytes) {
  for (size_t i = 0; i < kSources; ++i) {
    if (catalogs[i] != nullptr) {
      readers_[i].emplace(*catalogs[i], block_bytes, static_cast<uint32_t>(i));
    }
  }
}

void StretchReader::begin(const Fetch &fetch) {
  fetch_ = fetch;
  const auto count = static_cast<size_t>(fetch.end - fetch.begin);
  stretch_ = {}; // gives back what a large one took
  stretch_.values.reserve(fetch.values ? count : 0);
  stretch_.codes.resize(fetch.group == 0 ? 0 : count);
  end_ = fetch.begin;
  begin_part();
}

void StretchReader::begin_part() {
  begin_ = end_;
  end_ = std::min(fetch_.end, begin_ + kPartElements);
  if (begin_ == end_) {
    return;
  }
  std::span<int8_t> codes = stretch_.codes;
  if (!codes.empty()) {
    codes = codes.subspan(static_cast<size_t>(begin_ - fetch_.begin),
                          static_cast<size_t>(end_ - begin_));
  }
  reader().begin(*fetch_.tensor, begin_, end_, codes);
}

std::optional<Read> StretchReader::next() {
  while (begin_ < end_) {
    if (const auto read = reader().next()) {
      return read;
    }
    finish_part();
    begin_part();
  }
  return std::nullopt;
}

Result<void> StretchReader::fill(std::span<const uint8_t> bytes) { return reader().fill(bytes); }

void StretchReader::finish_part() {
  if (fetch_.values && fetch_.tensor->dtype == Dtype::kI8) {
    for (const uint8_t byte : reader().bytes()) {
      stretch_.values.push_back(static_cast<float>(static_cast<int8_t>(byte)));
    }
  } else if (fetch_.values) {
    const std::span<const float> values = reader().values();
    stretch_.values.insert(stretch_.values.end(), values.begin(), values.end());
  }
  if (fetch_.group == 0) {
    return;
  }
  const uint64_t first = (begin_ + fetch_.group - 1) / fetch_.group * fetch_.group;
  for (uint64_t at = first; at < end_; at += fetch_.group) {
    stretch_.scales.push_back(reader().decoder().scale(at));
    stretch_.zero_points.push_back(reader().decoder().signed_zero_point(at));
  }
}

} // namespace monoquant::run
