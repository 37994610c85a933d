#include "monoquant/search/variation.h"

#include <algorithm>
#include <bit>

#include "monoquant/base/sort.h"

namespace monoquant::search {
namespace {

constexpr uint32_t kMostChanges = 3;
constexpr uint32_t kPlainOneIn = 2; // changes that do not keep the bytes
constexpr int kMostPayers = 8;      // sets that are asked to pay for a step

/// Moves a set by one level and says by how many bytes, or 0 if it is at the end.
uint64_t move(Candidate &candidate, const Levels &levels, uint32_t set, bool up) {
  const auto options = levels.table().options(set);
  const uint16_t before = candidate.option(set);
  const uint16_t level = levels.level_of(set, before);
  if (up ? level + 1U >= options.size() : level == 0) {
    return 0;
  }
  const uint16_t after = levels.option_at(set, static_cast<uint16_t>(up ? level + 1 : level - 1));
  candidate.change(set, after);
  return up ? options[after].bytes - options[before].bytes
            : options[before].bytes - options[after].bytes;
}

/// One set goes up and others go down, or the other way round.
void switch_levels(Candidate &candidate, const Levels &levels, SplitMix64 &numbers) {
  const bool up = (numbers.bits() & 1U) != 0;
  const uint32_t sets = levels.table().sets();
  const uint64_t moved = move(candidate, levels, numbers.below(sets), up);
  uint64_t paid = 0;
  for (int payer = 0; payer < kMostPayers && paid < moved; ++payer) {
    paid += move(candidate, levels, numbers.below(sets), !up);
  }
}

} // namespace

Levels::Levels(const Table &table)
    : table_(&table), level_of_(table.all_options().size()),
      option_at_(table.all_options().size()) {
  for (uint32_t set = 0; set < table.sets(); ++set) {
    const auto options = table.options(set);
    std::vector<uint16_t> order(options.size());
    for (size_t i = 0; i < order.size(); ++i) {
      order[i] = static_cast<uint16_t>(i);
    }
    sort(order, [&](uint16_t a, uint16_t b) {
      return options[a].bytes != options[b].bytes ? options[a].bytes < options[b].bytes
                                                  : options[a].error > options[b].error;
    });
    for (size_t level = 0; level < order.size(); ++level) {
      option_at_[table.begin(set) + level] = order[level];
      level_of_[table.begin(set) + order[level]] = static_cast<uint16_t>(level);
    }
  }
}

void mix(Candidate &candidate, std::span<const uint16_t> other, SplitMix64 &numbers) {
  constexpr uint32_t kDraws = 64; // of one number
  const auto sets = static_cast<uint32_t>(other.size());
  for (uint32_t begin = 0; begin < sets; begin += kDraws) {
    // First which genes differ, then only those that are drawn: a branch for each gene would be guessed wrong half the
    // time, which took longer than everything else.
    uint64_t differs = 0;
    const uint32_t count = std::min(kDraws, sets - begin);
    for (uint32_t i = 0; i < count; ++i) {
      const bool is_other = candidate.option(begin + i) != other[begin + i];
      differs |= uint64_t{is_other} << i;
    }
    for (uint64_t rest = differs & numbers.bits(); rest != 0; rest &= rest - 1) {
      const uint32_t set = begin + static_cast<uint32_t>(std::countr_zero(rest));
      candidate.change(set, other[set]);
    }
  }
}

void mutate(Candidate &candidate, const Levels &levels, SplitMix64 &numbers) {
  const Table &table = levels.table();
  const uint32_t changes = 1 + std::min(numbers.below(kMostChanges), numbers.below(kMostChanges));
  for (uint32_t i = 0; i < changes; ++i) {
    if (numbers.below(kPlainOneIn) != 0) {
      switch_levels(candidate, levels, numbers);
      continue;
    }
    const uint32_t set = numbers.below(table.sets());
    const auto options = static_cast<uint32_t>(table.options(set).size());
    candidate.change(set, static_cast<uint16_t>(numbers.below(options)));
  }
}

} // namespace monoquant::search
