#include "monoquant/layout/joining.h"

#include <gtest/gtest.h>

#include <cstring>

#include "monoquant/base/bytes.h"
#include "monoquant/run/tensor_stage.h"
#include "support/drive.h"
#include "support/memory_host.h"
#include "support/sample_tensors.h"

namespace monoquant::layout {
namespace {

using catalog::Catalog;
using catalog::Tensor;
using test::Bytes;
using test::FileTensor;
using test::Random;

FileTensor codes(std::string name, Dtype dtype, std::vector<uint64_t> shape) {
  Random random(1);
  return test::random_bytes(random, std::move(name), dtype, std::move(shape));
}

FileTensor scales(std::string name, std::vector<uint64_t> shape, Dtype dtype = Dtype::kF32) {
  const std::vector<double> values(test::element_count(shape), 0.5);
  return test::make_tensor(std::move(name), dtype, std::move(shape), values);
}

FileTensor shape_of(std::string name, const std::vector<int64_t> &extents) {
  FileTensor tensor{std::move(name), Dtype::kI64, {extents.size()}, Bytes(extents.size() * 8)};
  for (size_t i = 0; i < extents.size(); ++i) {
    store_le(tensor.bytes.data() + i * 8, extents[i]);
  }
  return tensor;
}

Catalog joined(const std::vector<FileTensor> &tensors, const test::Metadata &metadata = {}) {
  auto catalog = test::inspect(test::make_file(tensors, metadata), {{}, {}, false, true});
  EXPECT_TRUE(catalog);
  return catalog ? catalog.value() : Catalog{};
}

const Tensor *find(const Catalog &catalog, std::string_view name) {
  for (const Tensor &tensor : catalog.tensors) {
    if (tensor.name == name) {
      return &tensor;
    }
  }
  return nullptr;
}

TEST(JoinQuantized, TellsWhatSharesAScale) {
  struct Row {
    std::vector<uint64_t> shape;
    std::vector<uint64_t> scale;
    uint64_t scope; // 0: no quantized tensor
  };
  const std::vector<Row> rows = {
      {{6, 8}, {1}, 48},         {{6, 8}, {}, 48},          {{6, 8}, {1, 1}, 48},
      {{6, 8}, {6, 1}, 8},       {{6, 8}, {6}, 8},          {{6, 8}, {6, 2}, 4},
      {{6, 8}, {6, 8}, 1},       {{6, 8}, {6, 3}, 0},       {{6, 8}, {1, 8}, 0},
      {{6, 8}, {8}, 0},          {{6, 8}, {5, 1}, 0},       {{6, 4, 3}, {6, 1, 1}, 12},
      {{6, 4, 3}, {6, 2, 1}, 6}, {{6, 4, 3}, {6, 4, 1}, 3}, {{6, 4, 3}, {1, 4, 1}, 0},
      {{6, 4, 3}, {6, 1, 3}, 0}, {{6, 4, 3}, {6, 1}, 12},
  };
  for (const Row &row : rows) {
    const Catalog catalog =
        joined({codes("a.weight", Dtype::kI8, row.shape), scales("a.weight_scale", row.scale)});
    const Tensor *tensor = find(catalog, "a.weight");
    ASSERT_NE(tensor, nullptr);
    const std::string title = testing::PrintToString(row.shape) + testing::PrintToString(row.scale);
    if (row.scope == 0) {
      EXPECT_EQ(tensor->codes, nullptr) << title;
      EXPECT_NE(find(catalog, "a.weight_scale"), nullptr) << title << ": nothing may be lost";
      ASSERT_EQ(catalog.problems.size(), 1U) << title;
      EXPECT_EQ(catalog.problems[0].code, "wrong-shape");
      EXPECT_EQ(catalog.problems[0].tensor, "a.weight");
    } else {
      ASSERT_NE(tensor->codes, nullptr) << title;
      EXPECT_EQ(tensor->codes->scope, row.scope) << title;
      EXPECT_EQ(tensor->dtype, Dtype::kF32);
      EXPECT_EQ(tensor->shape, row.shape);
      EXPECT_EQ(tensor->bytes, tensor->elements * 4);
      EXPECT_EQ(catalog.tensors.size(), 1U) << title;
      EXPECT_TRUE(catalog.problems.empty()) << title;
    }
  }
}

TEST(JoinQuantized, LeavesAloneWhatIsNoneOfIt) {
  const Catalog catalog = joined({
      codes("mask", Dtype::kU8, {4}),
      codes("b.weight", Dtype::kF16, {4, 4}),
      scales("b.weight_scale", {4, 1}),
      codes("c.weight", Dtype::kI8, {4, 4}),
      codes("c.weight_scale", Dtype::kU8, {4, 1}), // as other formats have them
      codes("d_packed", Dtype::kF32, {4, 4}),
      scales("logit_scale", {}),
  });
  EXPECT_EQ(catalog.tensors.size(), 7U);
  EXPECT_TRUE(catalog.problems.empty());
  for (const Tensor &tensor : catalog.tensors) {
    EXPECT_EQ(tensor.codes, nullptr) << tensor.name;
  }
}

TEST(JoinQuantized, BelievesNoShape) {
  const auto packed = codes("a.weight_packed", Dtype::kI32, {6, 4});
  const auto scale = scales("a.weight_scale", {6, 1});
  const std::vector<std::vector<int64_t>> wrong = {{6, 33}, // five words of 4 bits, nine of 8
                                                   {5, 32},
                                                   {7, 32},
                                                   {6, 0},
                                                   {6, -32},
                                                   {0, 32},
                                                   {-6, -32},
                                                   {32},
                                                   {},
                                                   {6, 32, 2},
                                                   {6, 1LL << 62},
                                                   {1LL << 62, 1LL << 62}};
  for (const auto &extents : wrong) {
    const Catalog catalog = joined({shape_of("a.weight_shape", extents), packed, scale});
    ASSERT_EQ(catalog.problems.size(), 1U) << testing::PrintToString(extents);
    EXPECT_EQ(catalog.tensors.size(), 3U) << "nothing may be lost";
  }
  for (const auto &[extents, bits] : std::vector<std::pair<std::vector<int64_t>, uint32_t>>{
           {{6, 32}, 4}, {{6, 25}, 4}, {{6, 16}, 8}, {{6, 13}, 8}, {{6, 4, 4, 2}, 4}}) {
    const Catalog catalog = joined({shape_of("a.weight_shape", extents), packed, scale});
    ASSERT_TRUE(catalog.problems.empty()) << catalog.problems[0].message;
    ASSERT_EQ(catalog.tensors.size(), 1U);
    EXPECT_EQ(catalog.tensors[0].name, "a.weight");
    EXPECT_EQ(catalog.tensors[0].codes->bits, bits);
    EXPECT_EQ(catalog.tensors[0].codes->data.bytes, 96U);
  }
}

TEST(JoinQuantized, AsksTheConfigurationWhereOneWordMayBeEither) {
  const std::vector<FileTensor> tensors = {shape_of("a.weight_shape", {6, 3}),
                                           codes("a.weight_packed", Dtype::kI32, {6, 1}),
                                           scales("a.weight_scale", {6, 1})};
  EXPECT_EQ(joined(tensors).problems.size(), 1U);
  for (const uint32_t bits : {4U, 8U}) {
    const std::string config =
        R"({"config_groups":{"g":{"weights":{"num_bits":)" + std::to_string(bits) + "}}}}";
    const Catalog catalog = joined(tensors, {{"quantization_config", config}});
    ASSERT_TRUE(catalog.problems.empty());
    EXPECT_EQ(catalog.tensors[0].codes->bits, bits);
    EXPECT_EQ(catalog.quantization_config(), config);
    EXPECT_TRUE(catalog.metadata.empty());
  }
}

TEST(JoinQuantized, TheShapeFollowsFromGroupsThatFillTheWords) {
  const std::vector<FileTensor> tensors = {codes("a.weight_packed", Dtype::kI32, {6, 10}),
                                           scales("a.weight_scale", {6, 2})};
  const auto config = [](int bits, int group) {
    return R"({"config_groups":{"g":{"weights":{"num_bits":)" + std::to_string(bits) +
           R"(,"group_size":)" + std::to_string(group) + "}}}}";
  };
  const auto columns = [&](const test::Metadata &metadata) {
    const Catalog catalog = joined(tensors, metadata);
    return catalog.problems.empty() ? catalog.tensors[0].shape.back() : 0;
  };
  EXPECT_EQ(columns({{"quantization_config", config(5, 32)}}), 64U);
  EXPECT_EQ(columns({{"quantization_config", config(4, 40)}}), 80U);
  EXPECT_EQ(columns({{"quantization_config", config(4, 32)}}), 0U) << "a word may be half empty";
  EXPECT_EQ(columns({}), 0U);
  EXPECT_EQ(columns({{"quantization_config", config(5, 32)}, {"quantized_by", "us"}}), 0U)
      << "it has been there";
}

TEST(JoinQuantized, WordsHaveTheLastWordOnWidths) {
  const std::vector<FileTensor> tensors = {shape_of("a.weight_shape", {6, 64}),
                                           codes("a.weight_packed", Dtype::kI32, {6, 8}),
                                           scales("a.weight_scale", {6, 2})};
  const auto bits = [&](const std::string &number) {
    const Catalog catalog =
        joined(tensors, {{"quantization_config",
                          R"({"config_groups":{"g":{"weights":{"num_bits":)" + number + "}}}}"}});
    return catalog.problems.empty() ? catalog.tensors[0].codes->bits : 0U;
  };
  EXPECT_EQ(bits("4"), 4U);
  EXPECT_EQ(bits("8"), 4U) << "validate tells that the configuration says something else";
  EXPECT_EQ(bits("5"), 0U);
}

TEST(JoinQuantized, AsksTheGroupThatNamesIt) {
  const std::vector<FileTensor> tensors = {shape_of("a.weight_shape", {6, 3}),
                                           codes("a.weight_packed", Dtype::kI32, {6, 1}),
                                           scales("a.weight_scale", {6, 1})};
  const auto config = [](const std::string &of_4, const std::string &of_8) {
    return R"({"config_groups":{"g":{"targets":[")" + of_4 +
           R"("],"weights":{"num_bits":4}},"h":{"targets":[")" + of_8 +
           R"("],"weights":{"num_bits":8}}}})";
  };
  const auto bits = [&](const std::string &of_4, const std::string &of_8) {
    const Catalog catalog = joined(tensors, {{"quantization_config", config(of_4, of_8)}});
    return catalog.problems.empty() ? catalog.tensors[0].codes->bits : 0U;
  };
  EXPECT_EQ(bits("a", "b"), 4U);
  EXPECT_EQ(bits("b", "a.weight"), 8U);
  EXPECT_EQ(bits("b", "c"), 0U) << "either may be meant";
  EXPECT_EQ(bits("a", "a"), 0U);
}

TEST(JoinQuantized, GivesNoNameTwice) {
  const Catalog catalog =
      joined({shape_of("a.weight_shape", {6, 32}), scales("a.weight_scale", {6, 1}),
              codes("a.weight", Dtype::kF32, {5}), codes("a.weight_packed", Dtype::kI32, {6, 4})});
  EXPECT_EQ(catalog.tensors.size(), 4U);
  ASSERT_EQ(catalog.problems.size(), 1U);
  EXPECT_EQ(catalog.problems[0].code, "name-taken");
}

TEST(JoinQuantized, WantsAsManyZeroPointsAsThereAreScales) {
  const auto data = codes("a.weight", Dtype::kI8, {6, 8});
  const auto scale = scales("a.weight_scale", {6, 1});
  for (const auto &[dtype, count, fits] :
       std::vector<std::tuple<Dtype, uint64_t, bool>>{{Dtype::kI8, 6, true},
                                                      {Dtype::kI64, 6, true},
                                                      {Dtype::kI8, 5, false},
                                                      {Dtype::kF32, 6, false}}) {
    const Catalog catalog = joined({data, scale, codes("a.weight_zero_point", dtype, {count, 1})});
    EXPECT_EQ(catalog.problems.empty(), fits);
    EXPECT_EQ(catalog.tensors.size(), fits ? 1U : 3U);
  }
  const auto packed = codes("b.weight_packed", Dtype::kI32, {10, 4});
  const auto shape = shape_of("b.weight_shape", {10, 32});
  const auto groups = scales("b.weight_scale", {10, 2});
  for (const auto &[rows, columns, fits] : std::vector<std::tuple<uint64_t, uint64_t, bool>>{
           {2, 2, true}, {1, 2, false}, {10, 2, false}, {3, 2, false}}) {
    const Catalog catalog =
        joined({shape, packed, groups, codes("b.weight_zero_point", Dtype::kI32, {rows, columns})});
    EXPECT_EQ(catalog.problems.empty(), fits) << rows;
  }
}

TEST(JoinQuantized, ReadsManyShapesWithFewReads) {
  std::vector<FileTensor> tensors;
  for (int i = 0; i < 500; ++i) {
    tensors.push_back(shape_of("l" + std::to_string(i) + ".weight_shape", {2, 8}));
  }
  for (int i = 0; i < 500; ++i) {
    const std::string name = "l" + std::to_string(i) + ".weight";
    tensors.push_back(codes(name + "_packed", Dtype::kI32, {2, 1}));
    tensors.push_back(scales(name + "_scale", {2, 1}));
  }
  const Catalog catalog = joined(tensors);
  EXPECT_EQ(catalog.tensors.size(), 500U);
  auto plain = test::inspect(test::make_file(tensors));
  ASSERT_TRUE(plain);
  EXPECT_EQ(joining_needs(plain.value(), ByteWindow(plain.value().file_bytes)).size(), 1U);
}

/// `order`: the group of each column. Values of 4-bit codes with scales 1, 2, … show which one was taken.
void expect_ordered(uint64_t rows, uint64_t columns, uint64_t group, bool has_zero_points) {
  Random random(641);
  const uint64_t groups = columns / group;
  const uint64_t words = columns / 8;
  FileTensor packed = codes("x.weight_packed", Dtype::kI32, {rows, words});
  FileTensor order{"x.weight_g_idx", Dtype::kI32, {columns}, Bytes(columns * 4)};
  std::vector<uint32_t> group_of(columns);
  for (uint64_t i = 0; i < columns; ++i) {
    group_of[i] = static_cast<uint32_t>(i * 7 % columns / group);
    store_le(order.bytes.data() + i * 4, group_of[i]);
  }
  std::vector<double> numbers;
  for (uint64_t i = 0; i < rows * groups; ++i) {
    numbers.push_back(static_cast<double>(i % 97 + 1));
  }
  std::vector<FileTensor> tensors = {
      packed, test::make_tensor("x.weight_scale", Dtype::kF32, {rows, groups}, numbers),
      shape_of("x.weight_shape", {static_cast<int64_t>(rows), static_cast<int64_t>(columns)}),
      order};
  FileTensor zero_points = codes("x.weight_zero_point", Dtype::kI32, {(rows + 7) / 8, groups});
  if (has_zero_points) {
    tensors.push_back(zero_points);
  }
  const Bytes file = test::make_file(tensors);
  const auto catalog = test::inspect(file, {{}, {}, false, true});
  ASSERT_TRUE(catalog);
  ASSERT_EQ(catalog.value().tensors.size(), 1U);
  run::TensorStage stage(catalog.value(), 0, test::kSmallestBlock);
  std::vector<float> values(static_cast<size_t>(rows * columns));
  const auto done = test::drive(
      stage,
      [&](uint64_t offset, std::span<uint8_t> to) {
        std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(offset), to.size(), to.begin());
      },
      [&](uint64_t offset, std::span<const uint8_t> bytes) {
        std::memcpy(reinterpret_cast<uint8_t *>(values.data()) + offset, bytes.data(),
                    bytes.size());
      });
  ASSERT_TRUE(done);
  const auto nibble = [](const Bytes &bytes, uint64_t at) {
    return static_cast<int>(bytes[static_cast<size_t>(at / 2)] >> (at % 2 * 4) & 15);
  };
  for (uint64_t i = 0; i < rows * columns; ++i) {
    const uint64_t row = i / columns;
    const uint32_t its = group_of[static_cast<size_t>(i % columns)];
    const int zero =
        has_zero_points ? nibble(zero_points.bytes, (row / 8 * groups + its) * 8 + row % 8) : 8;
    const int code = nibble(packed.bytes, i);
    const auto scale = static_cast<float>(numbers[static_cast<size_t>(row * groups + its)]);
    ASSERT_EQ(values[static_cast<size_t>(i)], static_cast<float>(code - zero) * scale)
        << "element " << i;
  }
}

TEST(JoinQuantized, GroupsOfColumnsThatAreNotInOrder) {
  for (const bool has_zero_points : {false, true}) {
    expect_ordered(9, 64, 16, has_zero_points);
    expect_ordered(1100, 1024, 128, has_zero_points); // more than one part
  }
}

TEST(JoinQuantized, TheShapeOfPackedCodesMayBeOfSmallerIntegers) {
  FileTensor small{"x.weight_shape", Dtype::kI32, {2}, Bytes(8)};
  store_le(small.bytes.data(), int32_t{6});
  store_le(small.bytes.data() + 4, int32_t{64});
  const std::vector<FileTensor> tensors = {codes("x.weight_packed", Dtype::kI32, {6, 8}),
                                           scales("x.weight_scale", {6, 2})};
  std::vector<FileTensor> with = tensors;
  with.push_back(small);
  const Catalog told = joined(with);
  ASSERT_NE(find(told, "x.weight"), nullptr);
  EXPECT_EQ(find(told, "x.weight")->shape, (std::vector<uint64_t>{6, 64}));
}

} // namespace
} // namespace monoquant::layout
