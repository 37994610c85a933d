#include "monoquant/layout/gguf/search.h"

#include <algorithm>
#include <cmath>

#include "monoquant/layout/gguf/decode.h"
#include "monoquant/layout/gguf/encode.h"

namespace monoquant::layout::gguf {
namespace {

constexpr size_t kMostInBlock = 256;    // values
constexpr size_t kMostBlockBytes = 256; // of a searched type: Q6_K has 210

BlockSearch search_of(BlockType type) {
  const BlockSearch small = small_search(type);
  return small != nullptr ? small : large_search(type);
}

/// What a block loses. Not finite where it stands for something that is not.
double loss_of(BlockType type, std::span<const uint8_t> block, const float *values,
               const float *weights, size_t count) {
  float stored[kMostInBlock];
  if (!decode_blocks(type, block, {stored, count})) {
    return INFINITY;
  }
  double sum = 0;
  for (size_t i = 0; i < count; ++i) {
    const double error = double{values[i]} - double{stored[i]};
    sum += double{weights[i]} * error * error;
  }
  return sum;
}

} // namespace

bool is_searched(BlockType type) { return search_of(type) != nullptr; }

Result<void> search_row(BlockType type, std::span<const float> values,
                        std::span<const float> importance, std::span<uint8_t> bytes) {
  if (auto encoded = encode_row(type, values, importance, bytes); !encoded) {
    return encoded;
  }
  const BlockSearch search = search_of(type);
  const BlockFacts &facts = facts_of(type);
  const size_t count = facts.values;
  for (size_t at = 0, to = 0; search != nullptr && at < values.size();
       at += count, to += facts.bytes) {
    const float *of = values.data() + at;
    if (!std::all_of(of, of + count, [](float value) { return std::isfinite(value); })) {
      continue;
    }
    float weights[kMostInBlock];
    for (size_t i = 0; i < count; ++i) {
      weights[i] = importance.empty() ? 1 : importance[at + i];
    }
    uint8_t found[kMostBlockBytes] = {};
    const std::span<uint8_t> written = bytes.subspan(to, facts.bytes);
    if (search(of, weights, found) && !(loss_of(type, {found, facts.bytes}, of, weights, count) >=
                                        loss_of(type, written, of, weights, count))) {
      std::copy_n(found, facts.bytes, written.begin());
    }
  }
  return {};
}

} // namespace monoquant::layout::gguf
