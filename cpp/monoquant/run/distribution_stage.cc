#include "monoquant/run/distribution_stage.h"

#include <algorithm>
#include <cmath>

#include "monoquant/base/json_writer.h"

namespace monoquant::run {
namespace {

bool both_finite(float a, float b) { return std::isfinite(a) && std::isfinite(b); }

double error_of(float after, float before) {
  return static_cast<double>(after) - static_cast<double>(before);
}

/// Zero has no sign here.
void write_range(JsonWriter &json, double low, double high) {
  json.member("low", low + 0.0);
  json.member("high", high + 0.0);
}

} // namespace

DistributionStage::DistributionStage(const catalog::Catalog &file,
                                     const catalog::Catalog &reference, TensorPair pair,
                                     size_t block_bytes)
    : Stage(1, block_bytes, std::max<uint64_t>({file.file_bytes, reference.file_bytes, 1})),
      pair_(pair), reader_(file, reference, this->block_bytes()) {
  if (pair_.file == nullptr || pair_.file->elements == 0) {
    pass_ = Pass::kDone;
    low_ = 0;
    high_ = 0;
    return;
  }
  begin_part();
}

std::string_view DistributionStage::tensor() const {
  return pair_.file == nullptr ? std::string_view() : std::string_view(pair_.file->name);
}

uint64_t DistributionStage::total_bytes() const {
  return pair_.file == nullptr ? 0 : 2 * (pair_.file->bytes + pair_.reference->bytes);
}

/// Begins the part from `end_` on, in the next pass where this one has no more.
void DistributionStage::begin_part() {
  const uint64_t elements = pair_.file->elements;
  if (end_ == elements) {
    end_ = 0;
    if (pass_ == Pass::kCounts) {
      pass_ = Pass::kDone;
      return;
    }
    begin_counts();
  }
  begin_ = end_;
  end_ = std::min(elements, begin_ + kPartElements);
  reader_.begin(*pair_.file, pair_.reference, begin_, end_);
}

void DistributionStage::begin_counts() {
  pass_ = Pass::kCounts;
  if (low_ > high_) { // not one pair of finite values
    low_ = 0;
    high_ = 0;
  }
  before_ = Bins(low_, high_);
  after_ = Bins(low_, high_);
  error_ = Bins(-largest_error_, largest_error_);
}

std::optional<ByteRange> DistributionStage::next(size_t /*slot*/) {
  if (reader_.under_way()) {
    return std::nullopt;
  }
  while (pass_ != Pass::kDone) {
    if (const auto read = reader_.next()) {
      return read;
    }
    finish_part();
    begin_part();
  }
  return std::nullopt;
}

Result<void> DistributionStage::process(size_t slot) { return reader_.fill(input(slot)); }

void DistributionStage::finish_part() {
  const std::span<const float> after = reader_.file().values();
  const std::span<const float> before = reader_.reference().values();
  if (pass_ == Pass::kRanges) {
    widen(after, before);
  } else {
    count(after, before);
  }
  // Floats have whole bytes.
  const uint64_t elements = pair_.file->elements;
  add_done((end_ - begin_) * (pair_.file->bytes / elements + pair_.reference->bytes / elements));
}

void DistributionStage::widen(std::span<const float> after, std::span<const float> before) {
  for (size_t i = 0; i < after.size(); ++i) {
    if (!both_finite(after[i], before[i])) {
      ++not_finite_;
      continue;
    }
    const auto [low, high] = std::minmax(after[i], before[i]);
    low_ = std::min(low_, static_cast<double>(low));
    high_ = std::max(high_, static_cast<double>(high));
    largest_error_ = std::max(largest_error_, std::fabs(error_of(after[i], before[i])));
  }
}

void DistributionStage::count(std::span<const float> after, std::span<const float> before) {
  for (size_t i = 0; i < after.size(); ++i) {
    if (both_finite(after[i], before[i])) {
      before_.add(before[i]);
      after_.add(after[i]);
      error_.add(error_of(after[i], before[i]));
    }
  }
}

void DistributionStage::write_result(JsonWriter &json) const {
  json.begin_object();
  if (pair_.file != nullptr) {
    json.member("tensor", pair_.file->name);
    json.member("elements", pair_.file->elements);
    json.member("notFinite", not_finite_);
    json.key("weights").begin_object();
    write_range(json, low_, high_);
    json.end();
    json.member("before", before_.counts());
    json.member("after", after_.counts());
    json.key("error").begin_object();
    write_range(json, -largest_error_, largest_error_);
    json.member("counts", error_.counts());
    json.end();
  }
  json.end();
}

} // namespace monoquant::run
