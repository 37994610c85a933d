#include "monoquant/run/tiling.h"

#include <gtest/gtest.h>

#include "support/catalog_builder.h"
#include "support/memory_host.h"
#include "support/random.h"

namespace monoquant::run {
namespace {

using plan::Decision;
using quant::Strategy;

struct Sample {
  plan::Plan plan;
  Tiling tiling;

  [[nodiscard]] const plan::TensorPlan &tensor() const { return plan.tensors[0]; }
  [[nodiscard]] layout::Stored stored() const {
    return tensor().quantize() == nullptr ? layout::Stored() : tensor().quantize()->stored;
  }
  [[nodiscard]] const catalog::Tensor &source() const { return plan.catalog->tensors[0]; }
};

Sample sample(const test::Entry &entry, const Json &options) {
  Sample result{test::plan_for(test::make_catalog({entry}), options), {}};
  result.tiling = cut_tensor(result.plan, 0);
  return result;
}

Json random_options(test::Random &random) {
  Json options = test::default_options();
  static constexpr int64_t kGroups[] = {16, 32, 64, 128, 256};
  switch (random.below(5)) {
  case 0:
    break;
  case 1:
    options = test::packed_8_options();
    break;
  case 2:
    options["strategy"] = "tensor";
    break;
  case 3:
    options = test::int4_options(random.chance(2) ? -1 : random.pick(kGroups));
    break;
  default:
    options = test::float_options("BF16");
    break;
  }
  options["scheme"] = random.chance(2) ? "symmetric" : "asymmetric";
  options["minElements"] = random.chance(4) ? 1'000'000 : 0; // some are copied
  return options;
}

Sample random_sample(test::Random &random) {
  static constexpr Dtype kDtypes[] = {Dtype::kF64, Dtype::kF32, Dtype::kF16, Dtype::kF8E4M3,
                                      Dtype::kI8};
  static constexpr uint64_t kColumns[] = {1, 3, 8, 100, 2048, 3000, 16384, 16385, 65535, 65536};
  uint64_t columns = random.pick(kColumns);
  if (random.chance(4)) {
    columns = 65537 + random.below(300'000);
  } else if (random.chance(4)) {
    columns = 32 * (2049 + random.below(6000));
  }
  const uint64_t rows = 1 + random.below(random.chance(4) ? 200'000 : 300);
  test::Entry entry{"a.weight", {rows, columns}, random.pick(kDtypes)};
  if (random.chance(4)) {
    entry.name = "mlp.experts.down_proj";
    entry.shape.insert(entry.shape.begin(), 1 + random.below(20));
  }
  return sample(entry, random_options(random));
}

TEST(Tiling, units_tile_the_tensor_and_fit_into_a_block) {
  test::Random random(13);
  for (int round = 0; round < 1500; ++round) {
    const Sample made = random_sample(random);
    const Tiling &tiling = made.tiling;
    const uint64_t total =
        made.tensor().decision() == Decision::kCopy ? made.source().bytes : made.source().elements;
    ASSERT_EQ(tiling.elements, total);
    ASSERT_EQ(tiling.unit_begin(0), 0U);
    ASSERT_EQ(tiling.unit_end(tiling.units - 1), total);
    for (int look = 0; look < 20; ++look) {
      const uint64_t unit = look == 0 ? tiling.units - 1 : random.below(tiling.units);
      ASSERT_LT(tiling.unit_begin(unit), tiling.unit_end(unit));
      ASSERT_LE(tiling.bytes(unit, unit + 1), kMaxUnitBytes);
      if (unit + 1 < tiling.units) {
        ASSERT_EQ(tiling.unit_end(unit), tiling.unit_begin(unit + 1));
      }
    }
  }
}

TEST(Tiling, scopes_never_part) {
  test::Random random(14);
  for (int round = 0; round < 1500; ++round) {
    const Sample made = random_sample(random);
    if (made.tensor().decision() != Decision::kQuantize) {
      continue;
    }
    const Tiling &tiling = made.tiling;
    const layout::Stored stored = made.stored();
    for (int look = 0; look < 20; ++look) {
      const uint64_t begin = tiling.unit_begin(random.below(tiling.units));
      const bool starts_row = begin % stored.columns == 0;
      if (stored.scheme.strategy == Strategy::kGroup) {
        ASSERT_EQ(begin % stored.columns % stored.scheme.group_size, 0U);
      } else {
        ASSERT_TRUE(starts_row || tiling.passes == 2) << "a unit cannot know the range of its row";
      }
      ASSERT_TRUE(starts_row || stored.columns > kLongRow);
      ASSERT_EQ(begin % stored.columns * stored.scheme.bits % 32, 0U) << "a word would part";
    }
  }
}

TEST(Tiling, bands_hold_whole_rows_and_whole_words_of_zero_points) {
  test::Random random(15);
  for (int round = 0; round < 1500; ++round) {
    const Sample made = random_sample(random);
    const Tiling &tiling = made.tiling;
    const layout::Stored stored = made.stored();
    ASSERT_EQ(tiling.bands(), (tiling.units + tiling.units_per_band - 1) / tiling.units_per_band);
    if (made.tensor().decision() != Decision::kQuantize) {
      continue;
    }
    if (stored.scheme.strategy == Strategy::kTensor) {
      ASSERT_EQ(tiling.bands(), 1U);
      ASSERT_EQ(tiling.passes, 2U);
      continue;
    }
    const uint64_t band = random.below(tiling.bands());
    const uint64_t begin = tiling.unit_begin(band * tiling.units_per_band);
    ASSERT_EQ(begin % stored.columns, 0U);
    const uint64_t row = begin / stored.columns % stored.rows;
    if (!stored.scheme.symmetric && stored.weights_only) {
      ASSERT_EQ(row % (32 / stored.scheme.bits), 0U);
    }
  }
}

TEST(Tiling, bands_are_bounded_where_rows_allow) {
  test::Random random(16);
  for (int round = 0; round < 1500; ++round) {
    const Sample made = random_sample(random);
    const layout::Stored stored = made.stored();
    if (made.tensor().decision() == Decision::kQuantize &&
        stored.scheme.strategy == Strategy::kTensor) {
      continue; // one scale, one band, however large
    }
    const uint64_t units = std::min(made.tiling.units, made.tiling.units_per_band);
    const uint64_t bytes = made.tiling.bytes(0, units);
    const uint64_t row_bytes = stored.columns * made.tiling.element_bytes;
    const uint64_t least =
        stored.matrices > 1 ? stored.rows : 8; // rows whose zero points share a word
    ASSERT_LE(bytes, std::max(kBandBytes, least * row_bytes));
  }
}

} // namespace
} // namespace monoquant::run
