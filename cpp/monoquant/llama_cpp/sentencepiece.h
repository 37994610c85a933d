// The pieces of a SentencePiece model, tokenizer.model.
// It exists because Llama, Mistral and Gemma keep their vocabularies in this form.
// Every length was checked against the file; fields that are not wanted here are stepped over.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "monoquant/base/result.h"

namespace monoquant::llama_cpp {

//  A protocol buffer: fields one after the other, each  varint key = number << 3 | wire type, value.
//  wire type  0 varint   1 eight bytes   2 varint length, bytes   5 four bytes
//  ModelProto      1  SentencePiece, as often as there are pieces
//  SentencePiece   1  text    2  f32 score    3  kind
//  Source: google/sentencepiece, src/sentencepiece_model.proto.

/// The format's own numbers.
enum class PieceKind : uint8_t {
  kNormal = 1,
  kUnknown,
  kControl,
  kUserDefined,
  kUnused,
  kByte,
};

struct Piece {
  std::string text;
  float score = 0;
  PieceKind kind = PieceKind::kNormal;
};

/// Errors: kMalformedFile (with the offset), kLimitExceeded.
Result<std::vector<Piece>> read_sentencepiece(std::span<const uint8_t> bytes);

} // namespace monoquant::llama_cpp
