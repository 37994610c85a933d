// What was chosen and found, as JSON for the host: js/api/search-table.ts describes it.
#pragma once

#include "monoquant/base/json_writer.h"
#include "monoquant/search/nsga2.h"
#include "monoquant/search/prior.h"

namespace monoquant::search {

/// {"choice": […], "bytes", "error", "worst", "time", "bound", "optimal"}
void write_allocation(JsonWriter &json, const Table &table, const Allocation &allocation);

/// [[bytes, error], …] from the smallest file.
void write_curve(JsonWriter &json, const Hull &hull);

/// {"generation", "evaluations", "hypervolume", "front": number of points}: what progress needs.
void write_progress(JsonWriter &json, const Search &search);

/// {"front": [point, …], "dominated": [point, …]}; a point is {"choice", "bytes", "error", "worst", "time"}. A point of
/// the front has "hull" too, the least error that is found for its bytes without a search.
void write_found(JsonWriter &json, const Table &table, const Search &search);

/// [{"role", "factor", "leastBits"}, …]
void write_priors(JsonWriter &json, std::span<const Prior> priors);

} // namespace monoquant::search
