// Whether tests are to be exhaustive, as `npm run test:deep` has it; otherwise they take samples.
#pragma once

#include <cstdlib>

namespace monoquant::test {

inline bool is_deep() { return std::getenv("MONOQUANT_DEEP") != nullptr; }

} // namespace monoquant::test
