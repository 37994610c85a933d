#include <gtest/gtest.h>

#include <deque>
#include <set>
#include <tuple>

#include "monoquant/base/text.h"
#include "monoquant/torch/pickle.h"
#include "monoquant/torch/state_dict_pickle.h"
#include "support/deep.h"
#include "support/zip_file.h"

namespace monoquant::torch {
namespace {

using Shape = std::vector<uint64_t>;

size_t count(const std::string &text, std::string_view part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

std::string one(Dtype dtype, const Shape &shape, uint64_t elements) {
  const SavedTensor tensor{"w", dtype, shape, 0, elements};
  return state_dict_pickle({&tensor, 1}).value();
}

std::string text(const char *hex) {
  const auto bytes = test::bytes_from_hex(hex);
  return {bytes.begin(), bytes.end()};
}

TEST(StateDictPickle, AnEmptyOneIsAnOrderedDict) {
  EXPECT_EQ(state_dict_pickle({}).value(), "\x80\x02"
                                           "ccollections\nOrderedDict\nq" +
                                               std::string(1, '\0') + ")R.");
}

TEST(StateDictPickle, WritesTheseOpcodes) {
  const Shape shape = {2, 300};
  EXPECT_EQ(one(Dtype::kF32, shape, 600),
            "\x80\x02"
            "ccollections\nOrderedDict\n" +
                text("7100") + ")R" + // BINPUT 0, EMPTY_TUPLE, REDUCE
                "(" + text("5801000000") + "w" + "ctorch._utils\n_rebuild_tensor_v2\n" +
                text("7101") + "((" + text("5807000000") + "storage" + text("7102") +
                "ctorch\nFloatStorage\n" + text("7103") + text("5801000000") + "0" +
                text("5803000000") + "cpu" + text("7104") + text("4d5802") +
                "tQ" +                             // BININT2 600, TUPLE, BINPERSID
                text("4b00") +                     // offset 0
                text("4b024d2c0186") +             // (2, 300)
                text("4d2c014b0186") +             // (300, 1)
                text("89") + text("6800") + ")R" + // False, OrderedDict()
                "tRu.");
}

TEST(StateDictPickle, NewDtypesAreNamedAndCountedInBytes) {
  const Shape shape = {2, 3};
  const std::string pickle = one(Dtype::kU16, shape, 6);
  EXPECT_EQ(count(pickle, "_rebuild_tensor_v3"), 1U);
  EXPECT_EQ(count(pickle, "ctorch.storage\nUntypedStorage\n"), 1U);
  EXPECT_EQ(count(pickle, text("4b0c") + "tQ"), 1U);                        // 12 bytes
  EXPECT_EQ(count(pickle, ")Rctorch\nuint16\n" + text("7105") + "tR"), 1U); // the last argument
  // Two values a byte, the last dimension halved.
  const Shape four = {2, 8};
  EXPECT_EQ(count(one(Dtype::kF4, four, 16), text("4b08") + "tQ" +
                                                 text("4b00"
                                                      "4b024b0486"
                                                      "4b044b0186")),
            1U);
  const Shape complex = {1};
  EXPECT_EQ(count(one(Dtype::kC32, complex, 1), "ctorch\ncomplex32\n"), 1U);
  EXPECT_EQ(count(one(Dtype::kC32, complex, 1), text("4b04") + "tQ"), 1U);
}

TEST(StateDictPickle, KnowsWhichDtypesPyTorchHas) {
  std::set<std::string> pickles;
  for (int i = 0; i < kDtypeCount; ++i) {
    const auto dtype = static_cast<Dtype>(i);
    EXPECT_EQ(torch_has(dtype), dtype != Dtype::kF6E2M3 && dtype != Dtype::kF6E3M2);
    if (torch_has(dtype)) {
      const Shape shape = {8};
      pickles.insert(one(dtype, shape, 8));
    }
  }
  EXPECT_EQ(pickles.size(), 22U) << "each has a name of its own";
  const Shape shape = {1};
  for (const auto &[dtype, storage] :
       {std::pair(Dtype::kF64, "DoubleStorage"), std::pair(Dtype::kF16, "HalfStorage"),
        std::pair(Dtype::kBF16, "BFloat16Storage"), std::pair(Dtype::kI8, "CharStorage"),
        std::pair(Dtype::kU8, "ByteStorage"), std::pair(Dtype::kI16, "ShortStorage"),
        std::pair(Dtype::kI32, "IntStorage"), std::pair(Dtype::kI64, "LongStorage"),
        std::pair(Dtype::kBool, "BoolStorage"), std::pair(Dtype::kC64, "ComplexFloatStorage"),
        std::pair(Dtype::kC128, "ComplexDoubleStorage")}) {
    EXPECT_EQ(count(one(dtype, shape, 1), std::string("ctorch\n") + storage + "\n"), 1U) << storage;
  }
  for (const auto &[dtype, name] :
       {std::pair(Dtype::kU32, "uint32"), std::pair(Dtype::kU64, "uint64"),
        std::pair(Dtype::kF8E4M3, "float8_e4m3fn"), std::pair(Dtype::kF8E5M2, "float8_e5m2"),
        std::pair(Dtype::kF8E8M0, "float8_e8m0fnu"),
        std::pair(Dtype::kF8E4M3Fnuz, "float8_e4m3fnuz"),
        std::pair(Dtype::kF8E5M2Fnuz, "float8_e5m2fnuz")}) {
    EXPECT_EQ(count(one(dtype, shape, 1), std::string("ctorch\n") + name + "\n"), 1U) << name;
  }
}

TEST(StateDictPickle, IntegersTakeTheShortestOpcode) {
  for (const auto &[value, hex] : std::vector<std::pair<uint64_t, const char *>>{
           {255, "4bff"},
           {256, "4d0001"},
           {65'535, "4dffff"},
           {65'536, "4a00000100"},
           {0x7FFFFFFF, "4affffff7f"},
           {0x80000000, "8a050000008000"}, // signed: a zero byte in front of the highest bit
           {0xFFFFFFFF, "8a05ffffffff00"},
           {uint64_t{1} << 32U, "8a050000000001"},
           {uint64_t{1} << 39U, "8a06000000008000"},
           {(uint64_t{1} << 53U) - 1, "8a07ffffffffffff1f"},
           {~uint64_t{0}, "8a09ffffffffffffffff00"}}) {
    const Shape shape = {value};
    EXPECT_EQ(count(one(Dtype::kU8, shape, value), text(hex) + "tQ"), 1U) << value;
  }
}

/// As many tensors as are accepted, of `step` more at a time.
std::string largest(const std::string &name, const Shape &shape, size_t step) {
  std::vector<SavedTensor> tensors;
  std::string accepted;
  std::deque<std::string> names;
  while (true) {
    for (size_t i = 0; i < step; ++i) {
      names.push_back(concat(name, names.size()));
      tensors.push_back({names.back(), Dtype::kU16, shape, names.size(), 0xFFFF});
    }
    auto text = state_dict_pickle(tensors);
    if (!text) {
      EXPECT_EQ(text.error().code, ErrorCode::kLimitExceeded);
      return accepted;
    }
    accepted = std::move(text.value());
  }
}

TEST(StateDictPickle, WhatIsAcceptedCanBeRead) {
  std::vector kinds = {std::tuple(size_t{1000}, size_t{2}, size_t{10'000}),
                       std::tuple(size_t{300}, size_t{4}, size_t{20'000}),
                       std::tuple(size_t{4}, size_t{64}, size_t{5'000}),
                       std::tuple(size_t{4}, size_t{0}, size_t{40'000})};
  if (!test::is_deep()) {
    kinds.resize(1);
  }
  for (const auto &[name, rank, step] : kinds) {
    const std::string text = largest(std::string(name, 'n'), Shape(rank, 0xFFFF), step);
    ASSERT_FALSE(text.empty());
    const auto read =
        read_pickle({reinterpret_cast<const uint8_t *>(text.data()), text.size()}, true, 0);
    ASSERT_TRUE(read) << read.error().message;
  }
}

TEST(StateDictPickle, ShapesOfAnyRank) {
  const Shape scalar;
  EXPECT_EQ(count(one(Dtype::kF32, scalar, 1), "tQ" + text("4b00") + "))" + text("89")), 1U);
  const Shape three = {2, 3, 4};
  EXPECT_EQ(count(one(Dtype::kF32, three, 24), text("4b024b034b0487"
                                                    "4b0c4b044b0187"
                                                    "89")),
            1U);
  const Shape four = {2, 3, 4, 5};
  EXPECT_EQ(count(one(Dtype::kF32, four, 120), "(" + text("4b024b034b044b05") + "t(" +
                                                   text("4b3c4b144b054b01") + "t" + text("89")),
            1U);
  // An extent of 0 counts as 1; a stride too large to say is of no use to anyone.
  const Shape empty = {2, 0, 3};
  EXPECT_EQ(count(one(Dtype::kF32, empty, 0), text("4b024b004b0387"
                                                   "4b034b034b0187")),
            1U);
  const Shape wild = {0, uint64_t{1} << 40U, uint64_t{1} << 40U};
  EXPECT_EQ(count(one(Dtype::kF32, wild, 0), text("4b00") + "tQ"), 1U);
}

TEST(StateDictPickle, ManyTensorsComeInBatchesAndShareWords) {
  std::vector<std::string> names;
  std::vector<SavedTensor> tensors;
  const Shape shape = {7};
  for (size_t i = 0; i < 2'001; ++i) {
    names.push_back("tensor " + std::to_string(i) + "!");
  }
  for (size_t i = 0; i < names.size(); ++i) {
    tensors.push_back({names[i], i % 2 == 0 ? Dtype::kF32 : Dtype::kU16, shape, i / 2, 7});
  }
  const std::string pickle = state_dict_pickle(tensors).value();
  EXPECT_EQ(count(pickle, "R"
                          "u("
                          "X"),
            2U); // after 1000 and after 2000
  EXPECT_TRUE(pickle.ends_with("tRu."));
  for (const char *word : {"storage\n", "collections", "_rebuild_tensor_v2", "_rebuild_tensor_v3",
                           "UntypedStorage", "FloatStorage", "uint16", "cpu"}) {
    EXPECT_EQ(count(pickle, word), 1U) << word;
  }
  for (const std::string &name : names) {
    EXPECT_EQ(count(pickle, name), 1U);
  }
  EXPECT_EQ(count(pickle, text("5804000000") + "1000"), 1U) << "keys of tied tensors are the same";
}

} // namespace
} // namespace monoquant::torch
