// Pickles as text, there and back.
// It exists so that tests can write down in one line what a pickle must be.
// Not for graphs that contain themselves.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "monoquant/torch/pickle.h"

namespace monoquant::test {

std::span<const uint8_t> bytes_of(std::string_view text);

/// The pickle, which must be one; also checked as check_pickle() does. A test failure and None otherwise.
torch::Pickle read_whole(std::string_view text);

/// Code and offset of the error; "read" and "more" where there is none.
std::string outcome(std::string_view text, bool is_whole = true, uint64_t origin = 0);

/// A node with all that it refers to: "m:f(1 'a')[2]{3 4}+None" is a call of f with elements, items and a state.
std::string show(const torch::Pickle &pickle, torch::NodeId node);
std::string show(std::string_view text);

} // namespace monoquant::test
