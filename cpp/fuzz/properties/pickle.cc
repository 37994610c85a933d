// Any bytes as a pickle: refused with a reason, or read into a graph without a mistake.
// It exists because a pickle is a program by a stranger: no opcode of one may lead outside of our memory.
// It is also read in parts, which must end in the same graph or the same error.
#include "properties.h"
#include "support/pickle_checks.h"

namespace monoquant::fuzz {

void check_pickle(Input input) {
  const std::string wrong = test::check_pickle(input);
  require(wrong.empty(), "a pickle is read whole and in parts alike", wrong);
}

} // namespace monoquant::fuzz
