#include <gtest/gtest.h>

#include <algorithm>

#include "monoquant/base/bytes.h"
#include "monoquant/base/json.h"
#include "monoquant/base/text.h"
#include "monoquant/container/safetensors.h"
#include "support/fixture.h"
#include "support/random.h"
#include "support/sample_tensors.h"
#include "support/tensor_file.h"

namespace monoquant::container {
namespace {

SafetensorsEntry entry(std::string name, Dtype dtype, std::vector<uint64_t> shape) {
  const uint64_t bytes = test::element_count(shape) * dtype_bits(dtype) / 8;
  return {std::move(name), dtype, std::move(shape), 0, bytes};
}

std::vector<SafetensorsEntry> random_entries(test::Random &random, size_t count) {
  std::vector<SafetensorsEntry> entries;
  for (size_t i = 0; i < count; ++i) {
    const auto dtype = static_cast<Dtype>(random.below(kSafetensorsDtypeCount));
    std::vector<uint64_t> shape(random.index(4));
    for (uint64_t &extent : shape) {
      extent = random.below(4) * 8; // whole bytes for the packed types, sometimes none
    }
    if (dtype_bits(dtype) < 8) {
      shape.push_back(8);
    }
    entries.push_back(entry(concat("layer.", random.below(50), "/\"", i, "\"\té"), dtype, shape));
  }
  return entries;
}

SafetensorsFile read_back(const SafetensorsLayout &layout) {
  ByteWindow window(layout.file_bytes);
  window.add(0, {layout.header.begin(), layout.header.end()});
  auto step = read_safetensors(window);
  EXPECT_TRUE(step) << step.error().message;
  return std::get<SafetensorsFile>(step.value());
}

TEST(SafetensorsWriter, what_it_lays_out_the_reader_finds) {
  test::Random random(5);
  for (int round = 0; round < 300; ++round) {
    std::vector<SafetensorsEntry> entries = random_entries(random, random.index(30));
    const Metadata metadata = {{"format", "pt"}, {"a \"key\"", "line\nbreak"}};
    auto layout = layout_safetensors(metadata, entries);
    ASSERT_TRUE(layout);
    const SafetensorsFile file = read_back(layout.value());
    ASSERT_EQ(file.entries.size(), entries.size());
    for (const SafetensorsEntry &planned : entries) {
      const auto found = std::find_if(file.entries.begin(), file.entries.end(),
                                      [&](const auto &read) { return read.name == planned.name; });
      ASSERT_NE(found, file.entries.end()) << planned.name;
      ASSERT_EQ(found->dtype, planned.dtype);
      ASSERT_EQ(found->shape, planned.shape);
      ASSERT_EQ(found->offset, planned.offset);
      ASSERT_EQ(found->bytes, planned.bytes);
    }
  }
}

TEST(SafetensorsWriter, wide_types_come_first_and_nothing_is_misaligned) {
  test::Random random(6);
  for (int round = 0; round < 300; ++round) {
    std::vector<SafetensorsEntry> entries = random_entries(random, 1 + random.index(30));
    const auto layout = layout_safetensors({}, entries);
    ASSERT_TRUE(layout);
    ASSERT_EQ(layout.value().header.size() % 8, 0U);
    ASSERT_EQ(layout.value().header[8], '{');
    uint64_t position = layout.value().header.size();
    const SafetensorsEntry *before = nullptr;
    for (const size_t index : layout.value().order) {
      const SafetensorsEntry &here = entries[index];
      ASSERT_EQ(here.offset, position);
      position += here.bytes;
      if (dtype_bits(here.dtype) >= 8) {
        ASSERT_EQ(here.offset % (dtype_bits(here.dtype) / 8), 0U) << here.name;
      }
      if (before != nullptr) {
        ASSERT_TRUE(before->dtype > here.dtype ||
                    (before->dtype == here.dtype && before->name < here.name));
      }
      before = &here;
    }
    ASSERT_EQ(position, layout.value().file_bytes);
  }
}

/// The header's part behind its metadata.
std::string tensor_part(const std::string &header) {
  const size_t end = header.find("},", header.find("__metadata__"));
  return header.substr(end == std::string::npos ? 8 : end + 2);
}

TEST(SafetensorsWriter, orders_and_pads_as_the_formats_own_writer) {
  // Written by safetensors 0.8: the same tensors must get the same header, but for the order of metadata.
  for (const std::string_view path :
       {"safetensors/all_dtypes.safetensors", "safetensors/cnn.safetensors"}) {
    const std::vector<uint8_t> bytes = test::read_fixture(path);
    const size_t header_size = 8 + static_cast<size_t>(load_le<uint64_t>(bytes.data()));
    const std::string header(bytes.begin(),
                             bytes.begin() + static_cast<std::ptrdiff_t>(header_size));
    const test::TensorFile file = test::parse_file(bytes);
    std::vector<SafetensorsEntry> entries;
    for (const auto &[name, tensor] : file.tensors) {
      entries.push_back(entry(name, tensor.dtype, tensor.shape));
    }
    Metadata metadata;
    if (file.header.contains("__metadata__")) {
      for (const auto &[key, value] : file.header["__metadata__"].items()) {
        metadata.emplace_back(key, value.get<std::string>());
      }
    }
    const auto layout = layout_safetensors(metadata, entries);
    ASSERT_TRUE(layout);
    EXPECT_EQ(tensor_part(layout.value().header), tensor_part(header)) << path;
    EXPECT_EQ(layout.value().header.size(), header.size()) << path;
    EXPECT_EQ(layout.value().file_bytes, bytes.size()) << path;
  }
}

TEST(SafetensorsWriter, metadata_comes_first_and_sorted) {
  std::vector<SafetensorsEntry> entries = {entry("a", Dtype::kU8, {0})};
  const auto layout = layout_safetensors({{"b", "2"}, {"a", "1"}, {"c", "\""}}, entries);
  ASSERT_TRUE(layout);
  EXPECT_EQ(layout.value().header.substr(8, 43), R"({"__metadata__":{"a":"1","b":"2","c":"\""},)");
}

TEST(SafetensorsWriter, an_empty_file_is_still_one) {
  std::vector<SafetensorsEntry> none;
  const auto layout = layout_safetensors({}, none);
  ASSERT_TRUE(layout);
  EXPECT_EQ(layout.value().file_bytes, 16U);
  EXPECT_EQ(layout.value().header.substr(8), "{}      ");
  EXPECT_TRUE(read_back(layout.value()).entries.empty());
}

TEST(SafetensorsWriter, a_header_beyond_the_formats_limit_is_an_error) {
  std::string name;
  name.resize(20'000'000, 'x');
  std::vector<SafetensorsEntry> entries;
  for (size_t i = 0; i < 5; ++i) {
    entries.push_back(entry(concat(name, i), Dtype::kU8, {1}));
  }
  const auto layout = layout_safetensors({}, entries);
  ASSERT_FALSE(layout);
  EXPECT_EQ(layout.error().code, ErrorCode::kLimitExceeded);
}

} // namespace
} // namespace monoquant::container
