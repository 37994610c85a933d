#include "monoquant/run/band_walk.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "support/catalog_builder.h"
#include "support/memory_host.h"

namespace monoquant::run {
namespace {

/// Copies, conversions, one pass and two, one band and many, nothing at all.
plan::Plan sample_plan() {
  Json options = test::int4_options(-1);
  options["overrides"] =
      Json::parse(R"([{"tensors":[3],"bits":16},{"tensors":[1],"groupSize":32}])");
  return test::plan_for(test::make_catalog({{"short.weight", {9000, 1024}, Dtype::kF32},
                                            {"grouped.weight", {9000, 1024}, Dtype::kF16},
                                            {"long.weight", {200, 70'000}, Dtype::kF32},
                                            {"converted.weight", {5000, 1001}, Dtype::kF32},
                                            {"empty", {0, 7}},
                                            {"table", {40 << 20}, Dtype::kU8},
                                            {"norm.weight", {64}}}),
                        options);
}

constexpr size_t kSlicerBlocks[] = {size_t{1} << 19U, size_t{1} << 20U, size_t{5} << 20U};

TEST(BandWalk, shares_together_walk_every_unit_once_a_pass) {
  const plan::Plan plan = sample_plan();
  for (const size_t block : kSlicerBlocks) {
    for (uint64_t shares = 1; shares <= 6; ++shares) {
      // tensor, pass → units → how often
      std::map<std::pair<size_t, uint32_t>, std::vector<int>> walked;
      std::map<std::pair<size_t, uint64_t>, uint64_t> owner; // of a band
      uint64_t bytes = 0;
      uint64_t bands = 0;
      for (uint64_t share = 0; share < shares; ++share) {
        BandWalk walk(plan, {share, shares});
        uint64_t own_bytes = 0;
        while (const auto slice = walk.next(block)) {
          const Tiling &tiling = walk.tiling(slice->tensor);
          ASSERT_LT(slice->begin, slice->end);
          ASSERT_LE(tiling.bytes(slice->begin, slice->end), block);
          own_bytes += tiling.bytes(slice->begin, slice->end);
          const uint64_t first = slice->band * tiling.units_per_band;
          const uint64_t end = std::min(tiling.units, first + tiling.units_per_band);
          ASSERT_GE(slice->begin, first) << "a slice leaves its band";
          ASSERT_LE(slice->end, end);
          ASSERT_EQ(slice->first_of_band, slice->begin == first);
          ASSERT_EQ(slice->last_of_band, slice->end == end);
          auto &units = walked[{slice->tensor, slice->pass}];
          units.resize(static_cast<size_t>(tiling.units));
          for (uint64_t unit = slice->begin; unit < slice->end; ++unit) {
            ++units[static_cast<size_t>(unit)];
          }
          ASSERT_EQ(owner.emplace(std::pair{slice->tensor, slice->band}, share).first->second,
                    share)
              << "two shares work on one band";
        }
        ASSERT_EQ(own_bytes, walk.total_bytes());
        bytes += own_bytes;
        bands += walk.total_bands();
      }
      ASSERT_EQ(bands, owner.size());
      const BandWalk whole(plan, {});
      ASSERT_EQ(bytes, whole.total_bytes());
      for (size_t tensor = 0; tensor < whole.tensors(); ++tensor) {
        const Tiling &tiling = whole.tiling(tensor);
        for (uint32_t pass = 0; pass < tiling.passes && tiling.units > 0; ++pass) {
          ASSERT_EQ((walked[{tensor, pass}]),
                    std::vector<int>(static_cast<size_t>(tiling.units), 1))
              << tensor << " " << pass;
        }
      }
    }
  }
}

TEST(BandWalk, the_first_pass_over_a_band_is_complete_before_the_second) {
  const plan::Plan plan = sample_plan();
  BandWalk walk(plan, {});
  std::optional<Slice> before;
  size_t second_passes = 0;
  while (const auto slice = walk.next(kSlicerBlocks[0])) {
    if (before && before->tensor == slice->tensor && before->band == slice->band) {
      if (before->pass == slice->pass) {
        ASSERT_EQ(slice->begin, before->end);
      } else {
        ASSERT_EQ(slice->pass, before->pass + 1);
        ASSERT_TRUE(before->last_of_band);
        ASSERT_TRUE(slice->first_of_band);
        ++second_passes;
      }
    } else {
      ASSERT_TRUE(slice->first_of_band);
      ASSERT_EQ(slice->pass, 0U);
      ASSERT_TRUE(!before ||
                  (before->last_of_band && before->pass + 1 == walk.tiling(before->tensor).passes));
      ASSERT_TRUE(!before || before->tensor < slice->tensor || before->band + 1 == slice->band);
    }
    before = slice;
  }
  EXPECT_GT(second_passes, 1U);
}

TEST(BandWalk, a_band_is_as_many_slices_as_the_block_asks_for) {
  const plan::Plan plan = sample_plan();
  size_t slices_before = ~size_t{0};
  for (const size_t block : kSlicerBlocks) {
    BandWalk walk(plan, {});
    size_t slices = 0;
    while (walk.next(block)) {
      ++slices;
    }
    EXPECT_LT(slices, slices_before);
    slices_before = slices;
  }
}

TEST(BandWalk, only_looking_passes_over_what_cannot_hold_surprises) {
  const plan::Plan plan = sample_plan();
  BandWalk walk(plan, {});
  walk.only_look(0);
  std::set<size_t> seen;
  std::map<size_t, uint64_t> bytes;
  while (const auto slice = walk.next(kSlicerBlocks[1])) {
    seen.insert(slice->tensor);
    EXPECT_EQ(slice->pass, 0U);
    bytes[slice->tensor] += walk.tiling(slice->tensor).bytes(slice->begin, slice->end);
    if (slice->tensor == 2 && slice->band == 1) {
      walk.only_look(2);
    }
  }
  EXPECT_EQ(seen, (std::set<size_t>{1, 2, 3})) << "no copies, and not the tensor that is excepted";
  EXPECT_EQ(bytes[1], plan.catalog->tensors[1].bytes);
  EXPECT_EQ(bytes[3], plan.catalog->tensors[3].bytes);
  EXPECT_LT(bytes[2], plan.catalog->tensors[2].bytes) << "left as soon as it is known to be unfit";
}

/// What shares of a sample look at: tensor → units.
std::map<size_t, std::set<uint64_t>> sampled_units(const plan::Plan &plan, uint64_t sample,
                                                   uint64_t shares, size_t block) {
  std::map<size_t, std::set<uint64_t>> units;
  for (uint64_t index = 0; index < shares; ++index) {
    Share share{index, shares};
    share.sample = sample;
    BandWalk walk(plan, share);
    uint64_t bytes = 0;
    std::optional<Slice> before;
    while (const auto slice = walk.next(block)) {
      const bool is_same = before && before->tensor == slice->tensor &&
                           before->band == slice->band && before->pass == slice->pass;
      EXPECT_EQ(slice->first_of_band, !is_same);
      EXPECT_TRUE(!before || is_same != before->last_of_band);
      bytes += walk.tiling(slice->tensor).bytes(slice->begin, slice->end);
      for (uint64_t unit = slice->begin; unit < slice->end; ++unit) {
        EXPECT_EQ(units[slice->tensor].insert(unit).second, slice->pass == 0) << "twice in a pass";
      }
      before = slice;
    }
    EXPECT_TRUE(!before || before->last_of_band);
    EXPECT_EQ(bytes, walk.total_bytes());
  }
  return units;
}

TEST(BandWalk, a_sample_is_spread_over_each_tensor_whoever_shares_it) {
  const plan::Plan plan = sample_plan();
  const BandWalk whole(plan, {});
  for (const uint64_t sample : {1ULL, 100'000ULL, 1'000'000ULL, 1ULL << 40U}) {
    const auto units = sampled_units(plan, sample, 1, kSlicerBlocks[0]);
    EXPECT_EQ(sampled_units(plan, sample, 3, kSlicerBlocks[1]), units);
    EXPECT_FALSE(units.contains(5)) << "a copy loses nothing";
    for (const size_t tensor : {size_t{0}, size_t{1}, size_t{3}}) {
      const Tiling &tiling = whole.tiling(tensor);
      const std::set<uint64_t> &seen = units.at(tensor);
      uint64_t values = 0;
      for (const uint64_t unit : seen) {
        values += tiling.unit_end(unit) - tiling.unit_begin(unit);
      }
      const uint64_t in_unit = tiling.elements / tiling.units;
      EXPECT_LE(values, std::max(sample, in_unit) + 2 * in_unit) << tensor;
      EXPECT_GE(2 * values, std::min(sample, tiling.elements)) << tensor;
      const uint64_t step = seen.size() > 1 ? *std::next(seen.begin()) - *seen.begin() : 0;
      for (auto at = seen.begin(); std::next(at) != seen.end(); ++at) {
        EXPECT_EQ(*std::next(at) - *at, step) << "no stretch is left out";
      }
      EXPECT_GE(*seen.rbegin() + std::max<uint64_t>(step, 1), step == 0 ? 1 : tiling.units);
    }
    EXPECT_EQ(units.at(2).size(), whole.tiling(2).units) << "its scales need all of it";
  }
}

} // namespace
} // namespace monoquant::run
