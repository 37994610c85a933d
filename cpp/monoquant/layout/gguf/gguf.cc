#include "monoquant/layout/gguf/gguf.h"

#include "monoquant/layout/gguf/block_reader.h"
#include "monoquant/layout/gguf/block_rows.h"

namespace monoquant::layout {
namespace {

std::unique_ptr<PartDecoder> make_block_reader(size_t block_bytes) {
  return std::make_unique<gguf::BlockReader>(block_bytes);
}

/// What is stored is said by the types of blocks alone.
std::string_view fit_blocks(quant::Scheme & /*scheme*/, bool /*weights_only*/) { return {}; }

bool stores_no_inputs(const Stored & /*stored*/) { return false; }

std::vector<Stream> no_input_streams(const catalog::Tensor & /*tensor*/,
                                     const StoredInput & /*input*/) {
  return {};
}

/// The keys of the file say everything.
std::string no_configuration(const catalog::Catalog & /*catalog*/,
                             std::span<const Described> /*tensors*/) {
  return {};
}

/// Other layouts' parts are none of a GGUF file's.
void join_nothing(Joining & /*joining*/) {}

} // namespace

constexpr Layout kGguf = {
    .name = "gguf",
    .fit = fit_blocks,
    .streams = gguf::block_streams,
    .make_codec = gguf::make_block_rows,
    .stores_inputs = stores_no_inputs,
    .input_streams = no_input_streams,
    .configuration = no_configuration,
    .join = join_nothing,
    .make_decoder = make_block_reader,
};

} // namespace monoquant::layout
