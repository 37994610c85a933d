// Any model with any options: plan, encode, open; what is found is what was planned.
// It exists because a plan is a promise about a file that somebody else reads: names, limits, containers and
// configurations meet here as they do in no test of one of them.
// What cannot be written is refused by the plan, before any work, in words.
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "generate/model.h"
#include "generate/options.h"
#include "monoquant/plan/plan.h"
#include "properties.h"
#include "properties/written_file.h"
#include "support/memory_host.h"

namespace monoquant::fuzz {
namespace {

/// What a host chooses, without any effect on the file.
test::HostChoice make_host(Choices &choices) {
  constexpr size_t kBlocks[] = {test::kSmallestBlock, size_t{3} << 18U, size_t{1} << 20U};
  test::HostChoice host;
  host.block_bytes = choices.pick(kBlocks);
  host.slots = choices.between(1, 3);
  host.shares = choices.between(1, 3);
  return host;
}

/// Nothing where the plan is refused, which must be said in words and be about the options or a limit.
std::optional<plan::Plan> make_plan(const Model &model, const Json &options) {
  auto parsed = plan::parse_options(options.dump(), model.catalog.tensors.size());
  require(parsed.has_value(), "valid options are taken", parsed ? "" : parsed.error().message);
  auto plan = plan::make_plan(model.catalog, parsed.value());
  if (!plan) {
    const Error &error = plan.error();
    require(error.code == ErrorCode::kLimitExceeded || error.code == ErrorCode::kInvalidOptions,
            "a plan is only refused for a reason", error.message);
    require(!error.message.empty() && !error.suggestion.empty(), "a refusal says what to do",
            error.message);
    return std::nullopt;
  }
  require(parse_json(plan::plan_json(plan.value())).is_object(), "plans are JSON");
  return std::move(plan.value());
}

void check_plan(const Model &model, const plan::Plan &plan) {
  require(plan.tensors.size() == model.tensors.size(), "every tensor is in the plan");
  std::set<std::string> names;
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    const plan::TensorPlan &entry = plan.tensors[i];
    require(entry.source == i && !entry.explanation.empty(), "every decision is explained");
    require(plan::outputs(plan, entry.source).empty() ==
                (entry.decision() == plan::Decision::kDrop),
            "what is not dropped is in the output", model.tensors[i].name);
    for (const plan::Output &output : plan::outputs(plan, entry.source)) {
      require(names.insert(output.name).second, "names in the output are unique", output.name);
    }
  }
}

/// Plans again with what turned out to be unfit, as hosts do.
void add_unfit(Json &options, const test::MemoryRun &run) {
  for (const auto &[index, unfit] : run.unfit()) {
    options["unfit"].push_back({{"tensor", unfit.tensor},
                                {"reason", plan::reason_name(unfit.reason)},
                                {"explanation", unfit.explanation}});
  }
}

void check_model(const Model &model, Choices &choices) {
  Json options = make_options(choices, model.catalog);
  const test::HostChoice host = make_host(choices);
  auto plan = make_plan(model, options);
  if (!plan) {
    return;
  }
  check_plan(model, *plan);
  auto run = std::make_unique<test::MemoryRun>(std::move(*plan), model.file, host);
  if (!run->unfit().empty()) {
    add_unfit(options, *run);
    plan = make_plan(model, options);
    if (!plan) {
      return; // what is now copied keeps its name, which the container may not hold
    }
    check_plan(model, *plan);
    run = std::make_unique<test::MemoryRun>(std::move(*plan), model.file, host);
    require(run->unfit().empty(), "what is unfit is found in the first run");
  }
  const auto sealed = run->seal();
  require(sealed.has_value(), "a run is completed", sealed ? "" : sealed.error().message);
  const auto verified = run->verify(run->output());
  require(verified.has_value(), "a file is verified", verified ? "" : verified.error().message);
  const WrittenFile written(model, run->plan(), run->output());
  if (run->plan().layout != layout::layouts()[0]) {
    written.check_format();
    return;
  }
  written.check_outputs();
  written.check_opened();
  written.check_values();
  if (choices.chance(4)) {
    written.check_trial();
  }
}

} // namespace

void check_round_trip(Input input) {
  Choices choices(input);
  const Model model = make_model(choices);
  check_model(model, choices);
}

void check_many(Input input) {
  Choices choices(input);
  const Model model = make_many(choices);
  check_model(model, choices);
}

} // namespace monoquant::fuzz
