// A property: something that holds whatever the input is, checked for one input.
// It exists so that a fuzzer's hours and the tests' seconds check one and the same function.
// A promise that is broken ends the program, which is what fuzzers and tests look for.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>
#include <vector>

namespace monoquant::fuzz {

using Input = std::span<const uint8_t>;
using Bytes = std::vector<uint8_t>;

struct Property {
  std::string_view name; // also of the folder of its seeds
  void (*check)(Input);
  uint32_t cases; // inputs that the tests make up, beside the seeds: a few seconds with sanitizers
  std::string_view promise;
};

/// All of them, by name.
std::span<const Property> properties();
const Property *find_property(std::string_view name);

inline void require(bool holds, std::string_view promise = "a promise of the engine",
                    std::string_view of = {}, int line = __builtin_LINE(),
                    const char *file = __builtin_FILE()) {
  if (!holds) {
    std::fprintf(stderr, "%s:%d: broken: %.*s%s%.*s\n", file, line,
                 static_cast<int>(promise.size()), promise.data(), of.empty() ? "" : ": ",
                 static_cast<int>(of.size()), of.data());
    std::abort();
  }
}

} // namespace monoquant::fuzz
