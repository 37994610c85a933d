#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "monoquant/base/checksum.h"
#include "monoquant/torch/pickle.h"
#include "support/pickle_checks.h"
#include "support/pickle_show.h"
#include "support/pickle_writer.h"

namespace monoquant::torch {
namespace {

using namespace std::string_literals;
using enum NodeKind;
using test::bytes_of;
using test::read_whole;
using test::show;

TEST(PickleGraph, ListsEachGlobalOnce) {
  const Pickle pickle = read_whole("(ca\nb\nca\nb\n\x8c\x01"
                                   "a\x8c\x01"
                                   "b\x93"
                                   "ca\nc\ncab\n\nc\nab\nt.");
  ASSERT_EQ(pickle.globals().size(), 4U);
  EXPECT_EQ(show(pickle, pickle.globals()[0]), "a:b");
  EXPECT_EQ(show(pickle, pickle.globals()[1]), "a:c");
  EXPECT_EQ(show(pickle, pickle.globals()[2]), "ab:");
  EXPECT_EQ(show(pickle, pickle.globals()[3]), ":ab");
  const auto children = pickle.children(pickle.root());
  EXPECT_EQ(children[0], children[1]);
  EXPECT_EQ(children[0], children[2]);
}

TEST(PickleGraph, LaterValuesReplaceEarlierOnesOfAnEqualKey) {
  EXPECT_EQ(show("}(K\x01K\x0aK\x02K\x0bK\x01K\x0cu."), "{1 12 2 11}");
  EXPECT_EQ(show("}(U\x01"
                 "aK\x01X\x01\0\0\0aK\x02\x8c\x01"
                 "aK\x03u."s),
            "{'a' 3}");
  EXPECT_EQ(show("}K\x01K\x0asM\x01\0K\x0bs."s), "{1 11}");
  EXPECT_EQ(show("}(NK\x01NK\x02\x88K\x03K\x01K\x04)K\x05)K\x06u."), "{None 2 True 3 1 4 () 6}");
  // Neither kinds nor lengths are confused.
  EXPECT_EQ(show("}(U\x01"
                 "aK\x01"
                 "C\x01"
                 "aK\x02U\x02"
                 "aaK\x03U\0K\x04u."s),
            "{'a' 1 b'a' 2 'aa' 3 '' 4}");
  // Objects that are filled like a dict; other containers with equal values keep theirs.
  EXPECT_EQ(show("cm\nC\n)R(K\x01K\x0aK\x01K\x0bu."), "m:C(){1 11}");
  EXPECT_EQ(show("](K\x01K\x01"
                 "e."),
            "[1 1]");
}

TEST(PickleGraph, TellsKeysApartWhoseHashesAreEqual) {
  // Two texts whose hashes end in the same 32 bits: some among a hundred thousand do. And the integer of that hash.
  const auto hash = [](const std::string &text) {
    Checksum sum;
    sum.add(bytes_of(text));
    return static_cast<uint32_t>(sum.digest());
  };
  std::map<uint32_t, std::string> known;
  std::string one;
  std::string other;
  for (int i = 0; one.empty() && i < 1000000; ++i) {
    other = "key" + std::to_string(i);
    const auto [place, is_new] = known.emplace(hash(other), other);
    one = is_new ? "" : place->second;
  }
  ASSERT_FALSE(one.empty());
  const auto text = [](const std::string &of) { return "U"s + static_cast<char>(of.size()) + of; };
  const uint32_t number = hash(one);
  const std::string integer =
      "\x8a\x05"s + std::string(reinterpret_cast<const char *>(&number), 4) + '\0';
  const std::string round = text(one) + "K\x01" + integer + "K\x02" + text(other) + "K\x03";
  const std::string again = text(other) + "K\x04" + integer + "K\x05" + text(one) + "K\x06";
  EXPECT_EQ(show("}(" + round + again + "u."),
            "{'" + one + "' 6 " + std::to_string(number) + " 5 '" + other + "' 4}");
}

TEST(PickleGraph, ReadsTuplesOfAnySize) {
  std::string text = "(";
  std::vector<size_t> sizes;
  for (size_t size = 1; size < 100000; size = size * 3 / 2 + 1) {
    text += "(";
    for (size_t i = 0; i < size; ++i) {
      text += i % 2 == size % 2 ? "\x88" : "N";
    }
    text += "t";
    sizes.push_back(size);
  }
  const Pickle pickle = read_whole(text + "t.");
  const auto tuples = pickle.children(pickle.root());
  ASSERT_EQ(tuples.size(), sizes.size());
  for (size_t k = 0; k < sizes.size(); ++k) {
    const auto elements = pickle.children(tuples[k]);
    ASSERT_EQ(elements.size(), sizes[k]);
    for (size_t i = 0; i < sizes[k]; ++i) {
      ASSERT_EQ(pickle.kind(elements[i]), i % 2 == sizes[k] % 2 ? kBool : kNone);
    }
  }
}

TEST(PickleGraph, MayContainItself) {
  const Pickle pickle = read_whole("]q\0h\0a}q\x01K\x01h\x01s\x86."s);
  const auto children = pickle.children(pickle.root());
  EXPECT_EQ(pickle.children(children[0])[0], children[0]);
  EXPECT_EQ(pickle.children(children[1])[1], children[1]);
}

TEST(PickleGraph, EndsAtStop) {
  const std::string two = "K\x01.K\x02.";
  const auto result = read_pickle(bytes_of(two), true, 0);
  ASSERT_TRUE(result);
  EXPECT_EQ(result.value()->end, 3U);
  EXPECT_EQ(show(result.value()->pickle, result.value()->pickle.root()), "1");
}

TEST(PickleGraph, OutlivesItsBytesAndMoves) {
  auto text = std::make_unique<std::string>("X\x03\0\0\0abcS'\\x41'\ncm\nn\n\x87."s);
  auto result = read_pickle(bytes_of(*text), true, 0);
  ASSERT_TRUE(result);
  text->assign(text->size(), '?');
  text.reset();
  const Pickle pickle = std::move(result.value()->pickle);
  EXPECT_EQ(show(pickle, pickle.root()), "('abc' 'A' m:n)");
}

TEST(PickleGraph, AnswersForOtherKindsAreEmpty) {
  const Pickle pickle = read_whole("K\x05.");
  const NodeId five = pickle.root();
  EXPECT_TRUE(pickle.text(five).empty() && pickle.children(five).empty());
  EXPECT_TRUE(pickle.items(five).empty() && !pickle.state(five) && !pickle.keywords(five));
  EXPECT_TRUE(pickle.global_module(five).empty() && !pickle.boolean(five));
  EXPECT_EQ(pickle.real(five), 0.0);
  EXPECT_EQ(pickle.kind(pickle.callable(five)), kNone);
  EXPECT_EQ(pickle.kind(pickle.persistent_id(five)), kNone);
}

TEST(PickleGraph, RandomGraphsOfEveryProtocol) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const int protocol = static_cast<int>(seed % 6);
    test::Random random(seed);
    const auto values = test::random_values(random, 1 + random.index(150), protocol);
    const auto bytes = test::write_pickle(values, protocol);
    const auto result = read_pickle(bytes, true, 0);
    ASSERT_TRUE(result) << "seed " << seed << ": " << result.error().message << " at "
                        << *result.error().offset;
    EXPECT_EQ(result.value()->end, bytes.size());
    ASSERT_EQ(test::compare_pickle(values, result.value()->pickle), "") << "seed " << seed;
    ASSERT_EQ(test::check_pickle(bytes), "") << "seed " << seed;
  }
}

} // namespace
} // namespace monoquant::torch
