// Statistics of inputs instead of the inputs: what is known from both is the same, and what is not is said.
#include <gtest/gtest.h>

#include <algorithm>

#include "monoquant/base/text.h"
#include "monoquant/run/calibrate_stage.h"
#include "support/catalog_builder.h"
#include "support/drive.h"
#include "support/fixture.h"
#include "support/memory_host.h"
#include "support/not_finite.h"
#include "support/sample_tensors.h"

namespace monoquant::run {
namespace {

using calibration::Calibration;
using calibration::Lacks;
using calibration::ModuleStatistics;
using test::Bytes;
using test::FileTensor;
using test::Random;

constexpr uint64_t kChannels = 20;

catalog::Catalog statistics_layers() {
  return test::make_catalog({{"a.q_proj.weight", {8, kChannels}},
                             {"a.k_proj.weight", {4, kChannels}},
                             {"conv.weight", {8, 3, 3, 3}},
                             {"down.weight", {5, kChannels}}});
}

struct Outcome {
  Calibration calibration;
  calibration::Problems problems;
};

Result<Outcome> gather_statistics(const catalog::Catalog &model, const std::vector<Bytes> &files) {
  Outcome outcome;
  for (const Bytes &file : files) {
    const auto data = test::inspect_data(file);
    if (!data) {
      return data.error();
    }
    CalibrateStage stage(model, data.value(), outcome.calibration, 2, test::kSmallestBlock);
    const auto read = [&](uint64_t offset, std::span<uint8_t> to) {
      std::copy_n(file.begin() + static_cast<ptrdiff_t>(offset), to.size(), to.begin());
    };
    if (auto done = test::drive(stage, read, [](uint64_t, std::span<const uint8_t>) {}); !done) {
      return done.error();
    }
    EXPECT_EQ(stage.done_bytes(), stage.total_bytes());
    outcome = {stage.calibration(), stage.problems()};
  }
  return outcome;
}

Calibration calibrated(const std::vector<Bytes> &files) {
  const auto outcome = gather_statistics(statistics_layers(), files);
  EXPECT_TRUE(outcome) << outcome.error().message;
  return outcome.value().calibration;
}

/// Inputs whose sums are exact: multiples of 1/8.
FileTensor eighths(Random &random, const std::string &name, uint64_t samples) {
  std::vector<double> values;
  for (uint64_t i = 0; i < samples * kChannels; ++i) {
    values.push_back(static_cast<double>(random.index(200)) / 8 - 10);
  }
  return test::make_tensor(name, Dtype::kF32, {samples, kChannels}, values);
}

/// All statistics of captured inputs.
std::vector<FileTensor> statistics_of(const std::string &name, const FileTensor &captured) {
  const std::vector<float> values = test::values_of(captured);
  const size_t n = values.size() / kChannels;
  std::vector<double> sum(kChannels);
  std::vector<double> squares(kChannels);
  std::vector<double> outer(kChannels * kChannels);
  for (size_t s = 0; s < n; ++s) {
    for (size_t i = 0; i < kChannels; ++i) {
      const double x = values[s * kChannels + i];
      sum[i] += x;
      squares[i] += x * x;
      for (size_t j = 0; j < kChannels; ++j) {
        outer[i * kChannels + j] += x * static_cast<double>(values[s * kChannels + j]);
      }
    }
  }
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return {test::make_tensor(name + ".in_sum", Dtype::kF64, {kChannels}, sum),
          test::make_tensor(name + ".in_sum2", Dtype::kF32, {kChannels}, squares),
          test::make_tensor(name + ".in_outer", Dtype::kF32, {kChannels, kChannels}, outer),
          test::make_tensor(name + ".counts", Dtype::kF32, {1}, {static_cast<double>(n)}),
          test::make_tensor(name + ".in_min", Dtype::kF32, {1}, {*low}),
          test::make_tensor(name + ".in_max", Dtype::kF32, {}, {*high})};
}

/// Some of these.
std::vector<FileTensor> only(const std::vector<FileTensor> &tensors,
                             const std::vector<std::string> &endings) {
  std::vector<FileTensor> some;
  for (const FileTensor &tensor : tensors) {
    if (std::any_of(endings.begin(), endings.end(),
                    [&](const std::string &ending) { return tensor.name.ends_with(ending); })) {
      some.push_back(tensor);
    }
  }
  return some;
}

TEST(Statistics, say_what_the_inputs_themselves_do) {
  Random random(1);
  const FileTensor first = eighths(random, "down#0", 70);
  const FileTensor second = eighths(random, "down#1", 33);
  const auto seen = calibrated({test::make_file({first, second})}).modules.at("down");
  const auto told = calibrated({test::make_file(statistics_of("down", first)),
                                test::make_file(statistics_of("down", second))})
                        .modules.at("down");
  EXPECT_EQ(told.sums, seen.sums);
  EXPECT_EQ(told.squares, seen.squares);
  EXPECT_EQ(told.samples, 103U);
  EXPECT_EQ(told.per_channel, seen.per_channel);
  EXPECT_EQ(told.observer.min_max, seen.observer.min_max);
  EXPECT_EQ(seen.lacks, Lacks());
  Lacks lacks;
  lacks.distribution = true;
  EXPECT_EQ(told.lacks, lacks);
}

TEST(Statistics, are_added_to_inputs_that_were_seen) {
  Random random(2);
  const FileTensor first = eighths(random, "down", 70);
  const FileTensor second = eighths(random, "down", 33);
  const auto all = statistics_of("down", second);
  for (const bool seen_first : {true, false}) {
    std::vector<Bytes> files = {test::make_file({first}), test::make_file(all)};
    if (!seen_first) {
      std::swap(files[0], files[1]);
    }
    const auto mixed = calibrated(files).modules.at("down");
    const auto told =
        calibrated({test::make_file(statistics_of("down", first)), test::make_file(all)})
            .modules.at("down");
    EXPECT_EQ(mixed.sums, told.sums);
    EXPECT_EQ(mixed.squares, told.squares);
    EXPECT_EQ(mixed.samples, 103U);
    EXPECT_EQ(mixed.lacks, told.lacks);
    EXPECT_EQ(mixed.observer, told.observer) << "no histogram is left of half of the inputs";
  }
}

TEST(Statistics, may_be_any_of_them_and_what_is_missing_is_known) {
  Random random(3);
  const auto all = statistics_of("down", eighths(random, "down", 64));
  struct Row {
    std::vector<std::string> endings;
    Lacks lacks;
  };
  const std::vector<Row> rows = {
      {{".in_sum2", ".counts"}, {.range = true, .distribution = true, .sums = true, .outer = true}},
      {{".in_outer", ".counts"}, {.range = true, .distribution = true, .sums = true}},
      {{".in_min", ".in_max"},
       {.counts = true, .distribution = true, .sums = true, .squares = true, .outer = true}},
      {{".in_sum", ".in_min"},
       {.counts = true, .range = true, .distribution = true, .squares = true, .outer = true}},
  };
  const auto whole = calibrated({test::make_file(all)}).modules.at("down");
  for (const Row &row : rows) {
    const auto found = calibrated({test::make_file(only(all, row.endings))});
    const ModuleStatistics &module = found.modules.at("down");
    EXPECT_EQ(module.lacks, row.lacks) << row.endings[0];
    EXPECT_EQ(module.squares, row.lacks.squares ? std::vector<double>() : whole.squares);
    EXPECT_EQ(module.sums, row.lacks.sums ? std::vector<double>() : whole.sums);
    EXPECT_EQ(module.observer.min_max.is_observed(), !row.lacks.range);
    const auto again = calibration::read_calibration(parse_json(calibration_json(found)));
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again.value().modules.at("down").lacks, row.lacks);
    EXPECT_EQ(again.value().modules.at("down").squares, module.squares);
    EXPECT_EQ(again.value().modules.at("down").sums, module.sums);
  }
}

TEST(Statistics, of_one_layer_are_those_of_all_that_read_the_same_input) {
  Random random(4);
  const auto outcome = gather_statistics(
      statistics_layers(),
      {test::make_file(statistics_of("a.q_proj", eighths(random, "a.q_proj", 64)))});
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome.value().problems.missing, (std::vector<std::string>{"conv", "down"}));
}

TEST(Statistics, that_do_not_fit_are_named) {
  Random random(5);
  const auto good = statistics_of("down", eighths(random, "down", 64));
  for (const FileTensor &wrong :
       {test::make_tensor("conv.in_outer", Dtype::kF32, {3, 3}, std::vector<double>(9)),
        test::make_tensor("conv.in_sum2", Dtype::kF32, {4}, std::vector<double>(4)),
        test::make_tensor("conv.counts", Dtype::kF32, {2}, {1, 1}),
        test::make_tensor("conv.in_max", Dtype::kF32, {2}, {1, 1}),
        test::random_bytes(random, "conv.in_sum", Dtype::kI32, {3})}) {
    std::vector<FileTensor> tensors = good;
    tensors.push_back(wrong);
    const auto outcome = gather_statistics(statistics_layers(), {test::make_file(tensors)});
    ASSERT_TRUE(outcome) << outcome.error().message;
    ASSERT_EQ(outcome.value().problems.misfits.size(), 1U) << wrong.name;
    EXPECT_EQ(outcome.value().problems.misfits[0].name, wrong.name);
    EXPECT_FALSE(outcome.value().calibration.modules.contains("conv"));
  }
}

TEST(Statistics, that_cannot_be_are_of_no_use) {
  Random random(6);
  for (const std::string ending : {".in_sum", ".in_sum2", ".counts", ".in_min"}) {
    for (const double wrong : {static_cast<double>(test::kNan), -1.0}) {
      auto tensors = statistics_of("down", eighths(random, "down", 64));
      for (FileTensor &tensor : tensors) {
        if (tensor.name.ends_with(ending)) {
          std::vector<double> values(tensor.bytes.size() * 8 / dtype_bits(tensor.dtype), wrong);
          tensor = test::make_tensor(tensor.name, tensor.dtype, tensor.shape, values);
        }
      }
      const bool is_fine = wrong < 0 && (ending == ".in_sum" || ending == ".in_min");
      EXPECT_EQ(calibrated({test::make_file(tensors)}).modules.contains("down"), is_fine)
          << ending << " " << wrong;
    }
  }
}

/// The model whose inputs llama-imatrix was run on.
catalog::Catalog small_llama() {
  std::vector<test::Entry> entries = {{"model.embed_tokens.weight", {320, 256}}};
  for (const std::string layer : {"model.layers.0.", "model.layers.1."}) {
    for (const std::string name : {"q", "k", "v"}) {
      entries.push_back({layer + "self_attn." + name + "_proj.weight", {32, 256}});
    }
    entries.push_back({layer + "self_attn.o_proj.weight", {256, 32}});
    entries.push_back({layer + "mlp.gate_proj.weight", {16, 256}});
    entries.push_back({layer + "mlp.up_proj.weight", {16, 256}});
    entries.push_back({layer + "mlp.down_proj.weight", {256, 16}});
  }
  return test::make_catalog(entries);
}

TEST(Statistics, of_llama_imatrix_are_those_of_the_layers_it_means) {
  const catalog::Catalog model = small_llama();
  const auto gguf = gather_statistics(model, {test::read_fixture("statistics/tiny-imatrix.gguf")});
  ASSERT_TRUE(gguf) << gguf.error().message;
  const auto dat = gather_statistics(model, {test::read_fixture("statistics/tiny-imatrix.dat")});
  ASSERT_TRUE(dat) << dat.error().message;
  EXPECT_TRUE(gguf.value().problems.unmatched.empty());
  EXPECT_TRUE(gguf.value().problems.missing.empty());
  ASSERT_EQ(gguf.value().calibration.modules.size(), 14U);
  for (const auto &[name, module] : gguf.value().calibration.modules) {
    const ModuleStatistics &other = dat.value().calibration.modules.at(name);
    ASSERT_EQ(module.squares.size(), name.ends_with("o_proj")      ? 32U
                                     : name.ends_with("down_proj") ? 16U
                                                                   : 256U);
    EXPECT_EQ(module.samples, 192U) << "three chunks of 64";
    EXPECT_TRUE(other.lacks.counts);
    for (size_t i = 0; i < module.squares.size(); ++i) {
      EXPECT_FLOAT_EQ(static_cast<float>(module.second_moment(i)),
                      static_cast<float>(other.second_moment(i)));
    }
  }
  const auto &q = gguf.value().calibration.modules.at("model.layers.0.self_attn.q_proj");
  const auto &k = gguf.value().calibration.modules.at("model.layers.0.self_attn.k_proj");
  const auto &gate = gguf.value().calibration.modules.at("model.layers.0.mlp.gate_proj");
  EXPECT_EQ(q.squares, k.squares);
  EXPECT_NE(q.squares, gate.squares);
}

TEST(Statistics, of_experts_come_row_by_row) {
  std::vector<test::Entry> entries;
  for (size_t expert = 0; expert < 12; ++expert) { // 10 and 11 come before 2 by their names
    entries.push_back({concat("model.layers.0.mlp.experts.", expert, ".up_proj.weight"), {8, 4}});
  }
  std::vector<double> squares;
  std::vector<double> counts;
  for (size_t expert = 0; expert < 12; ++expert) {
    counts.push_back(static_cast<double>(100 + expert));
    squares.insert(squares.end(), 4, static_cast<double>(expert + 1));
  }
  const std::string name = "blk.0.ffn_up_exps.weight";
  const auto outcome = gather_statistics(
      test::make_catalog(entries),
      {test::make_file({test::make_tensor(name + ".in_sum2", Dtype::kF32, {12, 4}, squares),
                        test::make_tensor(name + ".counts", Dtype::kF32, {12, 1}, counts)})});
  ASSERT_TRUE(outcome) << outcome.error().message;
  for (size_t expert = 0; expert < 12; ++expert) {
    const auto &module = outcome.value().calibration.modules.at(
        concat("model.layers.0.mlp.experts.", expert, ".up_proj"));
    EXPECT_EQ(module.squares, std::vector<double>(4, static_cast<double>(expert + 1)));
    EXPECT_EQ(module.samples, 100 + expert);
  }
}

TEST(Statistics, damage_to_files_of_llama_is_refused_and_never_read_past) {
  const catalog::Catalog model = small_llama();
  for (const std::string name : {"tiny-imatrix.gguf", "tiny-imatrix.dat"}) {
    const Bytes whole = test::read_fixture("statistics/" + name);
    for (size_t cut = 8; cut < whole.size(); cut += 97) {
      const auto outcome = gather_statistics(
          model, {Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(cut))});
      EXPECT_FALSE(outcome && name.ends_with("gguf")) << cut;
    }
    Random random(8);
    for (size_t i = 0; i < 2000; ++i) {
      Bytes changed = whole;
      changed[random.index(name.ends_with("gguf") ? 2500 : changed.size())] =
          static_cast<uint8_t>(random.index(256));
      (void)gather_statistics(model, {changed}); // whatever becomes of it, the sanitizers look on
    }
  }
}

} // namespace
} // namespace monoquant::run
