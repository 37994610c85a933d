#include <gtest/gtest.h>

#include <ctime>
#include <utility>

#include "monoquant/base/text.h"
#include "monoquant/torch/pickle.h"
#include "monoquant/torch/pickle_machine.h"
#include "support/pickle_show.h"

namespace monoquant::torch {
namespace {

using namespace std::string_literals;
using test::bytes_of;
using test::outcome;

std::string repeat(std::string_view part, size_t times) {
  std::string text;
  text.reserve(part.size() * times);
  for (size_t i = 0; i < times; ++i) {
    text += part;
  }
  return text;
}

TEST(PickleLimits, DepthIsNoProblem) {
  EXPECT_EQ(outcome(repeat("]", 1) + repeat("(]", 200000) + repeat("e", 200000) + "."), "read");
  EXPECT_EQ(outcome(concat(")", repeat("\x85", 200000), ".")), "read");
  EXPECT_EQ(outcome(repeat("(", 200000) + repeat("t", 200000) + "."), "read");
  EXPECT_EQ(outcome(concat("cm\nn\n", repeat(")R", 200000), ".")), "read");
}

/// `times` four-byte numbers, each behind `opcode`.
std::string numbered(std::string_view opcode, uint32_t times) {
  std::string text;
  for (uint32_t i = 0; i < times; ++i) {
    const uint32_t number = i * 400;
    text += opcode;
    text.append(reinterpret_cast<const char *>(&number), sizeof(number));
  }
  return text;
}

std::string many_globals(uint32_t times) {
  std::string text;
  for (uint32_t i = 0; i < times; ++i) {
    text += concat("cm\n", i, "\n0");
  }
  return text;
}

TEST(PickleLimits, MemoryIsLimited) {
  constexpr uint64_t kMemory = 1U << 20U; // a smaller limit than the real one, to be quick
  const std::pair<const char *, std::string> cases[] = {
      {"nodes", repeat("]0", 70000) + "N"},
      {"stack", repeat("N", 270000)},
      {"marks", repeat("(", 270000) + "N"},
      {"memo", numbered("Nr", 60000)},
      {"additions", repeat("]Nb0", 14000) + "N"},
      {"children", "]q\0"s + repeat("h\0a"s, 270000)},
      {"items", concat("}", repeat("NNs", 140000))},
      {"tuples", concat("N", repeat("\x85", 55000))},
      {"large tuples", concat("N", repeat(concat("0(", repeat("N", 5000), "t"), 56))},
      {"globals", many_globals(12000) + "N"},
      {"decoded texts", repeat(concat("V", std::string(50, '\xe9'), "\n0"), 11000) + "N"},
      {"its own bytes", "X\0\0\x10\0"s + std::string(1U << 20U, 'x')}};
  for (const auto &[name, text] : cases) {
    const std::string whole = text + ".";
    const auto read = [&whole](uint64_t memory) {
      return PickleMachine(bytes_of(whole), true, 0, memory).run();
    };
    const auto refused = read(kMemory);
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().code, ErrorCode::kLimitExceeded) << name;
    EXPECT_NE(refused.error().message.find("bytes of memory"), std::string::npos) << name;
    EXPECT_TRUE(read(8 * kMemory)) << name; // it was only that
  }
}

TEST(PickleLimits, MemoryOfTheRealLimit) {
  EXPECT_EQ(outcome(repeat("]0", 5U << 20U) + "N."), "read");
  EXPECT_TRUE(outcome(repeat("]0", 9U << 20U) + "N.").starts_with("limit-exceeded"));
}

TEST(PickleLimits, SizeIsLimited) {
  const std::string text =
      "X\xf0\xff\xff\x03"s + repeat("a", 0x3FFFFF0); // ends 11 bytes before the limit
  EXPECT_EQ(outcome(text + "."), "read");
  EXPECT_EQ(outcome(text + "0N0N0N0N0N."), "read");
  EXPECT_EQ(outcome(text + "0N0N0N0N0N0N."), concat("limit-exceeded ", kMaxPickleBytes));
  EXPECT_EQ(outcome(concat("c", std::string(2 * kMaxPickleBytes, 'a'))), "limit-exceeded 0");
}

TEST(PickleLimits, LongNamesAreNoGlobals) {
  const std::string name(kMaxGlobalBytes, 'n');
  EXPECT_EQ(outcome("c" + name + "\n" + name + "\n."), "read");
  EXPECT_EQ(outcome("c" + name + "n\n" + name + "\n."), "limit-exceeded 0");
  EXPECT_EQ(outcome("U\x01mX\x01\x04\0\0"s + name + "n\x93."), "limit-exceeded 1033");
}

/// Seconds of the processor that reading takes, whatever else the machine does. The bounds below are many times what
/// linear work takes.
double seconds(std::string_view text) {
  const std::clock_t begin = std::clock();
  EXPECT_EQ(outcome(text), "read");
  return static_cast<double>(std::clock() - begin) / static_cast<double>(CLOCKS_PER_SEC);
}

TEST(PickleLimits, TimeIsLinear) {
  std::string laughs = "]q\0"s;
  for (char level = 1; level < 120; ++level) {
    laughs += "](" + repeat("h"s + static_cast<char>(level - 1), 50) + "eq" + level;
  }
  EXPECT_LT(seconds(laughs + "."), 5);

  // Two texts of a megabyte, equal but not one node, as keys over and over.
  const std::string text = "X\0\0\x10\0"s + std::string(1U << 20U, 'k');
  const std::string keys =
      text + "q\x01" + text + "q\x02}(" + repeat("h\x01Nh\x02N", 100000) + "u.";
  EXPECT_LT(seconds(keys), 10);

  // One dict of many keys, each set twice.
  std::string dict = "}(";
  for (int round = 0; round < 2; ++round) {
    for (uint32_t key = 0; key < 200000; ++key) {
      dict += "J";
      dict.append(reinterpret_cast<const char *>(&key), 4);
      dict += "N";
    }
  }
  EXPECT_LT(seconds(dict + "u."), 10);
  const auto result = read_pickle(bytes_of(dict + "u."), true, 0);
  ASSERT_TRUE(result);
  EXPECT_EQ(result.value()->pickle.children(result.value()->pickle.root()).size(), 400000U);

  // Long names that begin alike.
  const std::string name(kMaxGlobalBytes, 'n');
  EXPECT_LT(
      seconds("U\x01mX\0\x04\0\0"s + name + "q\0"s + repeat("U\x01mh\0\x93"s + "0", 100000) + "."),
      5);
}

} // namespace
} // namespace monoquant::torch
