#include "monoquant/run/recheck_stage.h"

#include <algorithm>

#include "monoquant/base/json.h"
#include "monoquant/base/sort.h"

namespace monoquant::run {

RecheckStage::RecheckStage(uint64_t output_bytes, size_t slots, size_t block_bytes)
    : Stage(slots, block_bytes, output_bytes), output_bytes_(output_bytes),
      lengths_(this->slots()) {}

Result<void> RecheckStage::add(std::string_view records) {
  const Json rows = parse_json(records);
  bool is_right = rows.is_array();
  for (size_t i = 0; is_right && i < rows.size(); ++i) {
    const auto record = read_record(rows[i]);
    is_right = record.has_value();
    for (size_t k = 0; is_right && k < record->ranges.size(); ++k) {
      const WrittenRange &range = record->ranges[k];
      const uint64_t extent =
          (range.pieces.count - 1) * range.pieces.apart + range.piece_bytes(); // as was checked
      if (range.offset > output_bytes_ || extent > output_bytes_ - range.offset) {
        wrong_.push_back(records_);
      } else if (range.bytes > 0) {
        claims_.push_back({range, records_});
        total_bytes_ += range.bytes;
      }
    }
    ++records_;
  }
  if (is_right) {
    return {};
  }
  return Error{ErrorCode::kInternal, "The records of an earlier run cannot be read.", {}, {}, {}};
}

void RecheckStage::begin() {
  has_begun_ = true;
  sort(claims_, [](const Claim &a, const Claim &b) { return a.range.offset < b.range.offset; });
  for (const Claim &claim : claims_) {
    read_back_.add(claim.range);
  }
}

std::optional<ByteRange> RecheckStage::next(size_t slot) {
  if (!has_begun_) {
    begin();
  }
  const auto block = read_back_.next(block_bytes());
  if (!block) {
    return std::nullopt;
  }
  lengths_[slot] = block->length;
  return ByteRange{block->offset, block->length};
}

Result<void> RecheckStage::process(size_t slot) {
  const std::span<const uint8_t> bytes = input(slot).first(lengths_[slot]);
  add_done(bytes.size());
  read_back_.take(bytes);
  return {};
}

void RecheckStage::write_result(JsonWriter &json) const {
  std::vector<size_t> wrong = wrong_;
  for (const size_t claim : read_back_.wrong()) {
    wrong.push_back(claims_[claim].record);
  }
  sort(wrong, std::less<>());
  wrong.erase(std::unique(wrong.begin(), wrong.end()), wrong.end());
  json.begin_object().member("wrong", wrong);
  json.end();
}

} // namespace monoquant::run
