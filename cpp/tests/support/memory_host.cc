#include "support/memory_host.h"
#include "support/random.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "monoquant/base/json_writer.h"
#include "monoquant/layout/inspector.h"
#include "monoquant/run/seal_stage.h"
#include "monoquant/run/verify_stage.h"
#include "support/drive.h"

namespace monoquant::test {
namespace {

[[noreturn]] void stop(const Error &error) {
  std::fprintf(stderr, "Unexpected error: %s\n", error_json(error).c_str());
  std::abort();
}

/// A reader of `file` for `drive`; reading past the end is the engine's mistake.
auto reader_of(const Bytes &file) {
  return [&file](uint64_t offset, std::span<uint8_t> to) {
    if (offset > file.size() || to.size() > file.size() - offset) {
      std::fprintf(stderr, "The engine reads beyond the end of the file.\n");
      std::abort();
    }
    std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(offset), to.size(), to.begin());
  };
}

} // namespace

Result<catalog::Catalog> inspect(const Bytes &file, catalog::Opening opening) {
  layout::Inspector inspector(file.size(), std::move(opening));
  const auto read = reader_of(file);
  while (true) {
    auto step = inspector.step();
    if (!step) {
      return step.error();
    }
    if (!step.value()) {
      return inspector.catalog();
    }
    Bytes bytes(static_cast<size_t>(step.value()->length));
    read(step.value()->offset, bytes);
    inspector.add(step.value()->offset, std::move(bytes));
  }
}

Result<catalog::Catalog> inspect_data(const Bytes &file) {
  catalog::Opening opening;
  opening.accepts_arrays = true;
  return inspect(file, std::move(opening));
}

Json default_options() {
  return Json::parse(
      R"({"container":"safetensors","format":"compressed-tensors","duplicateTies":false,"bits":8,"mode":"dynamic","scheme":"symmetric","strategy":"channel",
    "calibration":null,"observer":"auto","percentile":99.99,"minInputSqnr":0,"inputScheme":"symmetric",
    "groupSize":-1,"method":"rtn","floatType":"F16","layers":["linear","conv1d","conv2d","conv3d","lstm","gru","rnn",
    "experts"],"defaultIgnore":true,"minElements":512,"ignore":[],"overrides":[],"unfit":[]})");
}

Json default_options_with(const std::string &key, Json value) {
  Json options = default_options();
  options[key] = std::move(value);
  return options;
}

Json int4_options(int64_t group) {
  Json options = default_options();
  options["bits"] = 4;
  options["mode"] = "weights-only";
  options["strategy"] = group < 0 ? "channel" : "group";
  options["groupSize"] = group;
  return options;
}

Json asymmetric_int4() {
  Json options = int4_options(32);
  options["scheme"] = "asymmetric";
  return options;
}

Json packed_8_options() {
  Json options = default_options();
  options["mode"] = "weights-only";
  return options;
}

Json float_options(std::string_view type) {
  Json options = default_options();
  options["bits"] = 16;
  options["mode"] = "weights-only";
  options["floatType"] = type;
  return options;
}

plan::Plan plan_for(const catalog::Catalog &catalog, const Json &options) {
  auto parsed = plan::parse_options(options.dump(), catalog.tensors.size());
  if (!parsed) {
    stop(parsed.error());
  }
  auto plan = plan::make_plan(catalog, parsed.value());
  if (!plan) {
    stop(plan.error());
  }
  return std::move(plan.value());
}

plan::Plan plan_for(const Bytes &file, const Json &options) {
  auto catalog = inspect(file);
  if (!catalog) {
    stop(catalog.error());
  }
  return plan_for(catalog.value(), options);
}

auto MemoryRun::writer() {
  return [this](uint64_t offset, std::span<const uint8_t> bytes) {
    if (offset > output_.size() || bytes.size() > output_.size() - offset) {
      std::fprintf(stderr,
                   "The engine writes %zu bytes at %llu, beyond the end of the output (%zu).\n",
                   bytes.size(), static_cast<unsigned long long>(offset), output_.size());
      std::abort();
    }
    std::copy(bytes.begin(), bytes.end(), output_.begin() + static_cast<std::ptrdiff_t>(offset));
  };
}

void weigh_columns(plan::Plan &plan, uint64_t seed) {
  Random random(seed);
  for (plan::TensorPlan &entry : plan.tensors) {
    if (entry.quantize() == nullptr) {
      continue;
    }
    std::vector<float> importance(static_cast<size_t>(entry.quantize()->stored.columns));
    for (float &weight : importance) {
      const float activation = random.weight();
      weight = activation * activation * 0x1p20F;
    }
    entry.quantize()->importance =
        std::make_shared<const std::vector<float>>(std::move(importance));
  }
}

MemoryRun::MemoryRun(plan::Plan plan, const Bytes &source, HostChoice choice)
    : plan_(std::make_unique<plan::Plan>(std::move(plan))),
      workers_(std::make_unique<parallel::Workers>(choice.threads)), choice_(choice),
      output_(static_cast<size_t>(plan_->file_bytes), uint8_t{0xCC}) {
  for (uint64_t share = 0; share < choice.shares; ++share) {
    stages_.push_back(std::make_unique<run::EncodeStage>(
        *plan_, *workers_, run::Share{share, choice.shares}, choice.slots, choice.block_bytes));
    auto done = drive(*stages_.back(), reader_of(source), writer());
    if (!done) {
      stop(done.error());
    }
  }
}

std::vector<run::BandErrors> MemoryRun::errors() const {
  std::vector<run::BandErrors> all;
  for (const auto &stage : stages_) {
    all.insert(all.end(), stage->errors().begin(), stage->errors().end());
  }
  std::stable_sort(all.begin(), all.end(), [](const run::BandErrors &a, const run::BandErrors &b) {
    return a.tensor != b.tensor ? a.tensor < b.tensor : a.band < b.band;
  });
  return all;
}

quant::ErrorSums MemoryRun::tensor_errors(size_t source) const {
  quant::ErrorSums sums;
  for (const run::BandErrors &band : errors()) {
    if (plan_->tensors[band.tensor].source == source) {
      sums.add(band.sums);
    }
  }
  return sums;
}

std::map<size_t, plan::Unfit> MemoryRun::unfit() const {
  std::map<size_t, plan::Unfit> all;
  for (const auto &stage : stages_) {
    all.insert(stage->unfit().begin(), stage->unfit().end());
  }
  return all;
}

std::vector<run::WrittenRange> MemoryRun::extents() const {
  std::vector<run::WrittenRange> all;
  for (const auto &stage : stages_) {
    all.insert(all.end(), stage->extents().begin(), stage->extents().end());
  }
  std::sort(all.begin(), all.end(), [](const run::WrittenRange &a, const run::WrittenRange &b) {
    return a.offset < b.offset;
  });
  return all;
}

Result<void> MemoryRun::seal() {
  std::string results;
  for (const auto &stage : stages_) {
    results += results.empty() ? "[" : ",";
    results += stage->result_json();
  }
  run::SealStage seal(*stages_[0], results + "]");
  return drive(seal, reader_of(output_), writer());
}

Result<void> MemoryRun::verify(const Bytes &file) const {
  for (size_t i = 0; i < plan_->files.size(); ++i) {
    // The last file has whatever else is there.
    const bool is_last = i + 1 == plan_->files.size();
    const auto [begin, bytes] = plan_->files[i];
    const uint64_t end = is_last ? file.size() : std::min<uint64_t>(begin + bytes, file.size());
    const auto from = file.begin() + static_cast<std::ptrdiff_t>(std::min<uint64_t>(begin, end));
    auto catalog = inspect({from, file.begin() + static_cast<std::ptrdiff_t>(end)});
    if (!catalog) {
      return catalog.error();
    }
    if (auto wrong = run::compare_structure(*plan_, i, catalog.value())) {
      return *wrong;
    }
  }
  for (const auto &stage : stages_) {
    run::VerifyStage verify(*stage, choice_.slots, choice_.block_bytes);
    auto done = drive(verify, reader_of(file), [](uint64_t, std::span<const uint8_t>) {});
    if (!done) {
      return done;
    }
  }
  return {};
}

} // namespace monoquant::test
