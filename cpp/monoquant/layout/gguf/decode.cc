#include "monoquant/layout/gguf/decode.h"

#include "monoquant/base/text.h"
#include "monoquant/layout/gguf/block_decoders.h"

namespace monoquant::layout::gguf {
namespace {

BlockDecoder decoder_of(BlockType type) {
  for (const auto find : {number_decoder, small_decoder, large_decoder, grid_decoder}) {
    if (const BlockDecoder decoder = find(type); decoder != nullptr) {
      return decoder;
    }
  }
  return nullptr; // not reached: every type has one
}

} // namespace

Result<void> decode_blocks(BlockType type, std::span<const uint8_t> bytes,
                           std::span<float> values) {
  const BlockFacts &facts = facts_of(type);
  if (block_bytes(facts, values.size()) != bytes.size()) {
    return broken_promise(concat("Expected whole blocks of ", facts.name, " (", facts.values,
                                 " values in ", facts.bytes, " bytes), found ", bytes.size(),
                                 " bytes for ", values.size(), " values."));
  }
  if (values.empty()) {
    return {};
  }
  decoder_of(type)(bytes.data(), values.size() / facts.values, values.data());
  return {};
}

} // namespace monoquant::layout::gguf
