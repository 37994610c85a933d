#include "monoquant/search/nsga2.h"

#include <algorithm>
#include <functional>

#include "monoquant/base/sort.h"
#include "monoquant/base/text.h"
#include "monoquant/search/front.h"

namespace monoquant::search {
namespace {

/// Points of the hull that a search begins with.
constexpr size_t kHullPoints = 100;
/// Children that have two parents; the others are a changed copy of one.
constexpr uint32_t kCrossoverPercent = 90;
/// Options times points that are looked at for what still fits: half a second.
constexpr size_t kMostRepaired = 1U << 23U;

Error bad_search(std::string message) {
  return {.code = ErrorCode::kInvalidOptions,
          .message = std::move(message),
          .suggestion = {},
          .tensor = {},
          .offset = {}};
}

Result<void> check_search(const Table &table, const SearchOptions &options) {
  if (options.objectives.empty() || options.objectives.size() > kObjectives) {
    return bad_search("Expected one to four objectives.");
  }
  for (size_t i = 0; i < options.objectives.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (options.objectives[i] == options.objectives[j]) {
        return bad_search("Expected each objective once.");
      }
    }
  }
  const uint64_t genes = 2 * uint64_t{std::max<uint32_t>(table.sets(), 1)};
  if (options.population < kLeastPopulation || options.population > kMostGenes / genes) {
    return bad_search(concat("Expected a population from ", kLeastPopulation, " to ",
                             kMostGenes / genes, " for ", table.sets(), " sets, found ",
                             options.population, "."));
  }
  if (table.sets() == 0) {
    return bad_search("Expected something to choose between, found no set of tensors.");
  }
  return {};
}

} // namespace

Search::Streams::Streams(uint64_t seed) : Streams(SplitMix64(seed)) {}
Search::Streams::Streams(SplitMix64 seeds)
    : start(seeds.bits()), selection(seeds.bits()), crossover(seeds.bits()),
      mutation(seeds.bits()) {}

Result<Search> Search::make(const Table &table, SearchOptions options,
                            std::span<const Choice> presets) {
  const auto checked = check_search(table, options);
  if (!checked) {
    return checked.error();
  }
  for (size_t i = 0; i < presets.size(); ++i) {
    if (!table.holds(presets[i])) {
      return bad_search(concat("Expected an option of every set in preset ", i, "."));
    }
  }
  Search search(table, std::move(options));
  search.begin(presets);
  return search;
}

Search::Search(const Table &table, SearchOptions options)
    : table_(&table), options_(std::move(options)), hull_(table),
      scoring_(table, options_.objectives), levels_(table), streams_(options_.seed),
      genes_(size_t{2} * options_.population * table.sets()) {}

std::span<uint16_t> Search::genes(uint32_t slot) {
  return std::span(genes_).subspan(size_t{slot} * table_->sets(), table_->sets());
}
std::span<const uint16_t> Search::genes(uint32_t slot) const {
  return std::span(genes_).subspan(size_t{slot} * table_->sets(), table_->sets());
}

/// Puts points of the hull at even distances of bytes, the presets, and changed copies of both into the population.
void Search::begin(std::span<const Choice> presets) {
  for (const Choice &preset : presets) {
    seeds_.push_back(preset);
  }
  const auto curve = hull_.curve();
  const uint64_t smallest = curve.front().bytes;
  const double width = static_cast<double>(curve.back().bytes - smallest);
  const size_t points = std::min<size_t>(kHullPoints, options_.population);
  size_t last = SIZE_MAX;
  for (size_t i = 0; i < points; ++i) {
    const double share = static_cast<double>(i) / static_cast<double>(points - 1);
    const size_t corner =
        i + 1 == points ? curve.size() - 1
                        : hull_.corner_within(smallest + static_cast<uint64_t>(width * share));
    if (corner != last) {
      seeds_.push_back(hull_.choice_at(corner));
    }
    last = corner;
  }
  std::vector<Individual> all;
  for (uint32_t slot = 0; slot < 2 * options_.population; ++slot) {
    const bool is_seed = slot < seeds_.size();
    if (!is_seed && slot >= options_.population) {
      break;
    }
    const Choice &seed =
        seeds_[is_seed ? slot : streams_.start.below(static_cast<uint32_t>(seeds_.size()))];
    std::copy(seed.begin(), seed.end(), genes(slot).begin());
    Candidate candidate(scoring_, genes(slot), scoring_.score(seed));
    if (!is_seed) {
      mutate(candidate, levels_, streams_.start);
    }
    all.push_back({slot, candidate.finish(), 0, 0});
  }
  evaluations_ += all.size();
  for (uint32_t slot = 2 * options_.population; slot-- > all.size();) {
    free_.push_back(slot);
  }
  select(std::move(all));
}

/// The better of two of the population, by rank, then by crowding, then by its place.
const Search::Individual &Search::tournament() {
  const auto count = static_cast<uint32_t>(population_.size());
  // The population is in this order already.
  const uint32_t one = streams_.selection.below(count);
  const uint32_t other = streams_.selection.below(count);
  return population_[std::min(one, other)];
}

Search::Individual Search::child(uint32_t slot) {
  const Individual &first = tournament();
  const Individual &second = tournament();
  const auto from = genes(first.slot);
  std::copy(from.begin(), from.end(), genes(slot).begin());
  Candidate candidate(scoring_, genes(slot), first.values);
  if (streams_.crossover.below(100) < kCrossoverPercent) {
    mix(candidate, genes(second.slot), streams_.crossover);
  }
  mutate(candidate, levels_, streams_.mutation);
  return {slot, candidate.finish(), 0, 0};
}

void Search::step() {
  std::vector<Individual> all = population_;
  for (uint32_t i = 0; i < options_.population; ++i) {
    all.push_back(child(free_.back()));
    free_.pop_back();
  }
  evaluations_ += options_.population;
  ++generation_;
  select(std::move(all));
}

/// Keeps the best, as many as the population has: by rank, and within one by how much room is around them.
void Search::select(std::vector<Individual> all) {
  std::vector<Values> values;
  for (const Individual &one : all) {
    values.push_back(one.values);
  }
  const auto ranks = ranks_of(values);
  for (size_t i = 0; i < all.size(); ++i) {
    all[i].rank = ranks[i];
  }
  sort(all, [](const Individual &a, const Individual &b) { return a.rank < b.rank; });
  for (size_t begin = 0; begin < all.size() && begin < options_.population;) {
    size_t end = begin;
    values.clear();
    for (; end < all.size() && all[end].rank == all[begin].rank; ++end) {
      values.push_back(all[end].values);
    }
    const auto crowding = crowding_of(values);
    for (size_t i = begin; i < end; ++i) {
      all[i].crowding = crowding[i - begin];
    }
    begin = end;
  }
  sort(all, [](const Individual &a, const Individual &b) {
    return a.rank != b.rank ? a.rank < b.rank : a.crowding > b.crowding;
  });
  for (size_t i = all.size(); i-- > options_.population;) {
    free_.push_back(all[i].slot);
    all.pop_back();
  }
  population_ = std::move(all);
}

Choice Search::without_search(uint64_t bytes) const {
  // What still fits between two corners is looked for in the whole table, for every point of the front.
  if (table_->all_options().size() <= kMostRepaired / options_.population) {
    if (auto found = hull_.allocate(bytes)) {
      return std::move(found.value().choice);
    }
  }
  return hull_.choice_at(hull_.corner_within(bytes));
}

/// Everything that may be in the front. What the hull has for the sizes of the population's points is among it.
std::vector<Choice> Search::candidates(bool with_allocations) const {
  std::vector<Choice> all = seeds_;
  std::vector<uint64_t> sizes;
  for (const Individual &one : population_) {
    if (one.rank == 0) {
      const auto from = genes(one.slot);
      all.emplace_back(from.begin(), from.end());
      sizes.push_back(table_->score(from).bytes);
    }
  }
  if (!with_allocations) {
    return all;
  }
  sort(sizes, std::less<>());
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  for (const uint64_t size : sizes) {
    all.push_back(without_search(size));
  }
  return all;
}

} // namespace monoquant::search
