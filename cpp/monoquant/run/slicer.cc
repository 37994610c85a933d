#include "monoquant/run/slicer.h"

#include <algorithm>

namespace monoquant::run {

Slicer::Slicer(const plan::Plan &plan, Share share) : plan_(plan), share_(share) {
  cuts_.reserve(plan.tensors.size());
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    cuts_.push_back(cut_tensor(plan, i));
  }
  for (; find_band(); leave_band()) {
    const Cut &cut = cuts_[cursor_.tensor];
    total_bytes_ += cut.bytes(cursor_.unit, band_end()) * cut.passes;
    ++total_bands_;
  }
  cursor_ = {};
}

std::optional<Slice> Slicer::next(size_t block_bytes) {
  if (!find_band()) {
    return std::nullopt;
  }
  const Cut &cut = cuts_[cursor_.tensor];
  const uint64_t begin = cursor_.band * cut.units_per_band;
  const uint64_t end = band_end();
  Slice slice{cursor_.tensor, cursor_.band,          cursor_.pass, cursor_.unit,
              cursor_.unit,   cursor_.unit == begin, false};
  while (slice.end < end && cut.bytes(slice.begin, slice.end + 1) <= block_bytes) {
    ++slice.end;
  }
  slice.last_of_band = slice.end == end;
  cursor_.unit = slice.end;
  if (slice.last_of_band && cursor_.pass + 1 < cut.passes) {
    ++cursor_.pass;
    cursor_.unit = begin;
  } else if (slice.last_of_band) {
    leave_band();
  }
  return slice;
}

void Slicer::only_look(size_t except_tensor) {
  only_looking_ = true;
  excepted_.insert(except_tensor);
}

/// Moves the cursor on to a band that there is work on; false at the end.
bool Slicer::find_band() {
  while (cursor_.tensor < cuts_.size()) {
    if (cursor_.band >= cuts_[cursor_.tensor].bands()) {
      cursor_ = {cursor_.tensor + 1, 0, cursor_.number, 0, 0};
      continue;
    }
    const bool nothing_to_find =
        only_looking_ && (plan_.tensors[cursor_.tensor].decision() == plan::Decision::kCopy ||
                          cursor_.pass > 0 || excepted_.contains(cursor_.tensor));
    if (cursor_.number % share_.count == share_.index && !nothing_to_find) {
      return true;
    }
    leave_band();
  }
  return false;
}

void Slicer::leave_band() {
  ++cursor_.number;
  ++cursor_.band;
  cursor_.pass = 0;
  cursor_.unit = cursor_.band * cuts_[cursor_.tensor].units_per_band;
}

uint64_t Slicer::band_end() const {
  const Cut &cut = cuts_[cursor_.tensor];
  return std::min(cut.units, (cursor_.band + 1) * cut.units_per_band);
}

} // namespace monoquant::run
