#include "monoquant/run/encode_stage.h"

#include <gtest/gtest.h>

#include <cmath>
#include <ostream>
#include <set>

#include "monoquant/base/bytes.h"
#include "monoquant/base/float_convert.h"
#include "monoquant/base/text.h"
#include "support/deep.h"
#include "support/drive.h"
#include "support/not_finite.h"
#include "support/reference_quantizer.h"
#include "support/run_checks.h"
#include "support/sample_tensors.h"

namespace monoquant::run {
namespace {

using test::Bytes;
using test::FileTensor;
using test::kInfinity;
using test::kNan;
using test::MemoryRun;
using test::Random;

struct CodesCase {
  std::string title;
  Json options;
};

/// How GoogleTest names it in its output.
void PrintTo(const CodesCase &variant, std::ostream *out) { *out << variant.title; } // NOLINT

/// Every kind of codes that there is. Nothing is too small to be quantized.
std::vector<CodesCase> codes_cases() {
  std::vector<CodesCase> all;
  for (const std::string_view scheme : {"symmetric", "asymmetric"}) {
    const auto add = [&](std::string_view title, Json options) {
      options["scheme"] = scheme;
      options["minElements"] = 0;
      all.push_back({concat(title, "_", scheme), std::move(options)});
    };
    add("int8_channel", test::default_options());
    Json tensor = test::default_options();
    tensor["strategy"] = "tensor";
    add("int8_tensor", tensor);
    add("packed8_channel", test::packed_8_options());
    Json packed_tensor = test::packed_8_options();
    packed_tensor["strategy"] = "tensor";
    add("packed8_tensor", packed_tensor);
    Json grouped = test::packed_8_options();
    grouped["strategy"] = "group";
    grouped["groupSize"] = 32;
    add("packed8_group32", grouped);
    add("int4_channel", test::int4_options(-1));
    add("int4_group16", test::int4_options(16));
    add("int4_group128", test::int4_options(128));
  }
  return all;
}

class EveryVariant : public testing::TestWithParam<CodesCase> {};

INSTANTIATE_TEST_SUITE_P(EncodeStage, EveryVariant,
                         testing::ValuesIn(test::samples(codes_cases(), 3)),
                         [](const auto &info) { return info.param.title; });

/// All ranks and kinds, with the row lengths where packing and vectors have their edges.
std::vector<FileTensor> tensors_of_all_shapes(Random &random, Dtype dtype) {
  std::vector<FileTensor> tensors;
  const auto add = [&](std::string name, std::vector<uint64_t> shape) {
    tensors.push_back(test::random_weights(random, std::move(name), dtype, std::move(shape)));
  };
  const std::vector<std::vector<uint64_t>> matrices = {
      {1, 1},  {1, 512}, {512, 1}, {7, 1},   {9, 7},    {8, 8},    {3, 2},     {17, 31}, {64, 128},
      {5, 33}, {33, 64}, {12, 96}, {10, 48}, {130, 40}, {2, 4096}, {17, 1040}, {300, 8}};
  for (size_t i = 0; i < matrices.size(); ++i) {
    add(concat("layer.", i, ".weight"), matrices[i]);
  }
  add("conv1d.weight", {16, 8, 3});
  add("conv2d.weight", {8, 16, 3, 3});
  add("conv3d.weight", {5, 4, 3, 3, 3});
  add("pointwise.weight", {9, 64, 1, 1});
  add("lstm.weight_ih_l0", {64, 24});
  add("lstm.weight_hh_l0", {64, 16});
  add("gru.weight_ih_l0", {48, 5});
  add("gru.weight_hh_l0", {48, 16});
  add("moe.experts.even", {3, 16, 64});
  add("moe.experts.odd", {4, 5, 96});     // five rows: zero points of an expert end amid a word
  add("moe.experts.many", {2, 135, 128}); // units of 128 rows go on into the next matrix
  add("norm.weight", {64});
  return tensors;
}

void expect_reference_for_all_shapes(Dtype dtype, const Json &options) {
  Random random(20);
  const Bytes file = test::make_file(tensors_of_all_shapes(random, dtype));
  const MemoryRun run(test::plan_for(file, options), file);
  SCOPED_TRACE(dtype_name(dtype));
  test::expect_matches_reference(run, file);
}

TEST_P(EveryVariant, equals_the_reference_for_all_shapes) {
  for (const Dtype dtype :
       {Dtype::kF32, Dtype::kF16, Dtype::kBF16}) { // one for each type of scales
    expect_reference_for_all_shapes(dtype, GetParam().options);
  }
}

TEST(EncodeStage, equals_the_reference_for_rare_float_types) {
  Json int4 = test::int4_options(16);
  int4["scheme"] = "asymmetric";
  for (const Dtype dtype : {Dtype::kF64, Dtype::kF8E4M3, Dtype::kF8E5M2}) {
    expect_reference_for_all_shapes(dtype, test::default_options());
    expect_reference_for_all_shapes(dtype, int4);
  }
}

TEST_P(EveryVariant, measures_errors_to_a_millionth) {
  Random random(21);
  std::vector<FileTensor> tensors;
  for (const Dtype dtype : {Dtype::kF32, Dtype::kF16, Dtype::kBF16}) {
    const std::string name(dtype_name(dtype));
    tensors.push_back(test::random_weights(random, name + ".weight", dtype, {100, 1024}));
    tensors.push_back(test::random_weights(random, name + ".tiny.weight", dtype, {64, 1024}, 1e-4));
    tensors.push_back(test::random_weights(random, name + ".large.weight", dtype, {64, 1024}, 900));
  }
  const Bytes file = test::make_file(tensors);
  const MemoryRun run(test::plan_for(file, GetParam().options), file);
  test::expect_true_errors(run, file, 1e-6, test::Values::kRandom);
}

TEST_P(EveryVariant, values_of_any_size_are_handled) {
  Random random(22);
  std::vector<FileTensor> tensors;
  const auto add = [&](const std::string &name, auto value_at) {
    std::vector<double> values(size_t{48} * 128);
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<double>(value_at(i));
    }
    tensors.push_back(test::make_tensor(name + ".weight", Dtype::kF32, {48, 128}, values));
  };
  add("zeros", [](size_t) { return 0.0F; });
  add("minus_zeros", [](size_t) { return -0.0F; });
  add("equal", [](size_t) { return 0.3F; });
  add("negative", [](size_t) { return -0.3F; });
  add("one_in_many", [](size_t i) { return i % 97 == 5 ? -2.0F : 0.0F; });
  add("subnormal", [&](size_t) { return random.signed_unit() * 1e-40F; });
  add("vanishing", [&](size_t) { return random.signed_unit() * 1e-30F; });
  add("just_below_eps", [&](size_t) { return random.signed_unit() * 0x1p-23F; });
  add("around_eps", [&](size_t) { return random.signed_unit() * 0x1p-15F; });
  // Larger ones are not quantized: see below.
  constexpr float kLargest = 0x1.FFFFFEp125F;
  add("huge", [&](size_t) { return random.signed_unit() * kLargest; });
  add("largest", [](size_t i) { return i % 2 == 0 ? kLargest : -kLargest; });
  add("positive", [&](size_t) { return std::fabs(random.signed_unit()) + 5.0F; });
  add("all_exponents",
      [&](size_t) { return std::clamp(random.finite_bits(), -kLargest, kLargest); });
  for (int exponent = -56; exponent >= -70; --exponent) {
    add(concat("edge", -exponent),
        [&](size_t) { return std::ldexp(random.signed_unit(), exponent); });
  }
  const Bytes file = test::make_file(tensors);
  const MemoryRun run(test::plan_for(file, GetParam().options), file);
  test::expect_matches_reference(run, file);
  test::expect_true_errors(run, file, 1e-5, test::Values::kAdversarial);
}

TEST_P(EveryVariant, what_vanishes_is_counted_as_lost) {
  // Far below the smallest scale every code is the zero point: signal and noise are the same.
  for (int exponent = -149; exponent <= -30; exponent += 7) {
    Random random(23);
    std::vector<double> values(size_t{8} * 256);
    double energy = 0;
    for (double &value : values) {
      value = static_cast<double>(std::ldexp(random.signed_unit(), exponent));
      energy += value * value;
    }
    const Bytes file =
        test::make_file({test::make_tensor("a.weight", Dtype::kF32, {8, 256}, values)});
    const MemoryRun run(test::plan_for(file, GetParam().options), file);
    const quant::ErrorSums sums = run.tensor_errors(0);
    EXPECT_NEAR(sums.signal / energy, 1.0, 1e-6) << exponent;
    EXPECT_NEAR(sums.noise / energy, 1.0, 1e-6) << exponent;
    EXPECT_GT(sums.peak, 0.0F) << exponent;
  }
}

TEST_P(EveryVariant, unclipped_values_are_off_by_half_a_scale_at_most) {
  Random random(24);
  for (const Dtype dtype : {Dtype::kF32, Dtype::kF16, Dtype::kBF16}) {
    const FileTensor source = test::random_weights(random, "a.weight", dtype, {40, 256});
    const Bytes file = test::make_file({source});
    const MemoryRun run(test::plan_for(file, GetParam().options), file);
    const quant::Scheme &scheme = run.plan().tensors[0].quantize()->stored.scheme;
    const std::vector<float> values = test::values_of(source);
    const test::ReferenceCodes codes = test::reference_codes(values, {1, 40, 256}, scheme);
    size_t unclipped = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      const auto scale = static_cast<double>(codes.scales[i / codes.scope_size]);
      const double error = std::fabs(static_cast<double>(values[i]) - codes.stored(i));
      if (codes.codes[i] > scheme.lowest() && codes.codes[i] < scheme.highest()) {
        ASSERT_LE(error, scale / 2 * (1 + 1e-5));
        ++unclipped;
      } else {
        ASSERT_LE(error,
                  scale); // clipping costs half a step more, and a little where scales were rounded
      }
    }
    EXPECT_GT(unclipped, values.size() / 2);
    EXPECT_LE(static_cast<double>(run.tensor_errors(0).peak),
              static_cast<double>(*std::max_element(codes.scales.begin(), codes.scales.end())));
  }
}

/// Rows beyond 65536 columns are encoded in parts; whatever the parts, it must not show.
struct LongRows {
  std::string title;
  Dtype dtype;
  uint64_t rows;
  uint64_t columns;
};

TEST_P(EveryVariant, long_rows_equal_the_reference) {
  const std::vector<LongRows> samples = {
      {"just a row", Dtype::kF16, 2, 65536},
      {"one element more", Dtype::kF32, 2, 65537},
      {"groups up to the end", Dtype::kF32, 3, 65536 + 128},
      {"no group fits", Dtype::kBF16, 2, 70003},
      {"a part that is almost full", Dtype::kF64, 2, 5 * 16384 - 16},
  };
  for (const LongRows &sample : samples) {
    Random random(25);
    const Bytes file = test::make_file(
        {test::random_weights(random, "a.weight", sample.dtype, {sample.rows, sample.columns})});
    SCOPED_TRACE(sample.title);
    const MemoryRun run(test::plan_for(file, GetParam().options), file,
                        {size_t{1} << 19U, 1, 2, 1});
    test::expect_matches_reference(run, file);
  }
}

TEST(EncodeStage, many_long_rows_fit_into_a_block) {
  // Rows with a short last part have more parts a block than their bytes suggest, and packed rows are padded.
  struct Sample {
    LongRows rows;
    Json options;
  };
  const std::vector<Sample> samples = {
      {{"F32, short last parts", Dtype::kF32, 8, 65537}, test::default_options()},
      {{"F16, short last parts", Dtype::kF16, 9, 65537}, test::int4_options(-1)},
      {{"F8, rows that end with their block", Dtype::kF8E4M3, 16, 69905}, test::packed_8_options()},
      {{"F16, padding of each row", Dtype::kF16, 8, 74898}, test::packed_8_options()},
  };
  for (const Sample &sample : samples) {
    Random random(26);
    const auto &[title, dtype, rows, columns] = sample.rows;
    const Bytes file =
        test::make_file({test::random_weights(random, "a.weight", dtype, {rows, columns})});
    SCOPED_TRACE(title);
    const MemoryRun run(test::plan_for(file, sample.options), file);
    test::expect_matches_reference(run, file);
  }
}

TEST(EncodeStage, long_stacks_and_kernels_equal_the_reference) {
  Random random(27);
  const Bytes file = test::make_file({
      test::random_weights(random, "moe.experts.w", Dtype::kF16, {2, 3, 65536 + 64}),
      test::random_weights(random, "conv.weight", Dtype::kF32, {2, 8200, 3, 3}),
  });
  for (const int64_t group : {-1, 32}) {
    Json options = test::int4_options(group);
    options["scheme"] = "asymmetric";
    const MemoryRun run(test::plan_for(file, options), file);
    test::expect_matches_reference(run, file);
  }
}

TEST(EncodeStage, sixteen_bit_floats_equal_the_reference) {
  for (const std::string_view type : {"F16", "BF16"}) {
    Random random(28);
    std::vector<FileTensor> tensors = {
        test::random_weights(random, "a.weight", Dtype::kF32, {300, 171}),
        test::random_weights(random, "b.weight", Dtype::kF64, {40, 1000}),
        test::random_weights(random, "c.weight", Dtype::kF16, {64, 64}),
        test::random_weights(random, "d.weight", Dtype::kBF16, {64, 64}),
        test::random_weights(random, "e.weight", Dtype::kF8E4M3, {64, 64}),
        test::random_weights(random, "norm.weight", Dtype::kF32, {77}),
        test::random_weights(random, "scale", Dtype::kF32, {}),
        test::random_bytes(random, "ids", Dtype::kI64, {5}),
        test::random_bytes(random, "none", Dtype::kF32, {0, 4}),
    };
    const Bytes file = test::make_file(tensors);
    const MemoryRun run(test::plan_for(file, test::float_options(type)), file);
    SCOPED_TRACE(type);
    test::expect_matches_reference(run, file);
    for (size_t i = 0; i < tensors.size(); ++i) {
      const plan::TensorPlan &entry = run.plan().tensors[i];
      if (entry.decision() != plan::Decision::kConvert) {
        continue;
      }
      const auto outputs = test::parse_file(run.output());
      const std::vector<float> before = test::values_of(tensors[i]);
      const std::vector<float> after = test::values_of(outputs.tensors.at(tensors[i].name));
      double noise = 0;
      for (size_t at = 0; at < before.size(); ++at) {
        noise += std::pow(static_cast<double>(before[at]) - static_cast<double>(after[at]), 2);
      }
      EXPECT_NEAR(run.tensor_errors(i).noise, noise, noise * 1e-6) << tensors[i].name;
    }
  }
}

TEST(EncodeStage, every_dtype_is_copied_bit_for_bit) {
  Random random(29);
  std::vector<FileTensor> tensors;
  for (int i = 0; i < kSafetensorsDtypeCount; ++i) {
    const auto dtype = static_cast<Dtype>(i);
    tensors.push_back(test::random_bytes(random, concat("x.", dtype_name(dtype)), dtype, {3, 40}));
    tensors.push_back(
        test::random_bytes(random, concat("empty.", dtype_name(dtype)), dtype, {0, 4}));
  }
  tensors.push_back(test::random_bytes(random, "scalar", Dtype::kF32, {}));
  const Bytes file = test::make_file(tensors);
  const MemoryRun run(test::plan_for(file, test::default_options()), file);
  test::expect_matches_reference(run, file);
}

TEST(EncodeStage, files_that_hold_next_to_nothing) {
  for (const std::vector<FileTensor> &tensors : std::vector<std::vector<FileTensor>>{
           {},
           {{"a", Dtype::kU8, {1}, {7}}},
           {{"a", Dtype::kF32, {0}, {}}},
           {test::make_tensor("a.weight", Dtype::kF32, {1, 1}, {0.5})},
       }) {
    const Bytes file = test::make_file(tensors);
    Json options = test::default_options();
    options["minElements"] = 0;
    const MemoryRun run(test::plan_for(file, options), file);
    test::expect_matches_reference(run, file);
  }
}

TEST(EncodeStage, sources_may_lie_at_odd_offsets) {
  Random random(30);
  const Bytes file = test::make_file({
      test::random_bytes(random, "odd", Dtype::kU8, {3}),
      test::random_weights(random, "a.weight", Dtype::kF32, {64, 64}),
      test::random_bytes(random, "odd2", Dtype::kU8, {1}),
      test::random_weights(random, "b.weight", Dtype::kF64, {64, 64}),
      test::random_weights(random, "c.weight", Dtype::kF16, {64, 64}),
  });
  const MemoryRun run(test::plan_for(file, test::int4_options(32)), file);
  test::expect_matches_reference(run, file);
}

/// A model in which some weights cannot be quantized.
struct Poisoned {
  std::vector<FileTensor> tensors;
  std::map<size_t, plan::Reason> expected;
};

Poisoned poisoned(Dtype dtype, bool overflow_only) {
  Random random(31);
  Poisoned made;
  for (size_t i = 0; i < 8; ++i) {
    made.tensors.push_back(test::random_weights(random, concat(i, ".weight"), dtype, {18, 1024}));
  }
  const auto poison = [&](size_t tensor, size_t element, double value, plan::Reason reason) {
    test::set_value(made.tensors[tensor], element, value);
    made.expected[tensor] = reason;
  };
  if (overflow_only) {
    poison(1, 18431, 65520.0, plan::Reason::kOverflow);
    poison(5, 0, -1e30, plan::Reason::kOverflow);
    poison(6, 100, kInfinity, plan::Reason::kNonFinite);
  } else {
    poison(0, 0, kNan, plan::Reason::kNonFinite);
    poison(3, 18431, kInfinity, plan::Reason::kNonFinite);
    poison(4, 17000, -kInfinity, plan::Reason::kNonFinite);
    if (dtype == Dtype::kF32) { // others hold less, or more
      poison(6, 1200, -0x1p126, plan::Reason::kOverflow);
      poison(7, 0, 3e38, plan::Reason::kOverflow);
    }
  }
  return made;
}

/// The host's answer to unfit tensors: the same options, and what was found.
Json with_unfit(Json options, const MemoryRun &run) {
  for (const auto &[tensor, unfit] : run.unfit()) {
    options["unfit"].push_back({{"tensor", unfit.tensor},
                                {"reason", plan::reason_name(unfit.reason)},
                                {"explanation", unfit.explanation}});
  }
  return options;
}

void expect_found_and_left_alone(const Poisoned &made, const Json &options,
                                 test::HostChoice choice) {
  const Bytes file = test::make_file(made.tensors);
  const MemoryRun first(test::plan_for(file, options), file, choice);
  std::map<size_t, plan::Reason> found;
  for (const auto &[tensor, unfit] : first.unfit()) {
    EXPECT_EQ(unfit.tensor, first.plan().tensors[tensor].source);
    EXPECT_FALSE(unfit.explanation.empty());
    found[unfit.tensor] = unfit.reason;
  }
  EXPECT_EQ(found, made.expected) << "all of them are found in one run";

  const MemoryRun second(test::plan_for(file, with_unfit(options, first)), file, choice);
  test::expect_matches_reference(second, file);
  for (const plan::TensorPlan &entry : second.plan().tensors) {
    const auto expected = made.expected.find(entry.source);
    EXPECT_EQ(entry.decision() == plan::Decision::kCopy, expected != made.expected.end());
    if (expected != made.expected.end()) {
      EXPECT_EQ(entry.reason, expected->second);
    }
  }
}

TEST(EncodeStage, scales_of_f16_hold_values_below_2_18) {
  Random random(33);
  FileTensor fits = test::random_weights(random, "fits.weight", Dtype::kF32, {16, 64});
  FileTensor large = test::random_weights(random, "large.weight", Dtype::kF32, {16, 64});
  test::set_value(fits, 70, std::nextafter(-0x1p18F, 0.0F));
  test::set_value(fits, 80, std::nextafter(0x1p18F, 0.0F));
  test::set_value(large, 70, 0x1p18);
  const Bytes file = test::make_file({fits, large});
  for (const std::string_view scheme : {"symmetric", "asymmetric"}) {
    Json options = test::int4_options(32);
    options["scheme"] = scheme;
    options["scaleType"] = "F16";
    const MemoryRun first(test::plan_for(file, options), file);
    ASSERT_EQ(first.unfit().size(), 1U);
    EXPECT_EQ(first.unfit().begin()->second.reason, plan::Reason::kOverflow);
    const MemoryRun run(test::plan_for(file, with_unfit(options, first)), file);
    const auto stored = test::parse_file(run.output());
    const auto &scales = stored.tensors.at("fits.weight_scale");
    EXPECT_EQ(scales.dtype, Dtype::kF16);
    for (const float scale : test::values_of(scales)) {
      EXPECT_TRUE(std::isfinite(scale));
    }
    EXPECT_EQ(stored.tensors.at("large.weight").dtype, Dtype::kF32);
  }
}

TEST_P(EveryVariant, finds_all_values_that_are_not_finite) {
  const Poisoned made = poisoned(Dtype::kF32, false);
  for (const size_t slots : {1U, 5U}) { // with several, slices are handed out before the first find
    expect_found_and_left_alone(made, GetParam().options, {size_t{1} << 19U, 2, slots, 1});
  }
  expect_found_and_left_alone(made, GetParam().options, {size_t{1} << 19U, 1, 2, 3});
}

TEST(EncodeStage, finds_what_is_not_finite_in_narrow_and_wide_types) {
  for (const Dtype dtype : {Dtype::kBF16, Dtype::kF16, Dtype::kF64}) {
    expect_found_and_left_alone(poisoned(dtype, false), test::int4_options(), {});
  }
}

TEST(EncodeStage, finds_all_values_that_16_bits_cannot_hold) {
  expect_found_and_left_alone(poisoned(Dtype::kF32, true), test::float_options("F16"), {});
  expect_found_and_left_alone(poisoned(Dtype::kF64, true), test::float_options("F16"),
                              {size_t{1} << 19U, 3, 4, 2});
  // BF16 has the exponents of F32: only infinity itself is too much.
  Poisoned wide = poisoned(Dtype::kF32, true);
  wide.expected = {{6, plan::Reason::kNonFinite}};
  expect_found_and_left_alone(wide, test::float_options("BF16"), {});
}

TEST(EncodeStage, a_double_beyond_f32_is_not_finite) {
  Poisoned made = poisoned(Dtype::kF64, false);
  test::set_value(made.tensors[7], 5, 1e39);
  made.expected[7] = plan::Reason::kNonFinite;
  expect_found_and_left_alone(made, test::default_options(), {});
}

TEST(EncodeStage, f8_codes_for_nan_and_infinity_are_found) {
  Random random(32);
  Poisoned made;
  made.tensors = {test::random_weights(random, "a.weight", Dtype::kF8E4M3, {40, 64}),
                  test::random_weights(random, "b.weight", Dtype::kF8E5M2, {40, 64}),
                  test::random_weights(random, "c.weight", Dtype::kF8E5M2, {40, 64})};
  made.tensors[0].bytes[100] = 0xFF;
  made.tensors[2].bytes[2559] = 0x7C;
  made.expected = {{0, plan::Reason::kNonFinite}, {2, plan::Reason::kNonFinite}};
  expect_found_and_left_alone(made, test::default_options(), {});
}

TEST(EncodeStage, where_the_bad_value_is_does_not_depend_on_the_host) {
  const Bytes file = test::make_file(poisoned(Dtype::kF32, false).tensors);
  std::string expected;
  for (const size_t block : {size_t{1} << 19U, size_t{1} << 20U, size_t{3} << 20U}) {
    for (size_t slots = 1; slots <= 6; ++slots) {
      const MemoryRun run(test::plan_for(file, test::default_options()), file,
                          {block, slots % 3 + 1, slots, 1});
      const Json result = Json::parse(run.stages()[0]->result_json());
      expected = expected.empty() ? result["unfit"].dump() : expected;
      EXPECT_EQ(result["unfit"].dump(), expected);
    }
  }
  EXPECT_NE(expected.find("elements"), std::string::npos);
}

TEST(EncodeStage, a_void_output_is_not_written_any_further) {
  Poisoned made = poisoned(Dtype::kF32, false); // the very first value is NaN
  const Bytes file = test::make_file(made.tensors);
  const plan::Plan plan = test::plan_for(file, test::default_options());
  parallel::Workers workers(1);
  EncodeStage stage(plan, workers, {}, 1, size_t{1} << 20U);
  uint64_t written = 0;
  const auto done = test::drive(
      stage,
      [&](uint64_t offset, std::span<uint8_t> to) {
        std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(offset), to.size(), to.begin());
      },
      [&](uint64_t, std::span<const uint8_t> bytes) { written += bytes.size(); });
  ASSERT_TRUE(done);
  EXPECT_EQ(written, plan.fixed[0].bytes.size());
}

TEST(EncodeStage, reads_what_it_promises_and_names_the_tensor_at_work) {
  Random random(33);
  const Bytes file = test::make_file({
      test::random_weights(random, "a.weight", Dtype::kF32, {300, 1024}),
      test::random_weights(random, "b.weight", Dtype::kF16, {300, 1024}),
      test::random_bytes(random, "ids", Dtype::kI64, {500}),
  });
  Json options = test::default_options();
  options["strategy"] = "tensor"; // read twice
  const plan::Plan plan = test::plan_for(file, options);
  uint64_t promised = 0;
  uint64_t all_read = 0;
  std::set<std::string> named;
  for (uint64_t share = 0; share < 2; ++share) {
    parallel::Workers workers(1);
    EncodeStage stage(plan, workers, {share, 2}, 2, size_t{1} << 19U);
    promised += stage.total_bytes();
    const auto done = test::drive(
        stage,
        [&](uint64_t offset, std::span<uint8_t> to) {
          all_read += to.size();
          std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(offset), to.size(), to.begin());
        },
        [&](uint64_t, std::span<const uint8_t>) { named.emplace(stage.tensor()); });
    ASSERT_TRUE(done);
  }
  EXPECT_EQ(all_read, promised);
  EXPECT_EQ(all_read, 2 * (300 * 1024 * 4 + 300 * 1024 * 2) + 500 * 8);
  EXPECT_TRUE(named.contains("b.weight"));
  EXPECT_TRUE(named.contains("ids"));
}

TEST(EncodeStage, results_as_json_have_every_band) {
  Random random(34);
  const Bytes file =
      test::make_file({test::random_bytes(random, "ids", Dtype::kI64, {5}),
                       test::random_weights(random, "a.weight", Dtype::kF32, {64, 64})});
  const MemoryRun run(test::plan_for(file, test::default_options()), file);
  const Json result = Json::parse(run.stages()[0]->result_json());
  EXPECT_EQ(result["unfit"], Json::array());
  const quant::ErrorSums sums = run.tensor_errors(1);
  const Json expected =
      Json::array({Json::array({1, 0, sums.signal, sums.noise, sums.peak, 0, 0.0, 0.0})});
  EXPECT_EQ(result["errors"], expected);
  EXPECT_EQ(result["bytes"], run.output().size());
}

} // namespace
} // namespace monoquant::run
