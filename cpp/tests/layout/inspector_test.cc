#include "monoquant/layout/inspector.h"

#include <gtest/gtest.h>

#include "monoquant/base/bytes.h"
#include "support/checkpoint_builder.h"
#include "support/fixture.h"
#include "support/memory_host.h"
#include "support/random.h"

namespace monoquant::layout {
namespace {

using catalog::Catalog;
using catalog::Tensor;
using test::Bytes;

Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

TEST(Inspector, fills_a_catalog_from_metadata_alone) {
  const Bytes file = test::read_fixture("safetensors/all_dtypes.safetensors");
  const auto catalog = test::inspect(file);
  ASSERT_TRUE(catalog);
  EXPECT_EQ(catalog.value().file_bytes, file.size());
  const test::TensorFile expected = test::parse_file(file);
  ASSERT_EQ(catalog.value().tensors.size(), expected.tensors.size());
  uint64_t before = 0;
  for (const Tensor &tensor : catalog.value().tensors) {
    const test::FileTensor &listed = expected.tensors.at(tensor.name);
    EXPECT_EQ(tensor.dtype, listed.dtype);
    EXPECT_EQ(tensor.shape, listed.shape);
    EXPECT_EQ(tensor.bytes, listed.bytes.size());
    EXPECT_EQ(tensor.elements * dtype_bits(tensor.dtype), tensor.bytes * 8);
    EXPECT_GE(tensor.offset, before) << "tensors stand in the order of their bytes";
    before = tensor.offset;
  }
}

TEST(Inspector, other_formats_are_named) {
  struct Row {
    std::string_view begins;
    std::string_view named;
  };
  const std::vector<Row> rows = {
      {"\x89HDF\r\n\x1a\n", "HDF5"},
      {"\x93NUMPY\x01", "NumPy"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:", "git-lfs"},
      {"<!DOCTYPE html><html>", "HTML"},
      {"<html><body>", "HTML"},
      {"A line of plain words\n", "a text file"},
      {"\x08\x07\x12\x07pytorch\x1a\x05"
       "2.1.0:",
       "an ONNX model"},
      {"\x08\x0A:\x10graph", "an ONNX model"},
      {"{\"architectures\": [\"LlamaForCausalLM\"]}", "a text file"},
      {"\x89PNG\r\n\x1a\n", "a picture"},
      {{"\x1F\x8B\x08\x00\x00\x00\x00\x00\x00", 9}, "gzip"},
      {{"\x28\xB5\x2F\xFD\x00\x00\x00\x00\x00", 9}, "zstd"},
      {"BZh91AY&SY", "bzip2"},
      {{"\xFD"
        "7zXZ\x00\x00\x04",
        8},
       "an xz file"},
      {{"7z\xBC\xAF\x27\x1C\x00\x04", 8}, "7z"},
      {{"Rar!\x1A\x07\x01\x00", 8}, "RAR"},
  };
  for (const Row &row : rows) {
    Bytes file = bytes_of(row.begins);
    file.resize(file.size() + 300'000);
    for (const size_t size : {file.size(), row.begins.size()}) {
      file.resize(size);
      const auto catalog = test::inspect(file);
      ASSERT_FALSE(catalog) << row.named;
      EXPECT_EQ(catalog.error().code, ErrorCode::kUnsupportedFormat) << row.named;
      EXPECT_NE(catalog.error().message.find(row.named), std::string::npos)
          << catalog.error().message;
      EXPECT_FALSE(catalog.error().suggestion.empty());
    }
  }
}

TEST(Inspector, the_beginnings_of_pytorch_files_alone_are_errors) {
  for (const std::string_view begin :
       {std::string_view("PK\x03\x04\x14\x00\x00\x00\x00", 9),
        std::string_view("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9", 9),
        std::string_view("\x80\x04\x95\x00\x00\x00\x00\x00\x00", 9)}) {
    Bytes file = bytes_of(begin);
    file.resize(file.size() + 300'000);
    for (const size_t size : {file.size(), begin.size()}) {
      file.resize(size);
      const auto catalog = test::inspect(file);
      ASSERT_FALSE(catalog);
      EXPECT_TRUE(catalog.error().code == ErrorCode::kMalformedFile ||
                  catalog.error().code == ErrorCode::kFileTruncated)
          << catalog.error().message;
    }
  }
}

TEST(Inspector, a_signature_is_no_reason_to_refuse_a_real_file) {
  // A header whose length happens to begin like a gzip or a pickle.
  for (const uint64_t length : {0x8B1FULL, 0x0280ULL, 0x0480ULL}) {
    std::string json = "{}";
    json.resize(static_cast<size_t>(length), ' ');
    const auto catalog = test::inspect(test::make_header(json));
    EXPECT_TRUE(catalog) << catalog.error().message;
  }
}

TEST(Inspector, nothing_and_rubbish_are_errors) {
  const auto empty = test::inspect({});
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().code, ErrorCode::kUnsupportedFormat);
  test::Random random(7);
  for (int round = 0; round < 500; ++round) {
    Bytes file(1 + random.index(64));
    for (uint8_t &byte : file) {
      byte = static_cast<uint8_t>(random.bits());
    }
    const auto catalog = test::inspect(file);
    ASSERT_FALSE(catalog);
    ASSERT_FALSE(catalog.error().message.empty());
  }
}

TEST(Inspector, names_that_are_no_text_are_refused) {
  // A lone surrogate, which Python's text can hold and JSON's cannot; an overlong slash; the end of a character.
  for (const std::string_view name : {"\xED\xA0\x80", "a.\xC0\xAF", "\xC3"}) {
    const auto file =
        test::zip_checkpoint(test::py_text_dict({{std::string(name), test::py_tensor("0", {2})}}),
                             {{"data/0", test::floats_from(0, 2)}});
    const auto catalog = test::inspect(file);
    ASSERT_FALSE(catalog);
    EXPECT_EQ(catalog.error().code, ErrorCode::kMalformedFile);
    EXPECT_EQ(catalog.error().tensor, name);
  }
  const auto file = test::zip_checkpoint(
      test::py_text_dict({{"\xF0\x9D\x94\x98.weight", test::py_tensor("0", {2})}}),
      {{"data/0", test::floats_from(0, 2)}});
  EXPECT_TRUE(test::inspect(file));
}

TEST(Inspector, asks_for_little_whatever_the_size) {
  Inspector inspector(1ULL << 50U);
  const auto step = inspector.step();
  ASSERT_TRUE(step);
  ASSERT_TRUE(step.value());
  EXPECT_EQ(step.value()->offset, 0U);
  EXPECT_LE(step.value()->length, 1ULL << 20U);
}

} // namespace
} // namespace monoquant::layout
