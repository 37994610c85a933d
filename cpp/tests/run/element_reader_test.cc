// Codes, scales and zero points of stretches are those that the values come from.
#include "monoquant/run/element_reader.h"

#include <gtest/gtest.h>

#include <bit>
#include <numeric>

#include "support/memory_host.h"
#include "support/sample_tensors.h"

namespace monoquant::run {
namespace {

using test::Bytes;
using test::Random;

Elements read(const Bytes &file, const catalog::Catalog &catalog, const ElementRange &range,
              size_t block_bytes) {
  ElementReader reader({&catalog, nullptr, nullptr}, block_bytes);
  reader.begin(range);
  while (const auto read = reader.next()) {
    EXPECT_LE(read->length, block_bytes);
    EXPECT_TRUE(
        reader.fill(std::span(file).subspan(static_cast<size_t>(read->offset), read->length)));
  }
  return reader.elements();
}

void expect_consistent(const Elements &elements, const ElementRange &range) {
  ASSERT_EQ(elements.values.size(), range.end - range.begin);
  ASSERT_EQ(elements.codes.size(), elements.values.size());
  ASSERT_EQ(elements.scales.size(), elements.values.size() / range.group);
  ASSERT_EQ(elements.zero_points.size(), elements.scales.size());
  for (size_t i = 0; i < elements.values.size(); ++i) {
    const size_t scope = i / static_cast<size_t>(range.group);
    const float value = static_cast<float>(elements.codes[i] - elements.zero_points[scope]) *
                        elements.scales[scope];
    ASSERT_EQ(std::bit_cast<uint32_t>(elements.values[i]), std::bit_cast<uint32_t>(value)) << i;
  }
}

std::vector<Json> all_options() {
  std::vector<Json> all;
  for (const char *scheme : {"symmetric", "asymmetric"}) {
    for (Json options : {test::int4_options(32), test::int4_options(-1), test::default_options(),
                         test::packed_8_options()}) {
      options["scheme"] = scheme;
      all.push_back(options);
      if (options["bits"] == 8) {
        options["strategy"] = "tensor";
        all.push_back(options);
      }
    }
  }
  return all;
}

TEST(Elements, GivesTheCodesThatTheValuesAreMadeOf) {
  Random random(11);
  const Bytes source =
      test::make_file({test::random_weights(random, "a.weight", Dtype::kF32, {37, 96}),
                       test::random_weights(random, "odd.weight", Dtype::kF32, {21, 101}),
                       test::random_weights(random, "conv.weight", Dtype::kF32, {24, 10, 3, 3}),
                       test::random_weights(random, "long.weight", Dtype::kBF16, {3, 700'000})});
  for (const Json &options : all_options()) {
    SCOPED_TRACE(options.dump());
    const test::MemoryRun run(test::plan_for(source, options), source);
    const catalog::Catalog catalog = test::inspect(run.output(), {{}, {}, false, true}).value();
    for (const catalog::Tensor &tensor : catalog.tensors) {
      ASSERT_TRUE(tensor.codes) << tensor.name;
      const uint64_t rows = tensor.shape[0];
      const uint64_t columns = tensor.elements / rows;
      const uint64_t group = std::gcd(tensor.codes->scope, columns);
      const uint64_t begin = random.below(rows);
      const uint64_t end = begin + 1 + random.below(rows - begin);
      const ElementRange range{0, &tensor, begin * columns, end * columns, true, group};
      const Elements elements = read(run.output(), catalog, range, size_t{1} << 20U);
      expect_consistent(elements, range);
      const Elements small = read(run.output(), catalog, range, 4096);
      EXPECT_EQ(small.codes, elements.codes);
      EXPECT_EQ(small.scales, elements.scales);
      EXPECT_EQ(small.zero_points, elements.zero_points);
    }
  }
}

TEST(Elements, MovesUnsignedCodesToSignedOnes) {
  const test::FileTensor codes{"a.weight", Dtype::kU8, {2, 3}, {0, 1, 127, 128, 254, 255}};
  const test::FileTensor zero{"a.weight_zero_point", Dtype::kU8, {2}, {0, 255}};
  const Bytes file = test::make_file(
      {codes, test::make_tensor("a.weight_scale", Dtype::kF32, {2}, {0.5, 0.25}), zero});
  const catalog::Catalog catalog = test::inspect(file, {{}, {}, false, true}).value();
  ASSERT_EQ(catalog.tensors.size(), 1U);
  const ElementRange range{0, &catalog.tensors[0], 0, 6, true, 3};
  const Elements elements = read(file, catalog, range, 4096);
  EXPECT_EQ(elements.codes, (std::vector<int8_t>{-128, -127, -1, 0, 126, 127}));
  EXPECT_EQ(elements.zero_points, (std::vector<int32_t>{-128, 127}));
  expect_consistent(elements, range);
}

} // namespace
} // namespace monoquant::run
