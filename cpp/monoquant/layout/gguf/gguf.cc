#include "monoquant/layout/gguf/gguf.h"

#include "monoquant/layout/gguf/block_reader.h"

namespace monoquant::layout {
namespace {

std::unique_ptr<PartDecoder> make_block_reader(size_t block_bytes) {
  return std::make_unique<gguf::BlockReader>(block_bytes);
}

/// Other layouts' parts are none of a GGUF file's.
void join_nothing(Joining & /*joining*/) {}

} // namespace

constexpr Layout kGguf = {
    .name = "gguf",
    .join = join_nothing,
    .make_decoder = make_block_reader,
};

} // namespace monoquant::layout
