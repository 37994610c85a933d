// The keys of a GGUF file as text, as the catalog has metadata.
// Numbers in decimal, arrays counted: "[49152 strings]". What is too much to be shown is said, not kept.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "monoquant/base/result.h"
#include "monoquant/container/gguf.h"

namespace monoquant::layout::gguf {

/// Errors: kMalformedFile (a key twice, or one that is no text).
Result<std::vector<std::pair<std::string, std::string>>>
metadata_text(const container::GgufFile &file);

} // namespace monoquant::layout::gguf
