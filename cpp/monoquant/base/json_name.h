// The name of a JSON document, for headers that only hand one on.
// Parsing the library takes longer than parsing everything else that a source includes.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace monoquant {

/// Keeps the order in which members were added, so that documents read as they are written here.
using Json = nlohmann::ordered_json;

} // namespace monoquant
