#include "monoquant/base/checksum.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

#include "support/random.h"

namespace monoquant {
namespace {

uint64_t digest_of(std::string_view text) {
  Checksum checksum;
  checksum.add({reinterpret_cast<const uint8_t *>(text.data()), text.size()});
  return checksum.digest();
}

TEST(Checksum, is_xxh64_with_seed_zero) {
  // Published vectors of XXH64.
  EXPECT_EQ(digest_of(""), 0xEF46DB3751D8E999ULL);
  EXPECT_EQ(digest_of("a"), 0xD24EC4F1A98C6E5BULL);
  EXPECT_EQ(digest_of("abc"), 0x44BC2CF5AD770999ULL);
  EXPECT_EQ(digest_of("Nobody inspects the spammish repetition"), 0xFBCEA83C8A378BF1ULL);
}

TEST(Checksum, does_not_depend_on_how_the_bytes_are_split) {
  test::Random random(2);
  std::vector<uint8_t> bytes(5000);
  for (uint8_t &byte : bytes) {
    byte = static_cast<uint8_t>(random.bits());
  }
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
