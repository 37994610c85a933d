// The types of tensors in GGUF files: blocks of values that share scales.
// One table says a type's number, its name, how large its blocks are and whether this engine writes them.
// Source: ggml's enum ggml_type and its block structures, version 0.25; llama.cpp's enum llama_ftype.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace monoquant::layout::gguf {

/// By the number that files have for it (ggml_type).
enum class BlockType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ40 = 2,
  kQ41 = 3,
  kQ50 = 6,
  kQ51 = 7,
  kQ80 = 8,
  kQ81 = 9,
  kQ2K = 10,
  kQ3K = 11,
  kQ4K = 12,
  kQ5K = 13,
  kQ6K = 14,
  kQ8K = 15,
  kIq2Xxs = 16,
  kIq2Xs = 17,
  kIq3Xxs = 18,
  kIq1S = 19,
  kIq4Nl = 20,
  kIq3S = 21,
  kIq2S = 22,
  kIq4Xs = 23,
  kI8 = 24,
  kI16 = 25,
  kI32 = 26,
  kI64 = 27,
  kF64 = 28,
  kIq1M = 29,
  kBF16 = 30,
  kTq10 = 34,
  kTq20 = 35,
  kMxfp4 = 39,
  kNvfp4 = 40,
  kQ10 = 41,
  kQ20 = 42,
};

/// What is known of a type. A row of a tensor is a whole number of blocks, and they follow each other without gaps.
struct BlockFacts {
  BlockType type;
  std::string_view name; // "Q4_K"
  uint32_t values;       // of a block
  uint32_t bytes;        // of a block
  bool is_written;       // encode_row makes it
  bool uses_importance;  // what ggml writes depends on the importance of columns
  bool needs_importance; // ggml does not write it without
  // general.file_type of a file whose matrices are of this type. Types of which llama.cpp makes several mixes
  // ("Q4_K_S", "Q4_K_M") have that of the smallest one.
  std::optional<uint32_t> file_type;
};

/// All of them, by number.
std::span<const BlockFacts> block_types();

/// Null if there is none.
const BlockFacts *find_block_type(uint32_t number);
/// In upper or lower case: "q4_k" is "Q4_K".
const BlockFacts *find_block_type(std::string_view name);
const BlockFacts &facts_of(BlockType type);

/// The nearest words there are for what a type's blocks hold: they only tell it to people.
struct BlockWords {
  uint32_t bits = 8;        // of a code
  uint32_t group = 32;      // values that share a scale
  bool has_minimum = false; // as a zero point would be
  bool is_integer = true;   // codes stand for integers, or for numbers of a table
};
BlockWords words_of(BlockType type);

/// Bytes of so many values. Nothing if they are no whole number of blocks, or too many to be counted.
std::optional<uint64_t> block_bytes(const BlockFacts &facts, uint64_t values);

} // namespace monoquant::layout::gguf
