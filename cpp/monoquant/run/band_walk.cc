#include "monoquant/run/band_walk.h"

#include <algorithm>

namespace monoquant::run {

BandWalk::BandWalk(const plan::Plan &plan, Share share) : plan_(plan), share_(share) {
  tilings_.reserve(plan.tensors.size());
  first_number_.reserve(plan.tensors.size());
  uint64_t number = 0;
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    tilings_.push_back(cut_tensor(plan, i));
    first_number_.push_back(number);
    number += tilings_[i].bands();
  }
  find_part(share.part);
  for (; find_band(); leave_band()) {
    const Tiling &tiling = tilings_[cursor_.tensor];
    if (share_.sample == 0) {
      total_bytes_ += tiling.bytes(cursor_.unit, band_end()) * tiling.passes;
    }
    for (uint64_t unit = cursor_.unit; share_.sample != 0 && unit < band_end();
         unit += unit_step(cursor_.tensor)) {
      total_bytes_ += tiling.bytes(unit, unit + 1) * tiling.passes;
    }
    for (const size_t other : measured_with(cursor_.tensor)) {
      total_bytes_ += tilings_[other].bytes(0, tilings_[other].units);
    }
    ++total_bands_;
  }
  cursor_ = {};
}

/// A band is of the part in which its first byte lies, all bytes of the source being dealt out evenly.
void BandWalk::find_part(Part part) {
  uint64_t total = 0;
  for (const Tiling &tiling : tilings_) {
    total += tiling.elements * tiling.element_bytes;
  }
  const auto begin_of = [&](uint64_t index) {
    return total / part.count * index + std::min(index, total % part.count);
  };
  const uint64_t begin = begin_of(part.index);
  const uint64_t end = begin_of(part.index + 1);
  const bool is_last = part.index + 1 == part.count;
  uint64_t before = 0;
  for (const Tiling &tiling : tilings_) {
    for (uint64_t band = 0; band < tiling.bands(); ++band) {
      begin_ += before < begin ? 1 : 0;
      end_ += before < end || is_last ? 1 : 0;
      const uint64_t first = band * tiling.units_per_band;
      before += tiling.bytes(first, std::min(tiling.units, first + tiling.units_per_band));
    }
  }
}

bool BandWalk::leave_out(size_t tensor, uint64_t band) {
  if (tensor >= tilings_.size() || band >= tilings_[tensor].bands() ||
      !is_taken(first_number_[tensor] + band)) {
    return false;
  }
  left_out_.resize(static_cast<size_t>(end_));
  left_out_[static_cast<size_t>(first_number_[tensor] + band)] = true;
  return true;
}

std::optional<Slice> BandWalk::next(size_t block_bytes) {
  if (!find_band()) {
    return std::nullopt;
  }
  if (cursor_.pass == 0 && cursor_.other < measured_with(cursor_.tensor).size()) {
    if (!only_looking_) {
      return next_of_other(block_bytes);
    }
    cursor_.unit = 0;
    cursor_.other = measured_with(cursor_.tensor).size();
  }
  const Tiling &tiling = tilings_[cursor_.tensor];
  if (unit_step(cursor_.tensor) > 1) {
    return next_of_sample();
  }
  const uint64_t begin = cursor_.band * tiling.units_per_band;
  const uint64_t end = band_end();
  const bool is_first = cursor_.unit == begin && (cursor_.pass > 0 || cursor_.other == 0);
  Slice slice{cursor_.tensor, cursor_.tensor, cursor_.band, cursor_.pass,
              cursor_.unit,   cursor_.unit,   is_first,     false};
  while (slice.end < end && tiling.bytes(slice.begin, slice.end + 1) <= block_bytes) {
    ++slice.end;
  }
  slice.last_of_band = slice.end == end;
  cursor_.unit = slice.end;
  if (slice.last_of_band && cursor_.pass + 1 < tiling.passes) {
    ++cursor_.pass;
    cursor_.unit = begin;
  } else if (slice.last_of_band) {
    leave_band();
  }
  return slice;
}

uint64_t BandWalk::unit_step(size_t tensor) const {
  const Tiling &tiling = tilings_[tensor];
  if (share_.sample == 0 || tiling.passes > 1 || tiling.units == 0) {
    return 1;
  }
  const uint64_t in_unit = std::max<uint64_t>(1, tiling.elements / tiling.units);
  return divide_up(tiling.units, divide_up(share_.sample, in_unit));
}

/// One unit, for its neighbours are not looked at.
Slice BandWalk::next_of_sample() {
  const bool is_first =
      cursor_.unit == sampled_from(cursor_.band * tilings_[cursor_.tensor].units_per_band);
  Slice slice{cursor_.tensor, cursor_.tensor,   cursor_.band, cursor_.pass,
              cursor_.unit,   cursor_.unit + 1, is_first,     false};
  cursor_.unit = sampled_from(slice.end);
  slice.last_of_band = cursor_.unit >= band_end();
  if (slice.last_of_band) {
    leave_band();
  }
  return slice;
}

/// Tensors that are measured with others are one band each.
Slice BandWalk::next_of_other(size_t block_bytes) {
  const size_t other = measured_with(cursor_.tensor)[cursor_.other];
  const Tiling &tiling = tilings_[other];
  const bool is_first = cursor_.unit == 0 && cursor_.other == 0;
  Slice slice{cursor_.tensor, other, cursor_.band, 0, cursor_.unit, cursor_.unit, is_first, false};
  while (slice.end < tiling.units && tiling.bytes(slice.begin, slice.end + 1) <= block_bytes) {
    ++slice.end;
  }
  cursor_.unit = slice.end;
  if (slice.end == tiling.units) {
    ++cursor_.other;
    cursor_.unit = 0;
  }
  return slice;
}

std::span<const size_t> BandWalk::measured_with(size_t tensor) const {
  const plan::Quantize *quantize = plan_.tensors[tensor].quantize();
  return quantize == nullptr ? std::span<const size_t>() : quantize->measured_with;
}

void BandWalk::only_look(size_t except_tensor) {
  only_looking_ = true;
  excepted_.insert(except_tensor);
}

/// Moves the cursor on to a band that there is work on; false at the end.
bool BandWalk::find_band() {
  while (cursor_.tensor < tilings_.size()) {
    if (cursor_.band >= tilings_[cursor_.tensor].bands()) {
      cursor_ = {cursor_.tensor + 1, 0, cursor_.number, 0, 0, 0};
      continue;
    }
    const bool is_copy = plan_.tensors[cursor_.tensor].decision() == plan::Decision::kCopy;
    const bool nothing_to_find =
        only_looking_ && (is_copy || cursor_.pass > 0 || excepted_.contains(cursor_.tensor));
    if (share_.sample != 0 && (is_copy || cursor_.unit >= band_end())) {
      leave_band();
      continue;
    }
    if (is_taken(cursor_.number) && !nothing_to_find && !is_left_out(cursor_.number)) {
      return true;
    }
    leave_band();
  }
  return false;
}

void BandWalk::leave_band() {
  ++cursor_.number;
  ++cursor_.band;
  cursor_.other = 0;
  cursor_.pass = 0;
  cursor_.unit = sampled_from(cursor_.band * tilings_[cursor_.tensor].units_per_band);
}

uint64_t BandWalk::band_end() const {
  const Tiling &tiling = tilings_[cursor_.tensor];
  return std::min(tiling.units, (cursor_.band + 1) * tiling.units_per_band);
}

} // namespace monoquant::run
