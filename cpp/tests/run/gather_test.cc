#include "monoquant/run/gather.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "support/random.h"

namespace monoquant::run {
namespace {

using test::Random;

constexpr uint32_t kWidths[] = {1, 2, 4, 8, 16};

/// A tensor within a storage, whose elements may overlap in any way.
struct Placed {
  std::vector<uint64_t> shape;
  std::vector<uint64_t> strides;
  uint64_t first = 0;
  uint32_t element_bytes = 1;
  uint64_t storage_elements = 0;

  [[nodiscard]] uint64_t elements() const {
    return std::accumulate(shape.begin(), shape.end(), uint64_t{1}, std::multiplies<>());
  }
  /// Where an element, counted in the tensor's own order, lies in the storage.
  [[nodiscard]] uint64_t source(uint64_t element) const {
    uint64_t at = first;
    for (size_t i = shape.size(); i-- > 0;) {
      at += element % shape[i] * strides[i];
      element /= shape[i];
    }
    return at;
  }
};

/// Strides of a permuted tensor, in which any dimension may be skipped through, repeated or overlap others.
void choose_strides(Random &random, Placed &placed) {
  placed.strides.assign(placed.shape.size(), 1);
  std::vector<size_t> order(placed.shape.size());
  std::iota(order.begin(), order.end(), size_t{0});
  for (size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[random.index(i)]);
  }
  uint64_t stride = random.chance(3) ? 1 + random.below(3) : 1;
  for (const size_t i : order) {
    placed.strides[i] = random.chance(5) ? random.below(6) : stride; // 0: the same again and again
    stride = stride * placed.shape[i] + (random.chance(4) ? random.below(4) : 0);
    if (placed.shape[i] == 1 && random.chance(2)) {
      placed.strides[i] = random.bits(); // nobody steps here
    }
  }
}

Placed random_tensor(Random &random) {
  Placed placed;
  placed.element_bytes = random.pick(kWidths);
  for (uint64_t rank = random.below(6); rank > 0; --rank) {
    placed.shape.push_back(random.chance(4) ? 1 : 1 + random.below(7));
  }
  choose_strides(random, placed);
  placed.first = random.below(20);
  uint64_t last = placed.first;
  for (size_t i = 0; i < placed.shape.size(); ++i) {
    last += placed.shape[i] == 1 ? 0 : (placed.shape[i] - 1) * placed.strides[i];
  }
  placed.storage_elements = last + 1 + random.below(10);
  return placed;
}

std::vector<uint8_t> random_storage(Random &random, const Placed &placed) {
  std::vector<uint8_t> bytes(static_cast<size_t>(placed.storage_elements * placed.element_bytes));
  for (uint8_t &byte : bytes) {
    byte = static_cast<uint8_t>(random.bits());
  }
  return bytes;
}

/// Hands [begin, end) of the storage to the gather: in runs of any length, in any order.
void take_in_runs(Random &random, const Gather &gather, const Placed &placed,
                  std::span<const uint8_t> storage, uint64_t begin, uint64_t end,
                  std::span<uint8_t> target) {
  std::vector<std::pair<uint64_t, uint64_t>> runs;
  const uint64_t longest = 1 + random.below(2 * placed.storage_elements);
  while (begin < end) {
    const uint64_t length =
        std::min(end - begin, (1 + random.below(longest)) * placed.element_bytes);
    runs.emplace_back(begin, length);
    begin += length;
  }
  for (size_t i = runs.size(); i > 1; --i) {
    std::swap(runs[i - 1], runs[random.index(i)]);
  }
  for (const auto &[offset, length] : runs) {
    gather.take(storage.subspan(static_cast<size_t>(offset), static_cast<size_t>(length)), offset,
                target);
  }
}

std::vector<uint8_t> expected_bytes(const Placed &placed, std::span<const uint8_t> storage,
                                    uint64_t begin, uint64_t end) {
  std::vector<uint8_t> bytes;
  for (uint64_t element = begin; element < end; ++element) {
    const auto element_bytes = storage.subspan(
        static_cast<size_t>(placed.source(element) * placed.element_bytes), placed.element_bytes);
    bytes.insert(bytes.end(), element_bytes.begin(), element_bytes.end());
  }
  return bytes;
}

/// Bytes that are all different from `bytes`: what nobody writes shows.
std::vector<uint8_t> inverted(std::vector<uint8_t> bytes) {
  for (uint8_t &byte : bytes) {
    byte = static_cast<uint8_t>(~byte);
  }
  return bytes;
}

TEST(Gather, finds_every_element_of_any_view) {
  Random random(80);
  for (int round = 0; round < 4000; ++round) {
    const Placed placed = random_tensor(random);
    const std::vector<uint8_t> storage = random_storage(random, placed);
    const uint64_t begin = random.chance(2) ? 0 : random.below(placed.elements());
    const uint64_t end =
        random.chance(2) ? placed.elements() : begin + 1 + random.below(placed.elements() - begin);
    const Gather gather(placed.shape, placed.strides, placed.first, placed.element_bytes, begin,
                        end);
    ASSERT_LT(gather.source_begin(), gather.source_end());
    ASSERT_LE(gather.source_end(), storage.size());
    const std::vector<uint8_t> expected = expected_bytes(placed, storage, begin, end);
    std::vector<uint8_t> found = inverted(expected);
    take_in_runs(random, gather, placed, storage, gather.source_begin(), gather.source_end(),
                 found);
    ASSERT_EQ(found, expected) << "round " << round;
    // The rest of the storage changes nothing.
    take_in_runs(random, gather, placed, storage, 0, storage.size(), found);
    ASSERT_EQ(found, expected) << "round " << round;
  }
}

TEST(Gather, reads_no_more_than_rows_of_a_plain_matrix) {
  const std::vector<uint64_t> shape = {10, 6};
  const std::vector<uint64_t> strides = {8, 1};
  const Gather rows(shape, strides, 3, 4, 12, 30); // rows 2 to 4
  EXPECT_EQ(rows.source_begin(), (3 + 2 * 8) * 4U);
  EXPECT_EQ(rows.source_end(), (3 + 4 * 8 + 6) * 4U);
  const Gather part(shape, strides, 3, 4, 13, 15); // within row 2
  EXPECT_EQ(part.source_begin(), (3 + 2 * 8 + 1) * 4U);
  EXPECT_EQ(part.source_end(), (3 + 2 * 8 + 3) * 4U);
}

TEST(Gather, a_single_number_is_one_element) {
  const Gather gather({}, {}, 5, 2, 0, 1);
  EXPECT_EQ(gather.source_begin(), 10U);
  EXPECT_EQ(gather.source_end(), 12U);
  const std::vector<uint8_t> storage = {9, 9, 7, 8};
  std::vector<uint8_t> found(2);
  gather.take(storage, 8, found);
  EXPECT_EQ(found, (std::vector<uint8_t>{7, 8}));
}

} // namespace
} // namespace monoquant::run
