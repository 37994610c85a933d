// Whole runs of the method that needs captured inputs while it rounds.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "monoquant/run/calibrate_stage.h"
#include "monoquant/run/encode_stage.h"
#include "monoquant/run/statistics_stage.h"
#include "monoquant/run/verify_stage.h"
#include "support/drive.h"
#include "support/memory_host.h"
#include "support/sample_tensors.h"

namespace monoquant::run {
namespace {

using test::Bytes;
using test::HostChoice;
using test::Random;

constexpr uint64_t kWidth = 96;

/// Samples whose columns move together: sums of a few of them.
test::FileTensor inputs_of(Random &random, const std::string &name, uint64_t samples) {
  std::vector<double> values;
  for (uint64_t s = 0; s < samples; ++s) {
    const double shared[] = {static_cast<double>(random.weight()),
                             static_cast<double>(random.weight()),
                             static_cast<double>(random.weight())};
    for (uint64_t i = 0; i < kWidth; ++i) {
      values.push_back(shared[i % 3] * static_cast<double>(1 + i % 5) +
                       0.3 * static_cast<double>(random.weight()));
    }
  }
  return test::make_tensor(name, Dtype::kF16, {samples, kWidth}, values);
}

struct Files {
  Bytes model;
  std::vector<Bytes> data;
};

Files make_files() {
  Random random(70);
  Files files;
  files.model = test::make_file({
      test::random_weights(random, "a.weight", Dtype::kF32, {48, kWidth}),
      test::random_weights(random, "b.weight", Dtype::kBF16, {2500, kWidth}), // several units
      test::random_weights(random, "conv.weight", Dtype::kF32, {8, 16, 3, 3}),
      test::random_weights(random, "norm.weight", Dtype::kF32, {kWidth}),
  });
  files.data.push_back(test::make_file(
      {inputs_of(random, "a#0", 70), inputs_of(random, "b#0", 40), inputs_of(random, "a#1", 33)}));
  files.data.push_back(test::make_file({inputs_of(random, "b", 90)}));
  return files;
}

Json options_of(const Files &files, const std::string &method) {
  const auto model = test::inspect(files.model);
  calibration::Calibration calibration;
  for (const Bytes &file : files.data) {
    const auto data = test::inspect_data(file);
    CalibrateStage stage(model.value(), data.value(), std::move(calibration), 2,
                         test::kSmallestBlock);
    EXPECT_TRUE(test::drive(
        stage,
        [&](uint64_t offset, std::span<uint8_t> to) {
          std::copy_n(file.begin() + static_cast<ptrdiff_t>(offset), to.size(), to.begin());
        },
        [](uint64_t, std::span<const uint8_t>) {}));
    calibration = stage.calibration();
  }
  Json options = test::int4_options(32);
  options["method"] = method;
  options["calibration"] = parse_json(calibration::calibration_json(calibration));
  return options;
}

/// The output, or what was wrong.
Result<Bytes> encode(const Files &files, const plan::Plan &plan, const HostChoice &choice) {
  std::vector<catalog::Catalog> data;
  for (const Bytes &file : files.data) {
    data.push_back(test::inspect_data(file).value());
  }
  Bytes output(static_cast<size_t>(plan.file_bytes), 0x5A);
  parallel::Workers workers(choice.threads);
  std::vector<std::unique_ptr<EncodeStage>> stages;
  const auto read = [&](const ByteRange &range, std::span<uint8_t> to) {
    const Bytes &file = range.source == 0   ? files.model
                        : range.source == 1 ? output
                                            : files.data[range.source - 2];
    ASSERT_LE(range.offset + to.size(), file.size());
    std::copy_n(file.begin() + static_cast<ptrdiff_t>(range.offset), to.size(), to.begin());
  };
  const auto write = [&](uint64_t offset, std::span<const uint8_t> bytes) {
    std::copy(bytes.begin(), bytes.end(), output.begin() + static_cast<ptrdiff_t>(offset));
  };
  for (uint64_t share = 0; share < choice.shares; ++share) {
    stages.push_back(std::make_unique<EncodeStage>(plan, workers, Share{share, choice.shares},
                                                   choice.slots, choice.block_bytes, 1 << 20));
    for (const catalog::Catalog &file : data) {
      if (auto added = stages.back()->add_inputs(file); !added) {
        return added.error();
      }
    }
    if (auto done = test::drive(*stages.back(), read, write); !done) {
      return done.error();
    }
  }
  const auto catalog = test::inspect(output);
  EXPECT_TRUE(catalog);
  for (const auto &stage : stages) {
    VerifyStage verify(*stage, catalog.value(), 2, test::kSmallestBlock);
    const auto back = [&](uint64_t offset, std::span<uint8_t> to) {
      std::copy_n(output.begin() + static_cast<ptrdiff_t>(offset), to.size(), to.begin());
    };
    EXPECT_TRUE(test::drive(verify, back, [](uint64_t, std::span<const uint8_t>) {}));
  }
  return output;
}

/// The values of a weight that is stored in groups of 32 without zero points.
std::vector<float> stored_values(const Bytes &output, const std::string &name) {
  const test::TensorFile file = test::parse_file(output);
  const std::vector<uint8_t> &packed = file.tensors.at(name + "_packed").bytes;
  const std::vector<float> scales = test::values_of(file.tensors.at(name + "_scale"));
  std::vector<float> values;
  for (size_t i = 0; i < packed.size() * 2; ++i) {
    const int code = (i % 2 == 0 ? packed[i / 2] & 15 : packed[i / 2] >> 4) - 8;
    values.push_back(static_cast<float>(code) * scales[i / 32]);
  }
  return values;
}

/// Of a layer's output, over all samples that were captured of it.
double output_error(const Files &files, const std::string &layer,
                    const std::vector<float> &stored) {
  const std::vector<float> weights =
      test::values_of(test::parse_file(files.model).tensors.at(layer + ".weight"));
  double sum = 0;
  for (const Bytes &bytes : files.data) {
    for (const auto &[name, tensor] : test::parse_file(bytes).tensors) {
      if (name.substr(0, layer.size()) != layer) {
        continue;
      }
      const std::vector<float> x = test::values_of(tensor);
      for (size_t row = 0; row < weights.size(); row += kWidth) {
        for (size_t s = 0; s < x.size(); s += kWidth) {
          double error = 0;
          for (size_t i = 0; i < kWidth; ++i) {
            error += static_cast<double>(weights[row + i] - stored[row + i]) *
                     static_cast<double>(x[s + i]);
          }
          sum += error * error;
        }
      }
    }
  }
  return sum;
}

TEST(Gptq, loses_less_of_what_layers_compute) {
  const Files files = make_files();
  const plan::Plan plan = test::plan_for(files.model, options_of(files, "gptq"));
  const plan::Plan searched = test::plan_for(files.model, options_of(files, "mse"));
  const Bytes gptq = encode(files, plan, {}).value();
  const Bytes mse = encode(files, searched, {}).value();
  for (const std::string layer : {"a", "b"}) {
    const double error = output_error(files, layer, stored_values(gptq, layer + ".weight"));
    EXPECT_LT(error, 0.5 * output_error(files, layer, stored_values(mse, layer + ".weight")));
    EXPECT_GT(error, 0);
  }
  // No other kind of layer has columns of samples: it is only searched.
  const test::TensorFile one = test::parse_file(gptq);
  const test::TensorFile other = test::parse_file(mse);
  EXPECT_EQ(one.tensors.at("conv.weight_packed"), other.tensors.at("conv.weight_packed"));
  // Nobody may expect the nearest codes.
  EXPECT_FALSE(one.header["__metadata__"].contains("quantized_by"));
  EXPECT_TRUE(other.header["__metadata__"].contains("quantized_by"));
}

TEST(Gptq, has_the_same_bytes_whatever_the_host_chooses) {
  const Files files = make_files();
  const plan::Plan plan = test::plan_for(files.model, options_of(files, "gptq"));
  const Bytes expected = encode(files, plan, {}).value();
  for (const HostChoice &choice :
       {HostChoice{test::kSmallestBlock, 1, 1, 1}, HostChoice{size_t{3} << 20U, 3, 4, 1},
        HostChoice{size_t{1} << 20U, 2, 2, 3}}) {
    const auto output = encode(files, plan, choice);
    ASSERT_TRUE(output) << output.error().message;
    EXPECT_TRUE(output.value() == expected) << choice.threads << " " << choice.shares;
  }
}

/// Of each row the weights of which |w| * sqrt(mean x^2) is least, over all samples that were captured of the layer.
std::vector<bool> wanda_mask(const Files &files, const std::string &layer, size_t zeros) {
  std::vector<double> squares(kWidth);
  double samples = 0;
  for (const Bytes &bytes : files.data) {
    for (const auto &[name, tensor] : test::parse_file(bytes).tensors) {
      const std::vector<float> x =
          name.substr(0, layer.size()) == layer ? test::values_of(tensor) : std::vector<float>();
      for (size_t i = 0; i < x.size(); ++i) {
        squares[i % kWidth] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
      }
      samples += static_cast<double>(x.size() / kWidth);
    }
  }
  const std::vector<float> weights =
      test::values_of(test::parse_file(files.model).tensors.at(layer + ".weight"));
  std::vector<bool> mask(weights.size());
  for (size_t row = 0; row < weights.size(); row += kWidth) {
    std::vector<std::pair<double, size_t>> scores;
    for (size_t i = 0; i < kWidth; ++i) {
      scores.emplace_back(
          std::fabs(static_cast<double>(weights[row + i])) * std::sqrt(squares[i] / samples), i);
    }
    std::sort(scores.begin(), scores.end());
    for (size_t i = 0; i < zeros; ++i) {
      mask[row + scores[i].second] = true;
    }
  }
  return mask;
}

size_t weights_beside(const std::vector<float> &stored, const std::vector<bool> &mask) {
  size_t wrong = 0;
  for (size_t i = 0; i < stored.size(); ++i) {
    wrong += mask[i] && stored[i] != 0 ? 1 : 0;
  }
  return wrong;
}

TEST(Gptq, makes_up_for_weights_that_become_zeros) {
  const Files files = make_files();
  Bytes made[2];
  for (const std::string method : {"gptq", "mse"}) {
    Json options = options_of(files, method);
    options["prune"] = 40;
    const plan::Plan plan = test::plan_for(files.model, options);
    ASSERT_TRUE(plan.tensors[0].change);
    EXPECT_EQ(plan.tensors[0].change->method(), plan::PruneMethod::kWanda);
    // Nothing was captured of it.
    EXPECT_EQ(plan.tensors[2].change->method(), plan::PruneMethod::kMagnitude);
    EXPECT_TRUE(
        std::any_of(plan.warnings.begin(), plan.warnings.end(), [](const plan::Warning &warning) {
          return warning.message.find("by magnitude alone") != std::string::npos &&
                 warning.tensors == std::vector<std::string>{"conv.weight"};
        }));
    const Bytes output = encode(files, plan, {}).value();
    const HostChoice other{test::kSmallestBlock, 2, 2, 2};
    EXPECT_TRUE(method == "mse" || encode(files, plan, other).value() == output);
    for (const std::string layer : {"a", "b"}) {
      const std::vector<float> stored = stored_values(output, layer + ".weight");
      EXPECT_EQ(weights_beside(stored, wanda_mask(files, layer, kWidth * 2 / 5)), 0U)
          << method << " " << layer;
    }
    made[method == "gptq" ? 0 : 1] = output;
  }
  for (const std::string layer : {"a", "b"}) {
    const double error = output_error(files, layer, stored_values(made[0], layer + ".weight"));
    EXPECT_LT(error, 0.7 * output_error(files, layer, stored_values(made[1], layer + ".weight")));
  }
}

/// All samples of a layer in one tensor, in the order of the files and of the batches' numbers.
Bytes in_one_piece(const Files &files) {
  std::vector<test::FileTensor> layers;
  for (const std::string layer : {"a", "b"}) {
    test::FileTensor whole{layer, Dtype::kF16, {0, kWidth}, {}};
    for (const Bytes &file : files.data) {
      for (const auto &[name, tensor] : test::parse_file(file).tensors) {
        if (name.substr(0, layer.size()) == layer) {
          whole.shape[0] += tensor.shape[0];
          whole.bytes.insert(whole.bytes.end(), tensor.bytes.begin(), tensor.bytes.end());
        }
      }
    }
    layers.push_back(std::move(whole));
  }
  return test::make_file(layers);
}

TEST(Gptq, takes_all_batches_however_they_are_spread) {
  Files files = make_files();
  const plan::Plan plan = test::plan_for(files.model, options_of(files, "gptq"));
  const Bytes expected = encode(files, plan, {}).value();
  files.data = {in_one_piece(files)};
  EXPECT_TRUE(encode(files, plan, {}).value() == expected);
}

/// What is known of the inputs, as a file; `outer`: with second moments.
Bytes statistics_of(const Bytes &model, const std::vector<Bytes> &data, bool outer) {
  const auto layers = test::inspect(model);
  std::vector<catalog::Catalog> catalogs;
  calibration::Calibration calibration;
  const auto read_from = [&](const Bytes &file) {
    return [&file](uint64_t offset, std::span<uint8_t> to) {
      ASSERT_LE(offset + to.size(), file.size());
      std::copy_n(file.begin() + static_cast<ptrdiff_t>(offset), to.size(), to.begin());
    };
  };
  for (const Bytes &file : data) {
    catalogs.push_back(test::inspect_data(file).value());
    CalibrateStage stage(layers.value(), catalogs.back(), std::move(calibration), 2,
                         test::kSmallestBlock);
    EXPECT_TRUE(test::drive(stage, read_from(file), [](uint64_t, std::span<const uint8_t>) {}));
    calibration = stage.calibration();
  }
  StatisticsStage stage(layers.value(), calibration, outer, test::kSmallestBlock);
  for (const catalog::Catalog &file : catalogs) {
    EXPECT_TRUE(stage.add_inputs(file));
  }
  const auto size = stage.begin();
  EXPECT_TRUE(size);
  Bytes output(static_cast<size_t>(size.value()), 0xA5);
  const auto read = [&](const ByteRange &range, std::span<uint8_t> to) {
    read_from(data[range.source])(range.offset, to);
  };
  EXPECT_TRUE(test::drive(stage, read, [&](uint64_t offset, std::span<const uint8_t> bytes) {
    ASSERT_LE(offset + bytes.size(), output.size());
    std::copy(bytes.begin(), bytes.end(), output.begin() + static_cast<ptrdiff_t>(offset));
  }));
  EXPECT_EQ(stage.done_bytes(), stage.total_bytes());
  return output;
}

TEST(Gptq, takes_second_moments_for_the_inputs) {
  Files files = make_files();
  const Bytes expected =
      encode(files, test::plan_for(files.model, options_of(files, "gptq")), {}).value();
  files.data = {statistics_of(files.model, files.data, true)};
  const auto tensors = test::parse_file(files.data[0]).tensors;
  EXPECT_EQ(tensors.at("a.in_outer").shape, (std::vector<uint64_t>{kWidth, kWidth}));
  EXPECT_FALSE(tensors.contains("conv.in_outer"));
  const plan::Plan plan = test::plan_for(files.model, options_of(files, "gptq"));
  EXPECT_TRUE(encode(files, plan, {}).value() == expected);
  // And what was made of them is what is made of them again.
  EXPECT_TRUE(statistics_of(files.model, files.data, true) == files.data[0]);
}

TEST(Gptq, is_not_for_layers_of_whose_inputs_only_squares_are_known) {
  Files files = make_files();
  const Bytes searched =
      encode(files, test::plan_for(files.model, options_of(files, "mse")), {}).value();
  files.data = {statistics_of(files.model, files.data, false)};
  const plan::Plan plan = test::plan_for(files.model, options_of(files, "gptq"));
  const auto told =
      std::find_if(plan.warnings.begin(), plan.warnings.end(), [](const plan::Warning &warning) {
        return warning.message.find("move together") != std::string::npos;
      });
  ASSERT_NE(told, plan.warnings.end());
  EXPECT_EQ(told->tensors, (std::vector<std::string>{"a.weight", "b.weight"}));
  EXPECT_TRUE(encode(files, plan, {}).value() == searched);
}

TEST(Gptq, second_moments_of_wide_layers_are_kept_in_blocks) {
  constexpr uint64_t kWide = 4100;
  Random random(71);
  const Bytes model =
      test::make_file({test::random_weights(random, "wide.weight", Dtype::kF32, {2, kWide})});
  const Bytes data =
      test::make_file({test::random_weights(random, "wide", Dtype::kF32, {5, kWide})});
  const Bytes statistics = statistics_of(model, {data}, true);
  const test::FileTensor outer = test::parse_file(statistics).tensors.at("wide.in_outer");
  const uint64_t block = quant::blocks_of(kWide).block;
  ASSERT_EQ(outer.shape, (std::vector<uint64_t>{(kWide - 1) / block + 1, block, block}));
  const std::vector<float> values = test::values_of(outer);
  const std::vector<float> x = test::values_of(test::parse_file(data).tensors.at("wide"));
  for (const auto &[i, j] : {std::pair<uint64_t, uint64_t>{0, 0}, {7, 3}, {4099, 4097}}) {
    double expected = 0;
    for (size_t s = 0; s < 5; ++s) {
      expected += static_cast<double>(x[s * kWide + i]) * static_cast<double>(x[s * kWide + j]);
    }
    const uint64_t place = (i / block * block + i % block) * block + j % block;
    EXPECT_NEAR(values[place], expected, 1e-4) << i << " " << j;
  }
  EXPECT_EQ(values.back(), 0) << "beyond the last column";
  EXPECT_TRUE(statistics_of(model, {statistics}, true) == statistics);
}

TEST(Gptq, wants_captured_inputs) {
  Files files = make_files();
  const auto model = std::make_shared<const catalog::Catalog>(test::inspect(files.model).value());
  Json options = test::int4_options(32);
  options["method"] = "gptq";
  const auto parsed = plan::parse_options(options.dump(), model->tensors.size());
  ASSERT_TRUE(parsed);
  const auto planned = plan::make_plan(model, parsed.value());
  ASSERT_FALSE(planned);
  EXPECT_EQ(planned.error().code, ErrorCode::kInvalidOptions);

  // Counted, but not there any more when they are needed.
  const plan::Plan plan = test::plan_for(files.model, options_of(files, "gptq"));
  files.data.pop_back();
  files.data[0] = test::make_file({test::parse_file(files.data[0]).tensors.at("b#0")});
  const auto output = encode(files, plan, {});
  ASSERT_FALSE(output);
  EXPECT_EQ(output.error().code, ErrorCode::kInvalidOptions);
}

TEST(Gptq, says_which_layers_it_is_about) {
  const Files files = make_files();
  const plan::Plan plan = test::plan_for(files.model, options_of(files, "gptq"));
  for (const plan::TensorPlan &entry : plan.tensors) {
    const std::string &name = plan.catalog->tensors[entry.source].name;
    const bool is_linear = name == "a.weight" || name == "b.weight";
    EXPECT_EQ(entry.explanation.find("gptq") != std::string::npos, is_linear) << name;
  }
}

} // namespace
} // namespace monoquant::run
