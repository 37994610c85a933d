// Any bytes as a pickle: refused with a reason, or read into a graph without a mistake.
// It exists because a pickle is a program by a stranger: no opcode of one may lead outside of our memory.
// It is also read in parts, which must end in the same graph or the same error.
#include <cstdio>
#include <cstdlib>

#include "support/pickle_checks.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string wrong = monoquant::test::check_pickle({data, size});
  if (!wrong.empty()) {
    std::fprintf(stderr, "%s\n", wrong.c_str());
    std::abort();
  }
  return 0;
}
