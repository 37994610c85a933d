#include "monoquant/layout/gguf/block_types.h"

#include "monoquant/base/checked.h"
#include "monoquant/base/text.h"

namespace monoquant::layout::gguf {
namespace {

constexpr bool kReads = false;
constexpr bool kWrites = true;

enum class Importance : uint8_t { kIgnored, kUsed, kNeeded };

constexpr BlockFacts facts(BlockType type, std::string_view name, uint32_t values, uint32_t bytes,
                           bool is_written, Importance importance = Importance::kIgnored,
                           std::optional<uint32_t> file_type = std::nullopt) {
  return {type,
          name,
          values,
          bytes,
          is_written,
          importance != Importance::kIgnored,
          importance == Importance::kNeeded,
          file_type};
}

using enum BlockType;
using enum Importance;

constexpr BlockFacts kBlockTypes[] = {
    facts(kF32, "F32", 1, 4, kWrites, kIgnored, 0),
    facts(kF16, "F16", 1, 2, kWrites, kIgnored, 1),
    facts(kQ40, "Q4_0", 32, 18, kWrites, kUsed, 2),
    facts(kQ41, "Q4_1", 32, 20, kWrites, kUsed, 3),
    facts(kQ50, "Q5_0", 32, 22, kWrites, kUsed, 8),
    facts(kQ51, "Q5_1", 32, 24, kWrites, kUsed, 9),
    facts(kQ80, "Q8_0", 32, 34, kWrites, kIgnored, 7),
    facts(kQ81, "Q8_1", 32, 36, kReads),
    facts(kQ2K, "Q2_K", 256, 84, kWrites, kUsed, 10),
    facts(kQ3K, "Q3_K", 256, 110, kWrites, kUsed, 11),
    facts(kQ4K, "Q4_K", 256, 144, kWrites, kUsed, 14),
    facts(kQ5K, "Q5_K", 256, 176, kWrites, kUsed, 16),
    facts(kQ6K, "Q6_K", 256, 210, kWrites, kUsed, 18),
    facts(kQ8K, "Q8_K", 256, 292, kReads),
    facts(kIq2Xxs, "IQ2_XXS", 256, 66, kReads, kNeeded, 19),
    facts(kIq2Xs, "IQ2_XS", 256, 74, kReads, kNeeded, 20),
    facts(kIq3Xxs, "IQ3_XXS", 256, 98, kReads, kUsed, 23),
    facts(kIq1S, "IQ1_S", 256, 50, kReads, kNeeded, 24),
    facts(kIq4Nl, "IQ4_NL", 32, 18, kWrites, kUsed, 25),
    facts(kIq3S, "IQ3_S", 256, 110, kReads, kUsed, 26),
    facts(kIq2S, "IQ2_S", 256, 82, kReads, kUsed, 28),
    facts(kIq4Xs, "IQ4_XS", 256, 136, kWrites, kUsed, 30),
    facts(kI8, "I8", 1, 1, kReads),
    facts(kI16, "I16", 1, 2, kReads),
    facts(kI32, "I32", 1, 4, kReads),
    facts(kI64, "I64", 1, 8, kReads),
    facts(kF64, "F64", 1, 8, kReads),
    facts(kIq1M, "IQ1_M", 256, 56, kReads, kUsed, 31),
    facts(kBF16, "BF16", 1, 2, kWrites, kIgnored, 32),
    facts(kTq10, "TQ1_0", 256, 54, kWrites, kIgnored, 36),
    facts(kTq20, "TQ2_0", 256, 66, kWrites, kIgnored, 37),
    facts(kMxfp4, "MXFP4", 32, 17, kWrites, kIgnored, 38),
    facts(kNvfp4, "NVFP4", 64, 36, kWrites, kIgnored, 39),
    facts(kQ10, "Q1_0", 128, 18, kReads, kIgnored, 40),
    facts(kQ20, "Q2_0", 64, 18, kReads, kIgnored, 41),
};

} // namespace

std::span<const BlockFacts> block_types() { return kBlockTypes; }

const BlockFacts *find_block_type(uint32_t number) {
  for (const BlockFacts &facts : kBlockTypes) {
    if (static_cast<uint32_t>(facts.type) == number) {
      return &facts;
    }
  }
  return nullptr;
}

const BlockFacts *find_block_type(std::string_view name) {
  const std::string wanted = lower_case(name);
  for (const BlockFacts &facts : kBlockTypes) {
    if (lower_case(facts.name) == wanted) {
      return &facts;
    }
  }
  return nullptr;
}

const BlockFacts &facts_of(BlockType type) {
  // Every value of the enumeration is in the table.
  return *find_block_type(static_cast<uint32_t>(type));
}

BlockWords words_of(BlockType type) {
  switch (type) {
  case BlockType::kQ40:
  case BlockType::kIq4Nl:
  case BlockType::kIq4Xs:
    return {4, 32};
  case BlockType::kQ41:
  case BlockType::kQ4K:
    return {4, 32, true};
  case BlockType::kQ50:
    return {5, 32};
  case BlockType::kQ51:
  case BlockType::kQ5K:
    return {5, 32, true};
  case BlockType::kQ2K:
    return {2, 16, true};
  case BlockType::kQ3K:
    return {3, 16};
  case BlockType::kQ6K:
    return {6, 16};
  case BlockType::kIq2Xxs:
    return {2, 32};
  case BlockType::kIq2Xs:
  case BlockType::kIq2S:
    return {2, 16};
  case BlockType::kIq3Xxs:
  case BlockType::kIq3S:
    return {3, 32};
  case BlockType::kIq1S:
    return {1, 32};
  case BlockType::kIq1M:
    return {1, 16};
  case BlockType::kTq10:
  case BlockType::kTq20:
    return {2, 256};
  case BlockType::kQ10:
    return {1, 128};
  case BlockType::kQ20:
    return {2, 64};
  case BlockType::kMxfp4:
    return {4, 32, false, false};
  case BlockType::kNvfp4:
    return {4, 16, false, false};
  case BlockType::kQ8K:
    return {8, 256};
  default:
    return {};
  }
}

std::optional<uint64_t> block_bytes(const BlockFacts &facts, uint64_t values) {
  if (values % facts.values != 0) {
    return std::nullopt;
  }
  return checked_mul(values / facts.values, facts.bytes);
}

} // namespace monoquant::layout::gguf
