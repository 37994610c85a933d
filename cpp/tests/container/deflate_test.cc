#include <gtest/gtest.h>

#include <array>

#include "monoquant/container/deflate.h"
#include "support/random.h"
#include "support/zip_file.h"

namespace monoquant::container {
namespace {

using test::Bytes;

// Written by Python's zlib with a window of -15: 40 lines of text, which take dynamic Huffman codes.
constexpr std::string_view kDeflatedText = "4d92410a42310c05f79ec2134893b4fded715c880a7f2582787b45f"
                                           "a266e87347993743fbf2f8f5339bd2ef7ebed792c87fd"
                                           "074cc0167081ba4008cc052a4ffa224dc4db225d2454b3d1577d864"
                                           "8d7a8293294c6086c85c899d9a923b65575b3c8a09a69"
                                           "197e2a99657cf25b4f25ea50f0413f24c2993b539eade251f1703c6"
                                           "aa52ed73fd4cff168aeb98e47db94cff1e878381e3deb"
                                           "f0d8b21f1e5bcecd73902ff09878041e13dfc87b1416137990c2062"
                                           "32f62ac3a5a9e1897e809395e2063c19563fcfd06a6a3"
                                           "63edfb6f3e";
constexpr std::string_view kStoredHello = "010500faff68656c6c6f"; // level 0
constexpr std::string_view kEmptyStream = "0300";
constexpr std::string_view kFixedHello = "cb48cdc9c90700"; // fixed codes

Bytes text() {
  std::string all;
  for (int i = 0; i < 40; ++i) {
    all += "layer." + std::to_string(i) + ".weight " + std::to_string(i * i) + "\n";
  }
  return test::bytes_from_text(all);
}

/// Inflates in steps of the sizes that `in` and `out` give.
template <typename In, typename Out>
Bytes inflate_in_steps(Inflater &inflater, const Bytes &deflated, In in, Out out) {
  Bytes made;
  size_t at = 0;
  for (int round = 0; round < 10'000; ++round) {
    Bytes output(out());
    const size_t length = std::min<size_t>(in(), deflated.size() - at);
    auto step = inflater.inflate(std::span(deflated).subspan(at, length), output);
    EXPECT_TRUE(step.has_value());
    if (!step) {
      return made;
    }
    const auto [consumed, produced, done] = step.value();
    EXPECT_TRUE(done || consumed == length || produced == output.size()) << "stopped too early";
    at += consumed;
    made.insert(made.end(), output.begin(), output.begin() + static_cast<std::ptrdiff_t>(produced));
    if (done) {
      EXPECT_EQ(at, deflated.size());
      return made;
    }
  }
  ADD_FAILURE() << "the stream does not end";
  return made;
}

TEST(Deflate, InflatesEveryKindOfBlock) {
  for (const auto &[hex, expected] :
       {std::pair(kDeflatedText, text()), std::pair(kStoredHello, test::bytes_from_text("hello")),
        std::pair(kFixedHello, test::bytes_from_text("hello")), std::pair(kEmptyStream, Bytes())}) {
    Inflater inflater;
    EXPECT_EQ(
        inflate_in_steps(
            inflater, test::bytes_from_hex(hex), [] { return 10'000; }, [] { return 10'000; }),
        expected);
  }
}

TEST(Deflate, StepsMayHaveAnySize) {
  test::Random random(1);
  Inflater inflater;
  for (int trial = 0; trial < 200; ++trial) {
    const size_t most = 1 + random.index(60);
    inflater.reset();
    const Bytes made = inflate_in_steps(
        inflater, test::bytes_from_hex(kDeflatedText), [&] { return random.index(most + 1); },
        [&] { return random.index(most + 1); });
    ASSERT_EQ(made, text()) << "trial " << trial;
  }
}

TEST(Deflate, MovesInTheMiddleOfAStream) {
  const Bytes deflated = test::bytes_from_hex(kDeflatedText);
  Inflater first;
  Bytes made(300);
  auto begun = first.inflate(std::span(deflated).first(150), made);
  ASSERT_TRUE(begun.has_value());
  made.resize(begun.value().produced);
  Inflater second(std::move(first));
  Inflater third;
  third = std::move(second);
  const Bytes rest(deflated.begin() + static_cast<std::ptrdiff_t>(begun.value().consumed),
                   deflated.end());
  const Bytes more = inflate_in_steps(
      third, rest, [] { return 1'000; }, [] { return 1'000; });
  made.insert(made.end(), more.begin(), more.end());
  EXPECT_EQ(made, text());
}

TEST(Deflate, NothingFollowsTheEnd) {
  Bytes deflated = test::bytes_from_hex(kFixedHello);
  deflated.push_back(0xEE);
  Inflater inflater;
  Bytes output(100);
  auto step = inflater.inflate(deflated, output);
  ASSERT_TRUE(step.has_value());
  EXPECT_TRUE(step.value().done);
  EXPECT_EQ(step.value().consumed, deflated.size() - 1);
  EXPECT_EQ(step.value().produced, 5U);
  step = inflater.inflate(std::span(deflated).last(1), output);
  ASSERT_TRUE(step.has_value());
  EXPECT_TRUE(step.value().done);
  EXPECT_EQ(step.value().consumed + step.value().produced, 0U);
}

TEST(Deflate, RubbishIsRefusedOrEnds) {
  test::Random random(2);
  int refused = 0;
  for (int trial = 0; trial < 2'000; ++trial) {
    Bytes rubbish(1 + random.index(200));
    for (uint8_t &byte : rubbish) {
      byte = static_cast<uint8_t>(random.bits());
    }
    Inflater inflater;
    Bytes output(1000);
    const auto step = inflater.inflate(rubbish, output);
    if (!step) {
      ++refused;
      EXPECT_EQ(step.error().code, ErrorCode::kMalformedFile);
      EXPECT_FALSE(inflater.inflate(rubbish, output).has_value()) << "an error is final";
      inflater.reset();
      EXPECT_TRUE(inflater.inflate(test::bytes_from_hex(kFixedHello), output).has_value());
    }
  }
  EXPECT_GT(refused, 1'000);
}

TEST(Crc32, IsTheOneOfZip) {
  EXPECT_EQ(crc32(0, {}), 0U);
  EXPECT_EQ(crc32(0, test::bytes_from_text("123456789")),
            0xCBF43926U);                   // the check value everyone uses
  EXPECT_EQ(crc32(0, text()), 0x137E318DU); // Python's zlib.crc32
  EXPECT_EQ(crc32(0, Bytes(100'000)), 0xD411957DU);
  EXPECT_EQ(crc32(0xCBF43926U, {}), 0xCBF43926U);
}

TEST(Crc32, CombinesRuns) {
  test::Random random(3);
  for (int trial = 0; trial < 300; ++trial) {
    Bytes bytes(random.index(3'000));
    for (uint8_t &byte : bytes) {
      byte = static_cast<uint8_t>(random.bits());
    }
    const size_t cut = random.index(bytes.size() + 1);
    const auto first = std::span(bytes).first(cut);
    const auto second = std::span(bytes).subspan(cut);
    const uint32_t whole = crc32(0, bytes);
    ASSERT_EQ(crc32(crc32(0, first), second), whole);
    ASSERT_EQ(crc32_combine(crc32(0, first), crc32(0, second), second.size()), whole);
  }
}

TEST(Crc32, CombinesRunsOverFourGib) {
  // 5 GiB of zeros behind `first`, in one step and in pieces.
  constexpr uint64_t kPiece = uint64_t{1} << 20U;
  const uint32_t zeros = crc32(0, Bytes(kPiece));
  uint32_t behind = 0;
  uint32_t in_pieces = 0x12345678;
  for (uint64_t i = 0; i < 5 * 1024; ++i) {
    in_pieces = crc32_combine(in_pieces, zeros, kPiece);
    behind = crc32_combine(behind, zeros, kPiece);
  }
  EXPECT_EQ(crc32_combine(0x12345678, behind, 5 * 1024 * kPiece), in_pieces);
}

} // namespace
} // namespace monoquant::container
