#include "monoquant/search/repair.h"

namespace monoquant::search {
namespace {

/// More steps of a walk are not looked at: each of them looks at the whole table.
constexpr int kMostSteps = 32;

/// A set that gets another option.
struct Change {
  uint32_t set = 0;
  uint16_t option = 0;
  uint64_t bytes = 0; // more, or fewer, than before
  double gain = 0;    // error less than before; a loss is negative
};

/// Calls `take` with every change of one set to a larger option that loses less.
template <typename Take> void for_upgrades(const Table &table, const Choice &from, Take take) {
  for (uint32_t set = 0; set < table.sets(); ++set) {
    const auto options = table.options(set);
    const Option &now = options[from[set]];
    for (size_t i = 0; i < options.size(); ++i) {
      if (options[i].bytes >= now.bytes && options[i].error < now.error) {
        take(Change{set, static_cast<uint16_t>(i), options[i].bytes - now.bytes,
                    now.error - options[i].error});
      }
    }
  }
}

/// The same with every smaller option.
template <typename Take> void for_downgrades(const Table &table, const Choice &from, Take take) {
  for (uint32_t set = 0; set < table.sets(); ++set) {
    const auto options = table.options(set);
    const Option &now = options[from[set]];
    for (size_t i = 0; i < options.size(); ++i) {
      if (options[i].bytes < now.bytes) {
        take(Change{set, static_cast<uint16_t>(i), now.bytes - options[i].bytes,
                    now.error - options[i].error});
      }
    }
  }
}

double slope_of(const Change &change) { return change.gain / static_cast<double>(change.bytes); }

/// The best choice that was met.
struct Best {
  Choice choice;
  double gain = 0; // over the corner

  void take(const Choice &from, const Change &change, double total) {
    if (total > gain) {
      choice = from;
      choice[change.set] = change.option;
      gain = total;
    }
  }
};

/// Walks from the corner towards the next one by the steepest steps that stay below it, and at each place tries every
/// single step that still fits.
void walk_up(const Table &table, Choice walker, uint64_t way, uint64_t room, Best &best) {
  double gain = 0;
  uint64_t bytes = 0; // of the steps so far
  for (int step = 0; step < kMostSteps; ++step) {
    Change largest; // of those that fit
    Change steepest;
    for_upgrades(table, walker, [&](const Change &change) {
      if (change.bytes <= room - bytes && change.gain > largest.gain) {
        largest = change;
      }
      if (change.bytes < way - bytes &&
          (steepest.gain == 0 || slope_of(change) > slope_of(steepest))) {
        steepest = change;
      }
    });
    if (largest.gain > 0) {
      best.take(walker, largest, gain + largest.gain);
    }
    bytes += steepest.bytes;
    if (steepest.gain == 0 || bytes > room) {
      return;
    }
    walker[steepest.set] = steepest.option;
    gain += steepest.gain;
    best.take(walker, steepest, gain);
  }
}

} // namespace

Choice repair(const Table &table, Choice corner, const Segment &next, uint64_t budget) {
  const Option &from = table.option(next.set, next.from);
  const Option &to = table.option(next.set, next.to);
  const uint64_t way = to.bytes - from.bytes;
  const uint64_t room = budget - table.score(corner).bytes;
  Best best{corner, 0};
  walk_up(table, corner, way, room, best);
  // Or the next step is taken after all, and another set pays for it.
  corner[next.set] = next.to;
  for_downgrades(table, corner, [&](const Change &change) {
    if (change.bytes >= way - room) {
      best.take(corner, change, (from.error - to.error) + change.gain);
    }
  });
  return best.choice;
}

} // namespace monoquant::search
