// A search for the front of several objectives: NSGA-II over the options of a table.
// It exists for objectives that are no sums, such as the worst tensor, and for fronts of more than two: of two sums the
// hull has the front already, which is why the search begins with points of it.
// Always: equal tables, options and seeds give equal fronts on every machine. No point of the front is dominated by a
// point that the search began with, nor by what the hull has for its size (of tables with very many options: by its corner there).
// Source: Deb, Pratap, Agarwal, Meyarivan: A Fast and Elitist Multiobjective Genetic Algorithm, 2002.
#pragma once

#include "monoquant/search/hull.h"
#include "monoquant/search/variation.h"

namespace monoquant::search {

struct SearchOptions {
  std::vector<Objective> objectives = {Objective::kError, Objective::kBytes};
  uint32_t population = 200;
  uint64_t seed = 0;
};

/// Genes of all points that are kept at once, at most: 64 MiB.
inline constexpr uint64_t kMostGenes = 1ULL << 25U;
inline constexpr uint32_t kLeastPopulation = 4;

struct Point {
  Choice choice;
  Score score;
};

/// How good a front is.
struct Measure {
  double hypervolume =
      0; // the part that it dominates of the box between the least and the largest losses there are
  size_t points = 0;
};

struct Found {
  std::vector<Point> front;
  std::vector<Point> dominated;
};

class Search {
public:
  /// The table must outlive it. `presets` are choices to begin with. Errors: kInvalidOptions.
  static Result<Search> make(const Table &table, SearchOptions options,
                             std::span<const Choice> presets);

  /// One generation: as many new points as the population has, of which and of the old ones the better half stays.
  void step();

  [[nodiscard]] uint64_t generation() const { return generation_; }
  [[nodiscard]] uint64_t evaluations() const { return evaluations_; }
  [[nodiscard]] Measure measure() const; // quick: it is asked after every generation
  /// The best so far, and what else the search has kept, each from the smallest file. No two points of the front are
  /// equal.
  [[nodiscard]] Found found() const;
  [[nodiscard]] const Hull &hull() const { return hull_; }
  /// What needs no search, for a file of so many bytes; at least the smallest.
  [[nodiscard]] Choice without_search(uint64_t bytes) const;

private:
  struct Individual {
    uint32_t slot = 0; // of its genes
    Values values = {};
    uint32_t rank = 0;
    double crowding = 0;
  };
  /// A stream of random numbers a purpose: more of one changes nothing of another.
  struct Streams {
    explicit Streams(uint64_t seed);
    SplitMix64 start, selection, crossover, mutation;

  private:
    explicit Streams(SplitMix64 seeds);
  };

  Search(const Table &table, SearchOptions options);
  void begin(std::span<const Choice> presets);
  void add_seed(const Choice &choice);
  std::span<uint16_t> genes(uint32_t slot);
  [[nodiscard]] std::span<const uint16_t> genes(uint32_t slot) const;
  const Individual &tournament();
  Individual child(uint32_t slot);
  void select(std::vector<Individual> all);
  [[nodiscard]] std::vector<Choice> candidates(bool with_allocations) const;

  const Table *table_;
  SearchOptions options_;
  Hull hull_;
  Scoring scoring_;
  Levels levels_;
  Streams streams_;
  std::vector<uint16_t> genes_;        // of twice the population
  std::vector<Individual> population_; // the best first
  std::vector<uint32_t> free_;         // slots of nobody
  std::vector<Choice> seeds_;
  uint64_t generation_ = 0;
  uint64_t evaluations_ = 0;
};

} // namespace monoquant::search
