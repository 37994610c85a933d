// Names as models have them, and as nobody should.
// It exists because much is decided by names: kinds, siblings, parts of quantized tensors, notes of ties.
// Few words, so that names meet each other.
#pragma once

#include <set>
#include <string>

#include "choices.h"

namespace monoquant::fuzz {

/// A name that nobody has yet; `taken` has it then.
std::string make_name(Choices &choices, std::set<std::string> &taken);

/// Text that files and terminals trip over: quotes, NUL, line ends, broken UTF-8, much of it.
std::string odd_text(Choices &choices);
/// The same where it is text: readers let nothing else into a catalog.
std::string odd_unicode(Choices &choices);

} // namespace monoquant::fuzz
