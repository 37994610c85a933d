#include "monoquant/layout/gguf/encode.h"

#include "monoquant/base/text.h"
#include "monoquant/layout/gguf/block_encoders.h"

namespace monoquant::layout::gguf {
namespace {

RowEncoder encoder_of(BlockType type) {
  for (const auto find :
       {plain_encoder, searched_encoder, affine_encoder, signed_encoder, table_encoder}) {
    if (const RowEncoder encoder = find(type); encoder != nullptr) {
      return encoder;
    }
  }
  return nullptr;
}

} // namespace

Result<void> encode_row(BlockType type, std::span<const float> values,
                        std::span<const float> importance, std::span<uint8_t> bytes) {
  const BlockFacts &facts = facts_of(type);
  const RowEncoder encoder = encoder_of(type);
  if (encoder == nullptr) {
    return broken_promise(concat("Expected a type that is written, found ", facts.name, "."));
  }
  if (block_bytes(facts, values.size()) != bytes.size()) {
    return broken_promise(concat("Expected whole blocks of ", facts.name, " (", facts.values,
                                 " values in ", facts.bytes, " bytes), found ", bytes.size(),
                                 " bytes for ", values.size(), " values."));
  }
  if (!importance.empty() && importance.size() != values.size()) {
    return broken_promise(concat("Expected an importance for each of ", values.size(),
                                 " columns, found ", importance.size(), "."));
  }
  if (!values.empty()) {
    encoder(values, importance, bytes.data());
  }
  return {};
}

} // namespace monoquant::layout::gguf
