#include "monoquant/run/read_back.h"

#include <algorithm>

#include "monoquant/base/text.h"

namespace monoquant::run {

void ReadBack::add(const WrittenRange &extent) {
  extents_.push_back(extent);
  total_bytes_ += extent.bytes;
}

void ReadBack::add_all(std::vector<WrittenRange> extents) {
  extents_ = std::move(extents);
  for (const WrittenRange &extent : extents_) {
    total_bytes_ += extent.bytes;
  }
}

std::optional<ReadBack::Block> ReadBack::next(size_t most) {
  if (next_extent_ == extents_.size()) {
    return std::nullopt;
  }
  Block block;
  while (next_extent_ < extents_.size() && block.length < most) {
    const WrittenRange &extent = extents_[next_extent_];
    const uint64_t offset = extent.offset_of(next_done_);
    if (block.length == 0) {
      block.offset = offset;
    } else if (offset != block.offset + block.length) {
      break;
    }
    const uint64_t taken = std::min<uint64_t>(extent.run_from(next_done_), most - block.length);
    block.length += static_cast<size_t>(taken);
    next_done_ += taken;
    if (next_done_ == extent.bytes) {
      ++next_extent_;
      next_done_ = 0;
    }
  }
  return block;
}

void ReadBack::take(std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const WrittenRange &extent = extents_[extent_];
    const auto taken = static_cast<size_t>(std::min<uint64_t>(bytes.size(), extent.bytes - done_));
    checksum_.add(bytes.first(taken));
    bytes = bytes.subspan(taken);
    done_ += taken;
    if (done_ == extent.bytes) {
      if (checksum_.digest() != extent.digest) {
        first_wrong_ = wrong_.empty() ? extent : first_wrong_;
        wrong_.push_back(compared());
      }
      checksum_.reset();
      done_ = 0;
      ++extent_;
    }
  }
  forget_compared();
}

/// Seldom enough to cost nothing.
void ReadBack::forget_compared() {
  constexpr size_t kMany = 1024;
  if (extent_ < kMany || extent_ < extents_.size() / 2) {
    return;
  }
  extents_.erase(extents_.begin(), extents_.begin() + static_cast<ptrdiff_t>(extent_));
  next_extent_ -= extent_;
  forgotten_ += extent_;
  extent_ = 0;
}

std::string_view ReadBack::tensor() const {
  return extent_ < extents_.size() ? name_of(extents_[extent_]) : std::string_view();
}

std::string_view ReadBack::name_of(const WrittenRange &extent) const {
  if (plan_ == nullptr || extent.tensor == WrittenRange::kHeader) {
    return {};
  }
  return plan_->catalog->tensors[plan_->tensors[extent.tensor].source].name;
}

Result<void> ReadBack::check() const {
  if (wrong_.empty()) {
    return {};
  }
  const WrittenRange &wrong = first_wrong_;
  const std::string_view name = name_of(wrong);
  return output_differs(concat(wrong.bytes, " bytes at ", wrong.offset, " of ",
                               name.empty() ? "the header" : name,
                               " do not have the checksum of what was written."),
                        std::string(name), wrong.offset);
}

Error output_differs(std::string message, std::string tensor, uint64_t offset) {
  return {ErrorCode::kVerificationFailed, "The output read back differs: " + std::move(message),
          "Check the disk and run again; the input was not touched.", std::move(tensor), offset};
}

} // namespace monoquant::run
