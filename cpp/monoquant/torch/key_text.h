// Keys of dicts as parts of names.
// It exists because keys need not be text: layers are numbered, optimizers keep tuples.
// Text is taken as it is; everything else as Python's repr() would print it, cut off where it has no end.
#pragma once

#include <string>

#include "monoquant/torch/pickle.h"

namespace monoquant::torch {

std::string key_text(const Pickle &pickle, NodeId key);

/// Whether the text tells the key from others: an object has none of its own, and is "<object>".
bool key_has_text(const Pickle &pickle, NodeId key);

} // namespace monoquant::torch
