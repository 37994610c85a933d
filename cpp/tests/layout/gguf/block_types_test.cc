// The table of types beside the structures of blocks.
#include "monoquant/layout/gguf/block_types.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "monoquant/layout/gguf/block_layouts.h"

namespace monoquant::layout::gguf {
namespace {

TEST(GgufBlockTypes, have_the_sizes_of_their_structures) {
  const std::pair<BlockType, size_t> sizes[] = {
      {BlockType::kQ40, sizeof(Q40Block)},       {BlockType::kQ41, sizeof(Q41Block)},
      {BlockType::kQ50, sizeof(Q50Block)},       {BlockType::kQ51, sizeof(Q51Block)},
      {BlockType::kQ80, sizeof(Q80Block)},       {BlockType::kQ81, sizeof(Q81Block)},
      {BlockType::kQ2K, sizeof(Q2KBlock)},       {BlockType::kQ3K, sizeof(Q3KBlock)},
      {BlockType::kQ4K, sizeof(Q4KBlock)},       {BlockType::kQ5K, sizeof(Q5KBlock)},
      {BlockType::kQ6K, sizeof(Q6KBlock)},       {BlockType::kQ8K, sizeof(Q8KBlock)},
      {BlockType::kIq2Xxs, sizeof(Iq2XxsBlock)}, {BlockType::kIq2Xs, sizeof(Iq2XsBlock)},
      {BlockType::kIq3Xxs, sizeof(Iq3XxsBlock)}, {BlockType::kIq1S, sizeof(Iq1SBlock)},
      {BlockType::kIq4Nl, sizeof(Iq4NlBlock)},   {BlockType::kIq3S, sizeof(Iq3SBlock)},
      {BlockType::kIq2S, sizeof(Iq2SBlock)},     {BlockType::kIq4Xs, sizeof(Iq4XsBlock)},
      {BlockType::kIq1M, sizeof(Iq1MBlock)},     {BlockType::kTq10, sizeof(Tq10Block)},
      {BlockType::kTq20, sizeof(Tq20Block)},     {BlockType::kMxfp4, sizeof(Mxfp4Block)},
      {BlockType::kNvfp4, sizeof(Nvfp4Block)},   {BlockType::kQ10, sizeof(Q10Block)},
      {BlockType::kQ20, sizeof(Q20Block)},
  };
  size_t of_one_value = 0;
  for (const BlockFacts &facts : block_types()) {
    of_one_value += facts.values == 1 ? 1 : 0;
  }
  EXPECT_EQ(std::size(sizes) + of_one_value, block_types().size());
  for (const auto &[type, size] : sizes) {
    EXPECT_EQ(facts_of(type).bytes, size) << facts_of(type).name;
  }
}

TEST(GgufBlockTypes, are_found_by_number_and_by_name) {
  std::set<std::string_view> names;
  uint32_t last = 0;
  for (const BlockFacts &facts : block_types()) {
    const auto number = static_cast<uint32_t>(facts.type);
    EXPECT_TRUE(names.empty() || number > last) << "in order, and each once: " << facts.name;
    last = number;
    EXPECT_TRUE(names.insert(facts.name).second) << facts.name;
    EXPECT_EQ(find_block_type(number), &facts);
    EXPECT_EQ(find_block_type(facts.name), &facts);
    EXPECT_EQ(&facts_of(facts.type), &facts);
  }
  EXPECT_EQ(find_block_type("q4_k"), &facts_of(BlockType::kQ4K));
  EXPECT_EQ(find_block_type("Iq2_xxs"), &facts_of(BlockType::kIq2Xxs));
  EXPECT_EQ(find_block_type("bf16"), &facts_of(BlockType::kBF16));
  for (const uint32_t number : {4U, 5U, 31U, 33U, 36U, 38U, 43U, 0xFFFFFFFFU}) {
    EXPECT_EQ(find_block_type(number), nullptr) << number << " is no type, or one of the past";
  }
  for (const char *name : {"", "Q4", "Q4_K_M", "Q4_K ", "Q9_0"}) {
    EXPECT_EQ(find_block_type(name), nullptr) << name;
  }
}

TEST(GgufBlockTypes, say_what_a_file_of_them_is) {
  std::set<uint32_t> file_types;
  for (const BlockFacts &facts : block_types()) {
    EXPECT_TRUE(!facts.is_written || facts.file_type) << facts.name;
    EXPECT_TRUE(!facts.file_type || file_types.insert(*facts.file_type).second) << facts.name;
    EXPECT_TRUE(!facts.needs_importance || (facts.uses_importance && !facts.is_written))
        << facts.name;
  }
  EXPECT_EQ(facts_of(BlockType::kQ4K).file_type, 14U) << "the smallest mix, Q4_K_S";
  EXPECT_FALSE(facts_of(BlockType::kI32).file_type);
}

TEST(GgufBlockTypes, count_bytes_of_whole_blocks_only) {
  const BlockFacts &facts = facts_of(BlockType::kQ6K);
  EXPECT_EQ(block_bytes(facts, 0), 0U);
  EXPECT_EQ(block_bytes(facts, 512), 420U);
  EXPECT_EQ(block_bytes(facts, 511), std::nullopt);
  EXPECT_EQ(block_bytes(facts, 128), std::nullopt);
  constexpr uint64_t kMost = ~uint64_t{255};
  EXPECT_EQ(block_bytes(facts, kMost), kMost / 256 * 210);
  EXPECT_EQ(block_bytes(facts_of(BlockType::kI64), kMost), std::nullopt) << "more than 2^64";
}

} // namespace
} // namespace monoquant::layout::gguf
