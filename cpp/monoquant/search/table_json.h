// Measured tables as JSON, the form in which a host hands them over: js/api/search-table.ts describes it.
#pragma once

#include <string_view>

#include "monoquant/search/nsga2.h"

namespace monoquant::search {

/// A table, and the presets that came with it. Errors are those of the option, by the table's own.
struct MeasuredTable {
  Table table;
  std::vector<Choice> presets; // as many as the document has, in its order
};

/// Errors: kInvalidOptions. Of each option's error it takes the product with its set's prior. Members that are not for
/// choosing (tensors, weights, settings, labels) are skipped.
Result<MeasuredTable> read_table(std::string_view json);

/// {"objectives": ["error", …], "population": 200, "seed": "1"}, any part of it left out. The seed is text, because it
/// has 64 bits. Errors: kInvalidOptions.
Result<SearchOptions> read_search_options(std::string_view json);

} // namespace monoquant::search
