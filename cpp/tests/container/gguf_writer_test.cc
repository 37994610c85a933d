#include "monoquant/container/gguf_writer.h"

#include <gtest/gtest.h>

#include <cstring>

#include "monoquant/base/bytes.h"
#include "monoquant/base/text.h"
#include "monoquant/container/gguf.h"

namespace monoquant::container {
namespace {

/// What the reader sees of a header with so many bytes of data behind it.
GgufFile read_layout(const GgufLayout &layout) {
  std::vector<uint8_t> bytes = layout.header;
  bytes.resize(static_cast<size_t>(layout.file_bytes));
  ByteWindow window(bytes.size());
  window.add(0, bytes);
  auto parsed = read_gguf(window);
  EXPECT_TRUE(parsed) << parsed.error().message;
  return parsed ? std::get<GgufFile>(std::move(parsed.value())) : GgufFile();
}

TEST(GgufWriter, bytes_are_those_of_the_format) {
  GgufKeys keys;
  keys.set("k", uint32_t{7});
  keys.set("t", std::string("ab"));
  keys.set("n", std::vector<int32_t>{-1});
  std::vector<GgufOutput> tensors = {{"x", {2, 3}, 1, 12, 0}};
  const auto layout = layout_gguf(keys, tensors);
  ASSERT_TRUE(layout);
  std::string expected = "GGUF";
  const auto u32 = [&](uint32_t value) {
    expected.append(reinterpret_cast<const char *>(&value), 4);
  };
  const auto u64 = [&](uint64_t value) {
    expected.append(reinterpret_cast<const char *>(&value), 8);
  };
  u32(3), u64(1), u64(3);
  u64(1), expected += "k", u32(4), u32(7);
  u64(1), expected += "t", u32(8), u64(2), expected += "ab";
  u64(1), expected += "n", u32(9), u32(5), u64(1), u32(0xFFFFFFFF);
  u64(1), expected += "x", u32(2), u64(3), u64(2), u32(1), u64(0);
  expected.resize((expected.size() + 31) / 32 * 32);
  const auto &header = layout.value().header;
  EXPECT_EQ(std::string(header.begin(), header.end()), expected);
  EXPECT_EQ(tensors[0].offset, expected.size());
  EXPECT_EQ(layout.value().file_bytes, expected.size() + 32); // the last tensor is padded, too
}

TEST(GgufWriter, the_reader_reads_what_is_written) {
  GgufKeys keys;
  keys.set("flag", true);
  keys.set("small", uint16_t{65535});
  keys.set("signed", int32_t{-5});
  keys.set("large", uint64_t{1} << 60U);
  keys.set("float", 0.25F);
  keys.set("general.type", std::string("model"));
  keys.set("floats", std::vector<float>{1, 2});
  keys.set("texts", std::vector<std::string>{"", "b"});
  std::vector<GgufOutput> tensors = {
      {"one", {5}, 0, 20, 0}, {"two", {}, 0, 4, 0}, {"three", {2, 3, 4}, 0, 96, 0}};
  const auto layout = layout_gguf(keys, tensors);
  ASSERT_TRUE(layout);
  const GgufFile file = read_layout(layout.value());
  ASSERT_EQ(file.keys.size(), keys.all().size());
  EXPECT_EQ(file.text("general.type"), "model");
  EXPECT_EQ(file.keys[0].type, GgufType::kBool);
  EXPECT_EQ(file.keys[3].type, GgufType::kU64);
  ASSERT_EQ(file.tensors.size(), 3U);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(file.tensors[i].name, tensors[i].name);
    EXPECT_EQ(file.tensors[i].offset, tensors[i].offset);
    EXPECT_EQ(file.tensors[i].offset % kGgufAlignment, 0U);
  }
  EXPECT_EQ(file.tensors[1].shape, (std::vector<uint64_t>{1})); // a single number is a row of one
  EXPECT_EQ(file.tensors[2].shape, tensors[2].shape);
}

TEST(GgufWriter, keys_stand_once_and_nothing_is_no_value) {
  GgufKeys keys;
  keys.set("a", uint32_t{1});
  keys.set("b", std::string("first"));
  keys.set("a", uint32_t{2});
  keys.set("empty", std::string());
  keys.set("none", std::vector<std::string>{});
  keys.set("b", std::string()); // keeps what it has
  GgufKeys more;
  more.set("b", std::string("second"));
  more.set("c", false);
  keys.append(std::move(more));
  ASSERT_EQ(keys.all().size(), 3U);
  EXPECT_EQ(keys.all()[0].name, "a");
  EXPECT_EQ(std::get<uint32_t>(keys.all()[0].value), 2U);
  EXPECT_EQ(std::get<std::string>(*keys.find("b")), "second");
  EXPECT_EQ(keys.find("empty"), nullptr);
  keys.set_last("a", uint32_t{3});
  EXPECT_EQ(keys.all()[2].name, "a");
  EXPECT_EQ(std::get<uint32_t>(keys.all()[2].value), 3U);
}

TEST(GgufWriter, what_ggml_does_not_read_is_refused) {
  const auto code_of = [](std::vector<GgufOutput> tensors) {
    const auto layout = layout_gguf({}, tensors);
    return layout ? std::string("written") : std::string(error_code_name(layout.error().code));
  };
  EXPECT_EQ(code_of({{std::string(63, 'x'), {1, 1, 1, 1}, 0, 4, 0}}), "written");
  EXPECT_EQ(code_of({{std::string(64, 'x'), {1}, 0, 4, 0}}), "limit-exceeded");
  EXPECT_EQ(code_of({{"", {1}, 0, 4, 0}}), "limit-exceeded");
  EXPECT_EQ(code_of({{"x", {1, 1, 1, 1, 1}, 0, 4, 0}}), "limit-exceeded");
  EXPECT_EQ(code_of({{"x", {1}, 0, UINT64_MAX - 3, 0}}), "limit-exceeded");
  EXPECT_EQ(code_of({{"x", {1}, 0, 1ULL << 52U, 0}, {"y", {1}, 0, 1ULL << 52U, 0}}),
            "limit-exceeded");
  EXPECT_EQ(code_of({{"x", {1}, 0, 4, 0}, {"y", {1}, 0, 4, 0}, {"x", {2}, 0, 8, 0}}),
            "invalid-options");
}

} // namespace
} // namespace monoquant::container
