#include "monoquant/layout/gguf/block_order.h"

#include <algorithm>
#include <cstddef>

#include "monoquant/layout/gguf/block_layouts.h"

namespace monoquant::layout::gguf {
namespace {

/// Numbers of a block that lie one after the other.
struct Run {
  size_t offset = 0;
  size_t width = 0; // bytes of a number; 0: no number of more than a byte
  size_t count = 1;
};

/// A type has up to two runs.
struct Order {
  BlockType type = BlockType::kF32;
  Run first = {};
  Run second = {};
};

constexpr size_t kHalf = 2;

// Source: the members of ggml's block structures that are wider than a byte. Q5_0, Q5_1, IQ2_XXS and IQ3_XXS hold words
// in members of bytes, IQ1_M a scale in parts of several: they are not here.
constexpr Order kOrders[] = {
    {BlockType::kQ40, {offsetof(Q40Block, d), kHalf}},
    {BlockType::kQ41, {offsetof(Q41Block, d), kHalf, 2}}, // d, m
    {BlockType::kQ80, {offsetof(Q80Block, d), kHalf}},
    {BlockType::kQ81, {offsetof(Q81Block, d), kHalf, 2}}, // d, s
    {BlockType::kQ2K, {offsetof(Q2KBlock, d), kHalf, 2}}, // d, dmin
    {BlockType::kQ3K, {offsetof(Q3KBlock, d), kHalf}},
    {BlockType::kQ4K, {offsetof(Q4KBlock, d), kHalf, 2}}, // d, dmin
    {BlockType::kQ5K, {offsetof(Q5KBlock, d), kHalf, 2}}, // d, dmin
    {BlockType::kQ6K, {offsetof(Q6KBlock, d), kHalf}},
    {BlockType::kQ8K, {offsetof(Q8KBlock, d), 4}, {offsetof(Q8KBlock, bsums), kHalf, 16}},
    {BlockType::kIq2Xs, {offsetof(Iq2XsBlock, d), kHalf, 33}}, // d, then 32 points with signs
    {BlockType::kIq2S, {offsetof(Iq2SBlock, d), kHalf}},
    {BlockType::kIq3S, {offsetof(Iq3SBlock, d), kHalf}},
    {BlockType::kIq1S, {offsetof(Iq1SBlock, d), kHalf}, {offsetof(Iq1SBlock, qh), kHalf, 8}},
    {BlockType::kIq4Nl, {offsetof(Iq4NlBlock, d), kHalf}},
    {BlockType::kIq4Xs, {offsetof(Iq4XsBlock, d), kHalf, 2}}, // d, scales_h
    {BlockType::kTq10, {offsetof(Tq10Block, d), kHalf}},
    {BlockType::kTq20, {offsetof(Tq20Block, d), kHalf}},
    {BlockType::kMxfp4},
    {BlockType::kNvfp4},
    {BlockType::kQ10, {offsetof(Q10Block, d), kHalf}},
    {BlockType::kQ20, {offsetof(Q20Block, d), kHalf}},
};

const Order *order_of(BlockType type) {
  const auto *found = std::find_if(std::begin(kOrders), std::end(kOrders),
                                   [&](const Order &order) { return order.type == type; });
  return found == std::end(kOrders) ? nullptr : found;
}

void swap_run(const Run &run, std::span<uint8_t> block) {
  for (size_t i = 0; i < run.count && run.width > 0; ++i) {
    const auto number = block.subspan(run.offset + i * run.width, run.width);
    std::reverse(number.begin(), number.end());
  }
}

} // namespace

bool has_known_order(BlockType type) { return order_of(type) != nullptr; }

void swap_order(const BlockFacts &facts, std::span<uint8_t> blocks) {
  const Order *order = order_of(facts.type);
  for (size_t at = 0; order != nullptr && at + facts.bytes <= blocks.size(); at += facts.bytes) {
    swap_run(order->first, blocks.subspan(at, facts.bytes));
    swap_run(order->second, blocks.subspan(at, facts.bytes));
  }
}

} // namespace monoquant::layout::gguf
