// Layouts that hold outputs along a row: the same codes as any other, whoever runs them, and read as what was written.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <ostream>

#include "monoquant/base/bytes.h"
#include "monoquant/base/float_convert.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/joining.h"
#include "monoquant/run/recheck_stage.h"
#include "monoquant/run/tensor_stage.h"
#include "support/deep.h"
#include "support/drive.h"
#include "support/fixture.h"
#include "support/memory_host.h"
#include "support/reference_quantizer.h"
#include "support/sample_tensors.h"

namespace monoquant::run {
namespace {

using test::Bytes;
using test::FileTensor;
using test::HostChoice;
using test::MemoryRun;
using test::Random;

struct TurnedCase {
  std::string format;
  int bits = 4;
  int64_t group = 64;
  std::string scheme = "symmetric";
  std::string method = "rtn";
};

/// How GoogleTest names it in its output.
void PrintTo(const TurnedCase &turned, std::ostream *out) { // NOLINT
  *out << turned.format << turned.bits << "_" << turned.group << turned.scheme;
}

Json options_of(const TurnedCase &turned) {
  Json options = test::int4_options(turned.group == -1 ? 64 : turned.group);
  options["format"] = turned.format;
  options["bits"] = turned.bits;
  options["mode"] = "weights-only";
  options["scheme"] = turned.scheme;
  options["method"] = turned.method;
  if (turned.group == -1) {
    options["strategy"] = "channel";
    options["groupSize"] = -1;
  }
  return options;
}

std::vector<FileTensor> turned_tensors() {
  Random random(91);
  return {
      test::random_weights(random, "a.weight", Dtype::kF64, {2080, 1024}), // two bands
      test::random_weights(random, "b.weight", Dtype::kBF16, {96, 192}),
      test::random_weights(random, "c.weight", Dtype::kF16, {32, 65'600}), // long rows
      test::random_weights(random, "d.weight", Dtype::kF16, {40, 100}),    // does not fit
      test::random_weights(random, "norm.weight", Dtype::kF32, {4096}),
  };
}

class Turned : public testing::TestWithParam<TurnedCase> {
protected:
  void SetUp() override {
    tensors_ = turned_tensors();
    file_ = test::make_file(tensors_);
  }
  [[nodiscard]] plan::Plan plan() const { return test::plan_for(file_, options_of(GetParam())); }

  std::vector<FileTensor> tensors_;
  Bytes file_;
};

/// Each width by itself, searches and channels only in deep runs: two million weights take their time.
std::vector<TurnedCase> turned_cases() {
  if (!test::is_deep()) {
    return {{"gptq"}, {"gptq", 3, 64, "asymmetric"}, {"awq", 4, 64, "asymmetric"}};
  }
  return {{"gptq"},
          {"gptq", 2, 32},
          {"gptq", 3, 64, "symmetric", "mse"},
          {"gptq", 8, -1},
          {"gptq", 4, 128, "asymmetric"},
          {"gptq", 8, -1, "asymmetric"},
          {"gptq", 2, 32, "asymmetric", "mse"},
          {"awq", 4, 32},
          {"awq", 4, 64, "asymmetric", "mse"}};
}

INSTANTIATE_TEST_SUITE_P(Layouts, Turned, testing::ValuesIn(turned_cases()));

std::vector<float> values_in(const Bytes &file, const catalog::Catalog &catalog, size_t index) {
  TensorStage stage(catalog, index, test::kSmallestBlock);
  std::vector<float> values(static_cast<size_t>(catalog.tensors[index].elements));
  const auto done = test::drive(
      stage,
      [&](uint64_t offset, std::span<uint8_t> to) {
        std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(offset), to.size(), to.begin());
      },
      [&](uint64_t offset, std::span<const uint8_t> bytes) {
        std::memcpy(reinterpret_cast<uint8_t *>(values.data()) + offset, bytes.data(),
                    bytes.size());
      });
  EXPECT_TRUE(done);
  return values;
}

TEST_P(Turned, what_is_read_are_the_codes_that_were_written) {
  MemoryRun run(plan(), file_);
  ASSERT_TRUE(run.unfit().empty());
  ASSERT_TRUE(run.verify(run.output()));
  catalog::Opening opening;
  opening.join_quantized = true;
  const auto opened = test::inspect(run.output(), opening);
  ASSERT_TRUE(opened);
  EXPECT_TRUE(opened.value().problems.empty());
  EXPECT_TRUE(layout::check_layout(opened.value()).empty());
  size_t quantized = 0;
  for (const catalog::Tensor &tensor : opened.value().tensors) {
    const auto source = std::find_if(tensors_.begin(), tensors_.end(),
                                     [&](const auto &each) { return each.name == tensor.name; });
    ASSERT_NE(source, tensors_.end()) << tensor.name;
    EXPECT_EQ(tensor.shape, source->shape);
    const auto index = static_cast<size_t>(source - tensors_.begin());
    const plan::Quantize *decided = run.plan().tensors[index].quantize();
    ASSERT_EQ(tensor.codes != nullptr, decided != nullptr) << tensor.name;
    if (decided == nullptr) {
      continue;
    }
    ++quantized;
    EXPECT_EQ(tensor.codes->bits, decided->stored.scheme.bits);
    EXPECT_EQ(decided->stored.scheme.scale_dtype, Dtype::kF16);
    const test::ReferenceCodes codes = test::reference_codes(
        test::values_of(*source), test::as_matrices(source->shape, false), decided->stored.scheme);
    const auto at = static_cast<size_t>(&tensor - opened.value().tensors.data());
    const std::vector<float> values = values_in(run.output(), opened.value(), at);
    ASSERT_EQ(values.size(), codes.codes.size());
    size_t wrong = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      const size_t scope = i / codes.scope_size;
      const auto steps = static_cast<float>(codes.codes[i] - codes.zero_points[scope]);
      wrong += values[i] == steps * codes.scales[scope] ? 0 : 1;
    }
    EXPECT_EQ(wrong, 0U) << tensor.name;
  }
  EXPECT_EQ(quantized, 3U);
  EXPECT_EQ(run.plan().tensors[3].reason, plan::Reason::kNotLoadable);
}

TEST_P(Turned, hosts_do_not_show) {
  const MemoryRun first(plan(), file_);
  for (const HostChoice &host :
       {HostChoice{test::kSmallestBlock, 2, 1, 1}, HostChoice{size_t{3} << 20U, 4, 3, 2}}) {
    const MemoryRun other(plan(), file_, host);
    EXPECT_TRUE(other.output() == first.output());
    EXPECT_TRUE(other.verify(first.output()));
  }
}

TEST_P(Turned, every_byte_is_verified) {
  const MemoryRun run(plan(), file_);
  Random random(5);
  for (int round = 0; round < 4; ++round) {
    Bytes damaged = run.output();
    damaged[random.index(damaged.size())] ^= 1;
    EXPECT_FALSE(run.verify(damaged));
  }
}

/// Records that were written are read as the same ranges.
TEST_P(Turned, bands_are_known_by_their_records) {
  const plan::Plan planned = plan();
  parallel::Workers workers(1);
  EncodeStage stage(planned, workers, {}, 2, test::kSmallestBlock);
  stage.keep_records();
  Bytes output(static_cast<size_t>(planned.file_bytes));
  const auto read = [&](uint64_t offset, std::span<uint8_t> to) {
    std::copy_n(file_.begin() + static_cast<std::ptrdiff_t>(offset), to.size(), to.begin());
  };
  ASSERT_TRUE(test::drive(stage, read, [&](uint64_t offset, std::span<const uint8_t> bytes) {
    std::copy(bytes.begin(), bytes.end(), output.begin() + static_cast<std::ptrdiff_t>(offset));
  }));
  JsonWriter json;
  stage.write_records(json, true);
  const std::string records = json.take();

  EncodeStage again(planned, workers, {}, 2, test::kSmallestBlock);
  ASSERT_TRUE(again.take_done(records));
  EXPECT_EQ(again.extents().size() + planned.fixed.size(), stage.extents().size());
  const auto recheck = [&](const Bytes &file) {
    RecheckStage check(file.size(), 2, test::kSmallestBlock);
    EXPECT_TRUE(check.add(records));
    EXPECT_TRUE(test::drive(
        check,
        [&](uint64_t offset, std::span<uint8_t> to) {
          std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(offset), to.size(), to.begin());
        },
        [](uint64_t, std::span<const uint8_t>) {}));
    return Json::parse(check.result_json())["wrong"].size();
  };
  EXPECT_EQ(recheck(output), 0U);
  output.back() ^= 1;
  EXPECT_EQ(recheck(output), 1U);
  output.pop_back();
  EXPECT_EQ(recheck(output), 1U);
}

TEST(TurnedLayouts, refuse_what_they_have_no_words_for) {
  const Bytes file = test::make_file(turned_tensors());
  struct Row {
    Json change;
    std::string said;
  };
  const auto said = [&](const std::string &format, const Json &change) {
    Json options = options_of({format});
    options.merge_patch(change);
    const auto catalog = test::inspect(file);
    auto parsed = plan::parse_options(options.dump(), catalog.value().tensors.size());
    EXPECT_TRUE(parsed) << parsed.error().message;
    const auto plan = plan::make_plan(catalog.value(), parsed.value());
    return plan ? std::string() : plan.error().message;
  };
  EXPECT_EQ(said("gptq", Json::object()), "");
  EXPECT_EQ(said("gptq", {{"bits", 5}}),
            "Expected 2, 3, 4 or 8 bits for the format gptq, found another choice.");
  EXPECT_EQ(said("gptq", {{"scheme", "asymmetric"}}), "");
  EXPECT_EQ(
      said("gptq", {{"bits", 8}, {"mode", "dynamic"}, {"strategy", "channel"}, {"groupSize", -1}}),
      "Expected weights only for the format gptq, found another choice.");
  EXPECT_EQ(said("gptq", {{"scaleType", "F32"}}),
            "Expected scales of F16 for the format gptq, found F32.");
  EXPECT_EQ(said("gptq", {{"container", "pt"}}),
            "Expected a .safetensors file for the format gptq, found .pt.");
  EXPECT_EQ(said("awq", {{"bits", 8}}),
            "Expected 4 bits for the format awq, found another choice.");
  EXPECT_EQ(said("awq", {{"groupSize", 16}}),
            "Expected groups of 32 or more for the format awq, found another choice.");
  const std::string several = said(
      "gptq", {{"overrides", Json::array({{{"tensors", {1}}, {"bits", 8}, {"groupSize", 64}}})}});
  EXPECT_TRUE(several.starts_with("Expected one number of bits, one scheme and one group size"))
      << several;
  // Leaving one alone is no second scheme.
  EXPECT_EQ(said("gptq", {{"overrides", Json::array({{{"tensors", {1}}, {"bits", "none"}}})}}), "");
}

} // namespace
} // namespace monoquant::run
