#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "monoquant/base/text.h"
#include "monoquant/torch/pickle.h"
#include "support/pickle_checks.h"
#include "support/pickle_show.h"
#include "support/pickle_writer.h"

namespace monoquant::torch {
namespace {

using namespace std::string_literals;
using test::bytes_of;
using test::outcome;

TEST(PickleHostile, RefusesWhatIsNoPickle) {
  const std::string cases[] = {"\xff.",
                               "NN\x01.",
                               "\x80\x06N.",
                               "\x82\x01.",
                               "\x83\x01\x01.",
                               "\x84\x01\x01\x01\x01.",
                               "\x97.",
                               "N\x98.",
                               ".",
                               "0",
                               "N00.",
                               "2.",
                               "(.",
                               "N(.",
                               "1.",
                               "t.",
                               "l.",
                               "d.",
                               "e.",
                               "]e.",
                               "u.",
                               "\x90.",
                               "\x91.",
                               "(e.",
                               "(Nu.",
                               "((u.",
                               "N(Ne.",
                               "N(NNu.",
                               "}(Nu.",
                               "(Nd.",
                               "N(N\x90.",
                               "NNa.",
                               "](N\x90.",
                               "\x8f(Ne.",
                               "]NNs.",
                               "K\x01Nb.",
                               ")Nb.",
                               "cm\nn\nNb.",
                               "Nb.",
                               "R.",
                               "NR.",
                               "N)R.",
                               "K\x01)R.",
                               "cm\nn\nNR.",
                               "cm\nn\n]R.",
                               "cm\nn\n)NR.",
                               "N)\x81.",
                               "cm\nn\n))\x92.",
                               "(o.",
                               "(No.",
                               "o.",
                               "im\nn\n.",
                               "Q.",
                               "h\x01.",
                               "g1\n.",
                               "j\x01\0\0\0."s,
                               "Ng\n.",
                               "q\x01.",
                               "p0\n.",
                               "Np-1\n.",
                               "Npx\n.",
                               "\x94.",
                               "N\x94h\x01.",
                               "NN\x93.",
                               "\x8c\x01xN\x93.",
                               "C\x01xC\x01y\x93.",
                               "Ix\n.",
                               "I\n.",
                               "I1.5\n.",
                               "I0x1\n.",
                               "LL\n.",
                               "L1LL\n.",
                               "L--1\n.",
                               "Fx\n.",
                               "F\n.",
                               "F1 2\n.",
                               "F0x1p3\n.",
                               "F1\0\n."s,
                               "Sx\n.",
                               "S'x\n.",
                               "S'\n.",
                               "S\n.",
                               "S'\\'\n.",
                               "S'\\xg0'\n.",
                               "V\\u12\n.",
                               "V\\U00110000\n.",
                               "\x86.",
                               "N\x86.",
                               "NN\x87.",
                               "N(\x85.",
                               "\x8b\xff\xff\xff\xff.",
                               "T\xff\xff\xff\xff.",
                               "N(0(h\x01.",
                               "]N(a.",
                               "N(2.",
                               "]((Ne1.",
                               "}((NNu1.",
                               "N(\2050."};
  for (const std::string &text : cases) {
    const std::string found = outcome(text);
    EXPECT_TRUE(found.starts_with("malformed-file"))
        << testing::PrintToString(text) << ": " << found;
    EXPECT_EQ(test::check_pickle(bytes_of(text)), "") << testing::PrintToString(text);
  }
}

TEST(PickleHostile, ErrorsSayWhere) {
  EXPECT_EQ(outcome("\x80\x02N\xff.", true, 500), "malformed-file 503");
  EXPECT_EQ(outcome("K\x01K\x02Nb", true, 500), "malformed-file 505");
  EXPECT_EQ(outcome("K\x01", true, 500), "file-truncated 502");
  const auto result = read_pickle(bytes_of("K\x01K\x02"
                                           "b."),
                                  true, 0);
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message.find("an integer"), std::string::npos);
}

TEST(PickleHostile, HoldsClaimsAgainstTheBytes) {
  const std::string huge = "\xff\xff\xff\xff\xff\xff\xff\x7f";
  const std::string more = "\xff\xff\xff\xff\xff\xff\xff\xff";
  for (const char *opcode : {"\x8d", "\x8e", "\x96"}) {
    for (const std::string &length : {huge, more}) {
      EXPECT_EQ(outcome(opcode + length + "a."), "file-truncated 11") << opcode;
      EXPECT_EQ(outcome(opcode + length + "a.", false), "limit-exceeded 0") << opcode;
    }
  }
  for (const char *opcode : {"X", "B", "\x8b", "T"}) {
    EXPECT_EQ(outcome(opcode + "\xff\xff\xff\x7f"s), "file-truncated 5") << opcode;
    EXPECT_EQ(outcome(opcode + "\xff\xff\xff\x7f"s, false), "limit-exceeded 0") << opcode;
    EXPECT_EQ(outcome(opcode + "\xff\xff\xff\x01"s, false), "more") << opcode;
  }
}

TEST(PickleHostile, FramesEndWithThePickle) {
  const auto framed = [](uint64_t length, std::string_view rest) {
    std::string text = "\x95";
    text.append(reinterpret_cast<const char *>(&length), sizeof(length));
    return text.append(rest);
  };
  EXPECT_EQ(outcome(framed(2, "N.")), "read");
  EXPECT_EQ(outcome(framed(1, "N.")), "read"); // opcodes may stand outside of frames
  EXPECT_EQ(outcome(framed(3, "N.")), "malformed-file 10");
  EXPECT_EQ(outcome(framed(3, "N.N.")), "malformed-file 10"); // whatever follows
  // Python's C code reads only "os" here, and nothing of what the frame has of the line.
  EXPECT_EQ(outcome(framed(3, "cXXos\nsystem\n.")), "malformed-file 9");
  EXPECT_EQ(outcome(framed(3, "N.N."), false), "malformed-file 10");
  EXPECT_EQ(outcome(framed(3, "N")), "file-truncated 10");
  EXPECT_EQ(outcome(framed(3, framed(0, "N."))),
            "malformed-file 9"); // goes over the first one's end
  EXPECT_EQ(outcome(framed(11, framed(2, "N."))), "read");
  EXPECT_EQ(outcome(framed(UINT64_MAX, "N."), false), "malformed-file 0");
  EXPECT_EQ(outcome(framed(kMaxPickleBytes + 1, "N."), false), "malformed-file 0");
}

TEST(PickleHostile, EveryTruncationWantsMoreOrIsAnError) {
  for (int protocol = 0; protocol <= 5; ++protocol) {
    test::Random random(static_cast<uint64_t>(protocol) + 100);
    const auto bytes = test::write_pickle(test::random_values(random, 25, protocol), protocol);
    for (size_t length = 0; length < bytes.size(); ++length) {
      const auto part = std::span(bytes).first(length);
      const auto more = read_pickle(part, false, 7);
      ASSERT_TRUE(more) << length << ": " << more.error().message;
      ASSERT_FALSE(more.value());
      const auto whole = read_pickle(part, true, 7);
      ASSERT_FALSE(whole);
      ASSERT_EQ(whole.error().code, ErrorCode::kFileTruncated);
      ASSERT_EQ(whole.error().offset, 7 + length);
    }
  }
}

TEST(PickleHostile, CorpusOfTheFuzzer) {
  size_t count = 0;
  size_t refused = 0;
  for (const auto &entry :
       std::filesystem::directory_iterator(MONOQUANT_SOURCE_DIR "/cpp/fuzz/corpus/pickle")) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    EXPECT_EQ(test::check_pickle(bytes_of(text)), "") << entry.path();
    refused += outcome(text) == "read" ? 0U : 1U;
    ++count;
  }
  EXPECT_GE(count, 30U);
  EXPECT_GE(refused, 3U);
  EXPECT_LE(refused, 10U);
}

} // namespace
} // namespace monoquant::torch
