#include "monoquant/torch/pickle.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/pickle_show.h"

namespace monoquant::torch {
namespace {

using namespace std::string_literals;
using enum NodeKind;
using test::read_whole;
using test::show;

TEST(Pickle, ReadsConstantsAndIntegers) {
  EXPECT_EQ(show("N."), "None");
  EXPECT_EQ(show("\x88."), "True");
  EXPECT_EQ(show("\x89."), "False");
  EXPECT_EQ(show("I01\n."), "True");
  EXPECT_EQ(show("I00\n."), "False");
  EXPECT_EQ(show("I1\n."), "1");
  EXPECT_EQ(show("I-77\r\n."), "-77");
  EXPECT_EQ(show("L12L\n."), "12");
  EXPECT_EQ(show("L12\n."), "12");
  EXPECT_EQ(show("L01\n."), "1"); // a boolean only for INT
  EXPECT_EQ(show("K\xff."), "255");
  EXPECT_EQ(show("M\xff\xff."), "65535");
  EXPECT_EQ(show("J\xff\xff\xff\xff."), "-1");
  EXPECT_EQ(show("J\0\0\0\x80."s), "-2147483648");
}

TEST(Pickle, ReadsLongIntegersOfAnyLength) {
  EXPECT_EQ(show("\x8a\0."s), "0");
  EXPECT_EQ(show("\x8a\x01\xff."), "-1");
  EXPECT_EQ(show("\x8a\x02\xff\0."s), "255");
  EXPECT_EQ(show("\x8a\x08\0\0\0\0\0\0\0\x80."s), "-9223372036854775808");
  EXPECT_EQ(show("\x8a\x09\0\0\0\0\0\0\0\x80\0."s), "big");
  EXPECT_EQ(show("\x8a\x09\xff\xff\xff\xff\xff\xff\xff\x7f\0."s), "9223372036854775807");
  EXPECT_EQ(show("\x8a\x09\xff\xff\xff\xff\xff\xff\xff\x7f\xff."), "big");
  EXPECT_EQ(show("\x8a\x0a\xfe\xff\xff\xff\xff\xff\xff\xff\xff\xff."), "-2");
  EXPECT_EQ(show("\x8a\x0a\1\0\0\0\0\0\0\0\1\0."s), "big");
  EXPECT_EQ(show("\x8b\x02\0\0\0\x39\x30."s), "12345");
  EXPECT_EQ(show("\x8b\0\0\0\0."s), "0");
  EXPECT_EQ(show("L-9223372036854775808L\n."), "-9223372036854775808");
  EXPECT_EQ(show("L9223372036854775807L\n."), "9223372036854775807");
  EXPECT_EQ(show("L9223372036854775808L\n."), "big");
  EXPECT_EQ(show("I-9223372036854775809\n."), "big");
}

TEST(Pickle, ReadsNumbers) {
  EXPECT_EQ(read_whole("G?\xf8\0\0\0\0\0\0."s).real(4), 1.5);
  const auto text = [](std::string_view line) {
    const Pickle pickle = read_whole(line);
    return pickle.kind(pickle.root()) == kFloat ? pickle.real(pickle.root()) : 1e99;
  };
  EXPECT_EQ(text("F-2.5e-3\n."), -2.5e-3);
  EXPECT_EQ(text("F3\n."), 3.0);
  EXPECT_EQ(text("Finf\n."), std::numeric_limits<double>::infinity());
  EXPECT_EQ(text("F-inf\n."), -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(text("Fnan\n.")));
  EXPECT_TRUE(std::signbit(text("F-0.0\n.")));
}

TEST(Pickle, ReadsTextsAndBytes) {
  EXPECT_EQ(show("S'plain'\n."), "'plain'");
  EXPECT_EQ(show("S\"it's\"\r\n."), "'it's'");
  EXPECT_EQ(show("S'\\x41\\102\\n\\'\\\\\\q\\7'\n."), "'AB\n'\\\\q\a'");
  EXPECT_EQ(show("T\x03\0\0\0abc."s), "'abc'");
  EXPECT_EQ(show("U\x02\xff\0."s), "'\xff\0'"s);
  EXPECT_EQ(show("Vab\\u20ac\\U0001F600\\\\u0041\xe9\n."),
            "'ab\xe2\x82\xac\xf0\x9f\x98\x80\\\\u0041\xc3\xa9'");
  EXPECT_EQ(show("Vplain\n."), "'plain'");
  EXPECT_EQ(show("V\\ud800\\\n."), "'\xed\xa0\x80\\'");
  EXPECT_EQ(show("X\x03\0\0\0\xed\xa0\x80."s), "'\xed\xa0\x80'"); // a lone surrogate
  EXPECT_EQ(show("\x8c\x01z."), "'z'");
  EXPECT_EQ(show("\x8d\x02\0\0\0\0\0\0\0hi."s), "'hi'");
  EXPECT_EQ(show("B\x01\0\0\0b."s), "b'b'");
  EXPECT_EQ(show("C\x01\n."), "b'\n'");
  EXPECT_EQ(show("\x8e\x01\0\0\0\0\0\0\0q."s), "b'q'");
  EXPECT_EQ(show("\x96\x01\0\0\0\0\0\0\0r."s), "b'r'");
}

TEST(Pickle, ReadsContainers) {
  EXPECT_EQ(show(")."), "()");
  EXPECT_EQ(show("(t."), "()");
  EXPECT_EQ(show("K\x01\x85."), "(1)");
  EXPECT_EQ(show("K\x01K\x02\x86."), "(1 2)");
  EXPECT_EQ(show("K\x01K\x02K\x03\x87."), "(1 2 3)");
  EXPECT_EQ(show("N(K\x01K\x02K\x03K\x04t."), "(1 2 3 4)");
  EXPECT_EQ(show("]."), "[]");
  EXPECT_EQ(show("(K\x01l."), "[1]");
  EXPECT_EQ(show("]K\x01"
                 "a(K\x02K\x03"
                 "e(e."),
            "[1 2 3]");
  EXPECT_EQ(show("}."), "{}");
  EXPECT_EQ(show("(K\x01K\x02"
                 "d."),
            "{1 2}");
  EXPECT_EQ(show("}K\x01K\x02s(K\x03K\x04K\x05Nu."), "{1 2 3 4 5 None}");
  EXPECT_EQ(show("\x8f(K\x01K\x02\x90."), "s{1 2}");
  EXPECT_EQ(show("(K\x01K\x02\x91."), "s{1 2}");
}

TEST(Pickle, ReadsMarksMemoAndStack) {
  EXPECT_EQ(show("K\x01K\x02"
                 "0."),
            "1");
  EXPECT_EQ(show("K\x01(0."), "1"); // POP takes a mark
  EXPECT_EQ(show("K\x01(K\x02K\x03"
                 "1."),
            "1");
  EXPECT_EQ(show("K\x01"
                 "2\x86."),
            "(1 1)");
  EXPECT_EQ(show("K\x07p5\n0g5\n."), "7");
  EXPECT_EQ(show("K\x07q\xff"
                 "0h\xff."),
            "7");
  EXPECT_EQ(show("K\x07r\xff\xff\xff\xff"
                 "0j\xff\xff\xff\xff."),
            "7");
  EXPECT_EQ(show("K\x07p9000000000000000000\n0g9000000000000000000\n."), "7");
  EXPECT_EQ(show("K\x01\x94K\x02\x94K\x03q\x01h\0h\x01\x86."s), "(1 3)");
  // MEMOIZE counts numbers, not puts: after number 0 twice comes 1.
  EXPECT_EQ(show("K\x01q\0K\x02q\0K\x03\x94h\0h\x01\x86."s), "(2 3)");
  EXPECT_EQ(show("\x80\x04\x95\x02\0\0\0\0\0\0\0K\x01."s), "1");
}

TEST(Pickle, MemoNumbersMayStandAnywhere) {
  std::string text = "(";
  const uint32_t numbers[] = {4000000000U, 1000, 5, 70000, 300, 1000};
  for (uint8_t i = 0; i < 6; ++i) {
    text += "K"s + static_cast<char>(i) + "r";
    text.append(reinterpret_cast<const char *>(&numbers[i]), 4);
  }
  for (uint32_t i = 0; i < 400; ++i) { // lets the dense part grow over the sparse numbers
    const uint32_t number = 600 + i;
    text += "Nr";
    text.append(reinterpret_cast<const char *>(&number), 4);
    text += '0';
  }
  text += "1(";
  for (const uint32_t number : numbers) {
    text += "j";
    text.append(reinterpret_cast<const char *>(&number), 4);
  }
  EXPECT_EQ(show(text + "t."), "(0 5 2 3 4 5)");
}

TEST(Pickle, ReadsObjects) {
  EXPECT_EQ(show("cm.x\nC\n."), "m.x:C");
  EXPECT_EQ(show("\x8c\x01m\x8c\x03"
                 "C.D\x93."),
            "m:C.D");
  EXPECT_EQ(show("cm\nf\nK\x01\x85R."), "m:f(1)");
  EXPECT_EQ(show("cm\nC\n)\x81."), "m:C()");
  EXPECT_EQ(show("cm\nC\n)}K\x01K\x02s\x92."), "m:C()**{1 2}");
  EXPECT_EQ(show("(K\x01im\nC\n."), "m:C(1)");
  EXPECT_EQ(show("(cm\nC\nK\x01K\x02o."), "m:C(1 2)");
  EXPECT_EQ(show("cm\nf\n)R)R."), "m:f()()");
  EXPECT_EQ(show("cm\nC\n)RNb}b."), "m:C()+{}");
  EXPECT_EQ(show("}Nb."), "{}+None");
  EXPECT_EQ(show("]K\x01"
                 "b."),
            "[]+1");
  EXPECT_EQ(show("P12\n."), "@'12'");
  EXPECT_EQ(show("K\x01\x85Q."), "@(1)");
  EXPECT_EQ(show("K\x01Q)R."), "@1()");
  EXPECT_EQ(show("ccollections\nOrderedDict\n)RK\x01K\x02sK\x05"
                 "a(K\x03K\x04u."),
            "collections:OrderedDict()[5]{1 2 3 4}");
}

} // namespace
} // namespace monoquant::torch
