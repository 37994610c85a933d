// Writes rows of values as blocks of one type.
// It exists so that a run stores a GGUF tensor like any other one; which type, and what is changed before, is planned.
#pragma once

#include <memory>
#include <vector>

#include "monoquant/catalog/catalog.h"
#include "monoquant/layout/layout.h"
#include "monoquant/layout/row_codec.h"

namespace monoquant::layout::gguf {

/// `stored.blocks` is there; a row is a whole number of blocks of its type.
std::unique_ptr<RowCodec> make_block_rows(const Stored &stored);

/// The one tensor of blocks that stands for a tensor. Its name is the source's: a plan may give it another one.
std::vector<Stream> block_streams(const catalog::Tensor &tensor, const Stored &stored);

} // namespace monoquant::layout::gguf
