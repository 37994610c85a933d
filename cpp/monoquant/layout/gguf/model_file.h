// A model in a GGUF file as a Catalog: metadata as text, plain tensors, and tensors of blocks as codes.
// Names are the file's own, shapes are turned so that the last dimension runs fastest.
// Every tensor was checked to lie in the file, to be a whole number of blocks, and to share no byte with another one.
#pragma once

#include <cstdint>
#include <span>

#include "monoquant/base/byte_window.h"
#include "monoquant/base/result.h"
#include "monoquant/catalog/catalog.h"

namespace monoquant::layout::gguf {

/// `file_ends`: where each part of a split model ends but the last, the parts being one behind the other in the window;
/// ascending, inside it, and empty for a file by itself.
/// Kinds are not filled in yet. Errors: kMalformedFile, kUnsupportedFormat (statistics instead of a model, not all parts
/// of a split one, a type that is not known, one whose byte order is not), kLimitExceeded, kFileTruncated.
Result<Parsed<catalog::Catalog>> read_model(const ByteWindow &window,
                                            std::span<const uint64_t> file_ends = {});

/// Takes the notes out of the metadata that mean nothing when blocks have become values.
void forget_notes(catalog::Catalog &catalog);

} // namespace monoquant::layout::gguf
