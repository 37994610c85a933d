// What is not finite. A double takes these as well.
#pragma once

#include <limits>

namespace monoquant::test {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();
inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

} // namespace monoquant::test
