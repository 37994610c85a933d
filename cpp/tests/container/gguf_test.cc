#include "monoquant/container/gguf.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "monoquant/base/bytes.h"

namespace monoquant::container {
namespace {

/// Writes what the format says, in either byte order.
class Writer {
public:
  explicit Writer(bool swaps) : swaps_(swaps) {}

  template <typename T> Writer &number(T value) {
    std::array<uint8_t, sizeof(T)> bytes;
    store_le(bytes.data(), value);
    if (swaps_) {
      std::reverse(bytes.begin(), bytes.end());
    }
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  Writer &text(std::string_view text) {
    number(static_cast<uint64_t>(text.size()));
    return raw(text);
  }
  Writer &raw(std::string_view text) {
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    return *this;
  }
  Writer &pad(size_t alignment) {
    bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment);
    return *this;
  }
  std::vector<uint8_t> bytes_;

private:
  bool swaps_;
};

/// Every type of key, and two tensors.
std::vector<uint8_t> sample(bool swaps, uint32_t version = 3, uint32_t alignment = 64) {
  Writer out(swaps);
  out.raw("GGUF").number(version).number(uint64_t{2}).number(uint64_t{6});
  out.text("general.alignment").number(uint32_t{4}).number(alignment);
  out.text("general.type").number(uint32_t{8}).text("imatrix");
  out.text("ratio").number(uint32_t{12}).number(0.25);
  out.text("words").number(uint32_t{9}).number(uint32_t{8}).number(uint64_t{2});
  out.text("one").text("three");
  out.text("numbers").number(uint32_t{9}).number(uint32_t{3}).number(uint64_t{3});
  out.number(uint16_t{1}).number(uint16_t{2}).number(uint16_t{3});
  out.text("yes").number(uint32_t{7}).number(uint8_t{1});
  out.text("a.weight.in_sum2").number(uint32_t{2}).number(uint64_t{5}).number(uint64_t{3});
  out.number(uint32_t{0}).number(uint64_t{64});
  out.text("b").number(uint32_t{1}).number(uint64_t{2}).number(uint32_t{1}).number(uint64_t{0});
  out.pad(std::max<uint32_t>(alignment, 1));
  out.bytes_.resize(out.bytes_.size() + 64 + 60);
  return out.bytes_;
}

Result<Parsed<GgufFile>> read(const std::vector<uint8_t> &bytes) {
  ByteWindow window(bytes.size());
  window.add(0, bytes);
  return read_gguf(window);
}

TEST(Gguf, keys_and_tensors_of_both_byte_orders_are_read) {
  for (const bool swaps : {false, true}) {
    for (const uint32_t version : {2U, 3U}) {
      const std::vector<uint8_t> bytes = sample(swaps, version);
      const auto parsed = read(bytes);
      ASSERT_TRUE(parsed) << parsed.error().message;
      const auto &file = std::get<GgufFile>(parsed.value());
      EXPECT_EQ(file.version, version);
      EXPECT_EQ(file.big_endian, swaps);
      EXPECT_EQ(file.text("general.type"), "imatrix");
      EXPECT_EQ(file.text("ratio"), "");
      ASSERT_EQ(file.keys.size(), 6U);
      EXPECT_EQ(load_le<double>(reinterpret_cast<const uint8_t *>(file.keys[2].text.data())), 0.25);
      ASSERT_EQ(file.tensors.size(), 2U);
      EXPECT_EQ(file.tensors[0].name, "a.weight.in_sum2");
      EXPECT_EQ(file.tensors[0].shape, (std::vector<uint64_t>{3, 5}));
      EXPECT_EQ(file.tensors[0].offset, bytes.size() - 60);
      EXPECT_EQ(file.tensors[1].type, 1U);
      EXPECT_EQ(file.tensors[1].offset, bytes.size() - 124);
    }
  }
}

TEST(Gguf, what_lies_beyond_the_known_bytes_is_asked_for) {
  const std::vector<uint8_t> bytes = sample(false);
  ByteWindow window(uint64_t{1} << 30U);
  const auto parsed = read_gguf(window);
  ASSERT_TRUE(parsed);
  const auto &needs = std::get<Needs>(parsed.value());
  ASSERT_EQ(needs.size(), 1U);
  EXPECT_EQ(needs[0].offset, 0U);
  EXPECT_LE(needs[0].length, uint64_t{1} << 20U);
}

TEST(Gguf, every_end_before_the_data_is_an_error) {
  const std::vector<uint8_t> bytes = sample(false);
  for (size_t cut = 4; cut < bytes.size() - 124 - 64; ++cut) {
    EXPECT_FALSE(read({bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(cut)})) << cut;
  }
}

TEST(Gguf, what_cannot_be_is_refused) {
  const auto code_of = [](const std::vector<uint8_t> &bytes) {
    const auto parsed = read(bytes);
    return parsed ? std::string("read") : std::string(error_code_name(parsed.error().code));
  };
  EXPECT_EQ(code_of(sample(false)), "read");
  EXPECT_EQ(code_of(sample(false, 1)), "unsupported-format");
  EXPECT_EQ(code_of(sample(false, 3, 48)), "malformed-file");
  Writer many(false);
  many.raw("GGUF").number(uint32_t{3}).number(uint64_t{1} << 40U).number(uint64_t{0});
  EXPECT_EQ(code_of(many.bytes_), "limit-exceeded");
  Writer nested(false);
  nested.raw("GGUF").number(uint32_t{3}).number(uint64_t{0}).number(uint64_t{1});
  nested.text("deep").number(uint32_t{9}).number(uint32_t{9}).number(uint64_t{1} << 60U);
  EXPECT_EQ(code_of(nested.bytes_), "malformed-file");
  Writer strange(false);
  strange.raw("GGUF").number(uint32_t{3}).number(uint64_t{0}).number(uint64_t{1});
  strange.text("strange").number(uint32_t{13}).number(uint64_t{1});
  EXPECT_EQ(code_of(strange.bytes_), "malformed-file");
}

} // namespace
} // namespace monoquant::container
