// Any text as a table of options: refused in words, or budgets and fronts of it keep what they promise.
// It exists because tables are measured by hosts, which may be wrong, and by programs of other people.
// The first byte chooses: odd the text itself, even a table that is made of the choices.
#include <algorithm>

#include "choices.h"
#include "monoquant/base/json.h"
#include "monoquant/search/search_json.h"
#include "monoquant/search/table_json.h"
#include "properties.h"

namespace monoquant::fuzz {
namespace {

/// Small numbers, so that options are equal often; and huge ones.
Json made_table(Choices &choices) {
  Json sets = Json::array();
  for (uint64_t set = choices.below(7); set > 0; --set) {
    Json options = Json::array();
    for (uint64_t option = choices.between(1, 6); option > 0; --option) {
      const uint64_t bytes =
          choices.chance(16) ? choices.below(UINT64_MAX) >> choices.below(64) : choices.below(200);
      const auto error = static_cast<double>(choices.below(200));
      options.push_back({{"bytes", bytes},
                         {"error", choices.chance(16) ? error * 1e90 : error / 8},
                         {"worst", static_cast<double>(choices.below(16))},
                         {"ms", choices.below(4)}});
    }
    sets.push_back({{"prior", static_cast<double>(choices.below(4))}, {"options", options}});
  }
  return {{"sets", sets}, {"fixedBytes", choices.below(9)}, {"presets", Json::array()}};
}

void keep_budgets(const search::Table &table, Choices &choices) {
  const search::Hull hull(table);
  const auto curve = hull.curve();
  double before = -1;
  uint64_t budget = choices.below(2) == 0 ? 0 : curve.front().bytes;
  for (int step = 0; step < 20; ++step, budget += choices.below(60)) {
    const auto found = hull.allocate(budget);
    require(found.has_value() == (budget >= curve.front().bytes), "small budgets are refused");
    if (!found) {
      continue;
    }
    const search::Allocation &allocation = found.value();
    require(table.holds(allocation.choice) && allocation.bytes <= budget, "budgets are kept");
    require(allocation.bytes == table.score(allocation.choice).bytes &&
                allocation.error == table.score(allocation.choice).error,
            "what is told is what was chosen");
    require(allocation.bound <= allocation.error, "nothing is below the bound");
    // Sums are rounded in another order.
    require(before < 0 || allocation.error <= before * (1 + 1e-12), "more bytes never lose more");
    before = allocation.error;
  }
}

void keep_front(const search::Table &table, Choices &choices) {
  search::SearchOptions options;
  options.objectives = {search::Objective::kBytes};
  for (const auto objective :
       {search::Objective::kError, search::Objective::kWorst, search::Objective::kTime}) {
    if (choices.flag()) {
      options.objectives.push_back(objective);
    }
  }
  options.population = static_cast<uint32_t>(choices.between(4, 12));
  options.seed = choices.below(UINT64_MAX);
  auto made = search::Search::make(table, options, {});
  require(made.has_value() == (table.sets() > 0), "there is something to search");
  if (!made) {
    return;
  }
  search::Search &search = made.value();
  for (uint64_t step = choices.below(4); step > 0; --step) {
    search.step();
  }
  const search::Found found = search.found();
  require(!found.front.empty(), "there is always a best");
  for (const search::Point &point : found.front) {
    require(table.holds(point.choice), "choices are those of the table");
    require(point.score.bytes == table.score(point.choice).bytes, "scores are those of choices");
  }
  const search::Measure measure = search.measure();
  require(measure.points > 0, "there is always a best");
  require(measure.hypervolume >= 0 && measure.hypervolume <= 1 + 1e-9,
          "no front dominates more than all");
  JsonWriter json;
  search::write_found(json, table, search);
  require(!parse_json(json.text()).is_discarded(), "what was found is JSON");
}

} // namespace

void check_search(Input input) {
  Choices choices(input);
  const bool is_text = choices.flag();
  const std::string text = is_text ? std::string(choices.rest().begin(), choices.rest().end())
                                   : made_table(choices).dump();
  const auto read = search::read_table(text);
  if (!read) {
    require(!read.error().message.empty(), "a refusal has words");
    return;
  }
  keep_budgets(read.value().table, choices);
  keep_front(read.value().table, choices);
  const auto priors = search::read_prior_table(text);
  require(priors.has_value() || !priors.error().message.empty(), "a refusal has words");
}

} // namespace monoquant::fuzz
