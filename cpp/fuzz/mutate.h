// Inputs that nobody has written: random bytes, and seeds with some changes.
// It exists for runs of seconds, which have no fuzzer to make inputs up.
// Each follows from its number, the property and the seeds alone.
#pragma once

#include "property.h"

namespace monoquant::fuzz {

/// Input number `number`: even ones are random, odd ones a changed seed, where there are seeds.
Bytes made_up_input(std::string_view property, uint32_t number, std::span<const Bytes> seeds);

} // namespace monoquant::fuzz
