// What must hold for any bytes that are read as a pickle.
// It exists for the fuzzer, and for the tests that replay its corpus.
// Nothing here depends on what the pickle means.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "monoquant/torch/pickle.h"

namespace monoquant::test {

/// Every node with all that it refers to, as one number. Aborts where a reference leads to no node, or to one of
/// a kind that cannot be there.
uint64_t pickle_fingerprint(const torch::Pickle &pickle);

/// Reads the bytes whole and in parts. What is wrong with the answers; empty where nothing is.
std::string check_pickle(std::span<const uint8_t> bytes);

} // namespace monoquant::test
