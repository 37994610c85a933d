#include "monoquant/base/checksum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <vector>

#include "support/random.h"

namespace monoquant {
namespace {

uint64_t digest_of(std::span<const uint8_t> bytes) {
  Checksum checksum;
  checksum.add(bytes);
  return checksum.digest();
}

std::vector<uint8_t> random_bytes(size_t count) {
  test::Random random(2);
  std::vector<uint8_t> bytes(count);
  for (uint8_t &byte : bytes) {
    byte = static_cast<uint8_t>(random.bits());
  }
  return bytes;
}

/// What disks and programs do to files, done to `bytes` at every place of a multiple of `step`.
template <typename Harm>
void expect_notices(std::vector<uint8_t> bytes, size_t step, const Harm &harm) {
  const uint64_t whole = digest_of(bytes);
  for (size_t at = 0; at + step <= bytes.size(); at += step) {
    std::vector<uint8_t> changed = bytes;
    harm(changed, at);
    if (changed != bytes) {
      ASSERT_NE(digest_of(changed), whole) << at;
    }
  }
}

TEST(Checksum, notices_blocks_that_are_missing_stale_or_elsewhere) {
  const std::vector<uint8_t> bytes = random_bytes(16384);
  constexpr size_t kBlocks[] = {8, 64, 512, 4096};
  for (const size_t block : kBlocks) {
    const auto at_of = [&](std::vector<uint8_t> &changed, size_t at) {
      return changed.begin() + static_cast<std::ptrdiff_t>(at);
    };
    expect_notices(bytes, block, [&](std::vector<uint8_t> &changed, size_t at) {
      std::fill_n(at_of(changed, at), block, uint8_t{0});
    });
    expect_notices(bytes, block, [&](std::vector<uint8_t> &changed, size_t at) {
      std::copy_n(at_of(changed, 0), block, at_of(changed, at));
    });
    expect_notices(bytes, block, [&](std::vector<uint8_t> &changed, size_t at) {
      std::swap_ranges(at_of(changed, 0), at_of(changed, block), at_of(changed, at));
    });
    expect_notices(bytes, block, [&](std::vector<uint8_t> &changed, size_t at) {
      std::rotate(at_of(changed, at), at_of(changed, at) + 1, changed.end());
    });
  }
}

TEST(Checksum, notices_zeros_that_are_added_and_taken_away) {
  std::vector<uint8_t> bytes(200);
  std::set<uint64_t> digests;
  for (size_t size = 0; size <= bytes.size(); ++size) {
    digests.insert(digest_of(std::span(bytes).first(size)));
  }
  EXPECT_EQ(digests.size(), bytes.size() + 1);
}

TEST(Checksum, digests_of_similar_bytes_are_spread) {
  // Counters, as in codes that differ in one place: no two alike, and each bit of the digest set in half of them.
  std::set<uint64_t> digests;
  std::vector<size_t> set(64);
  constexpr size_t kCount = 20000;
  for (uint32_t i = 0; i < kCount; ++i) {
    std::vector<uint8_t> bytes(300);
    std::memcpy(bytes.data() + 8 * (i % 30), &i, sizeof(i));
    const uint64_t digest = digest_of(bytes);
    digests.insert(digest);
    for (size_t bit = 0; bit < 64; ++bit) {
      set[bit] += digest >> bit & 1U;
    }
  }
  EXPECT_EQ(digests.size(), kCount);
  for (const size_t count : set) {
    EXPECT_NEAR(static_cast<double>(count), kCount / 2.0, 500); // seven standard deviations
  }
}

TEST(Checksum, does_not_depend_on_how_the_bytes_are_split) {
  test::Random random(3);
  const std::vector<uint8_t> bytes = random_bytes(5000);
  Checksum whole;
  whole.add(bytes);
  for (int round = 0; round < 200; ++round) {
    Checksum parts;
    std::span<const uint8_t> rest = bytes;
    while (!rest.empty()) {
      const size_t taken = std::min(rest.size(), random.index(round < 100 ? 40 : 2000));
      parts.add(rest.first(taken));
      rest = rest.subspan(taken);
    }
    ASSERT_EQ(parts.digest(), whole.digest());
  }
}

TEST(Checksum, reset_begins_anew_and_every_bit_counts) {
  std::vector<uint8_t> bytes(100, 7);
  Checksum checksum;
  checksum.add(bytes);
  const uint64_t first = checksum.digest();
  checksum.reset();
  checksum.add(bytes);
  EXPECT_EQ(checksum.digest(), first);
  for (size_t bit = 0; bit < 800; ++bit) {
    bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] ^ (1U << (bit % 8)));
    Checksum changed;
    changed.add(bytes);
    ASSERT_NE(changed.digest(), first) << bit;
    bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] ^ (1U << (bit % 8)));
  }
}

} // namespace
} // namespace monoquant
