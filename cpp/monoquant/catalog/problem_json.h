// A problem as TypeScript's Problem.
// It exists apart from the catalog because few sources need JSON.
#pragma once

#include "monoquant/base/json.h"
#include "monoquant/catalog/catalog.h"

namespace monoquant::catalog {

inline Json problem_json(const Problem &problem) {
  return {{"code", problem.code}, {"message", problem.message}, {"tensor", problem.tensor}};
}

} // namespace monoquant::catalog
