#include "monoquant/plan/inputs.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "monoquant/base/text.h"
#include "monoquant/calibration/divided.h"
#include "monoquant/calibration/input_loss.h"
#include "monoquant/calibration/layers.h"
#include "monoquant/catalog/families.h"
#include "monoquant/catalog/gguf_names.h"
#include "monoquant/plan/bias_correction.h"
#include "monoquant/plan/siblings.h"
#include "monoquant/quant/method.h"
#include "monoquant/quant/second_moments.h"

namespace monoquant::plan {
namespace {

using calibration::Calibration;
using calibration::Layer;
using calibration::ModuleStatistics;
using catalog::LayerKind;
using catalog::Tensor;

bool can_be_static(const Plan &plan, size_t tensor) {
  const Quantize *quantize = decided(plan, tensor).quantize();
  return quantize != nullptr && plan.layout->stores_inputs != nullptr &&
         plan.layout->stores_inputs(quantize->stored);
}

/// Of inputs that become small floats, whose errors follow the values, unless these are clipped: that of normally
/// distributed ones, in dB.
constexpr double kSqnrOfF8 = 31.5;
constexpr double kSqnrOfNvfp4 = 20.5;

/// The same for floats. The extremes are what counts: there is no step that all values share.
std::shared_ptr<const InputPlan> choose_float_input(InputPlan input,
                                                    const quant::TensorObserver &observer,
                                                    const quant::Scheme &scheme,
                                                    const Options &options) {
  input.symmetric = true;
  input.method = options.observer.value_or(quant::RangeMethod::kMinMax);
  const auto range = observer.range(input.method);
  if (!range || !range.value().is_observed() || !range.value().is_finite()) {
    return nullptr;
  }
  input.range = range.value();
  const float magnitude = std::max(std::fabs(input.range.min), std::fabs(input.range.max));
  input.is_global = scheme.outer != quant::Outer::kNone;
  input.params.scale = input.is_global
                           ? quant::outer_number(magnitude, scheme)
                           : std::max(magnitude / scheme.reach(), quant::kSmallestScale);
  input.params.zero_point = 0;
  input.sqnr_db = input.is_global ? kSqnrOfNvfp4 : kSqnrOfF8;
  return std::make_shared<const InputPlan>(std::move(input));
}

/// The scale and zero point of a layer's inputs; nothing where their range is not finite.
std::shared_ptr<const InputPlan> choose_input(const ModuleStatistics &statistics,
                                              const quant::Scheme &weights,
                                              const Options &options) {
  if (statistics.lacks.range) {
    return nullptr;
  }
  quant::ObserverOptions observer_options;
  observer_options.percentile = options.percentile;
  const auto observer = quant::TensorObserver::restore(statistics.observer, observer_options);
  if (!observer) {
    return nullptr;
  }
  InputPlan input;
  input.symmetric = options.symmetric_inputs;
  input.samples = statistics.samples;
  if (!weights.has_kernels()) {
    return choose_float_input(std::move(input), observer.value(), weights, options);
  }
  const quant::ActivationScheme scheme = quant::signed_8_bit(options.symmetric_inputs);
  // Statistics have a range at most, so there is nothing to choose between.
  const std::optional<quant::RangeMethod> method =
      statistics.lacks.distribution ? quant::RangeMethod::kMinMax : options.observer;
  if (method) {
    const auto range = observer.value().range(*method);
    if (!range || !range.value().is_observed()) {
      return nullptr;
    }
    input.method = *method;
    input.range = range.value();
    input.params = quant::choose_activation_qparams(input.range, scheme);
  } else {
    auto choice = quant::choose_range(observer.value(), scheme);
    if (!choice || !choice.value().chosen().range.is_observed()) {
      return nullptr;
    }
    input.method = choice.value().chosen().method;
    input.range = choice.value().chosen().range;
    input.params = choice.value().chosen().params;
    input.estimates = std::move(choice.value().estimates);
  }
  input.sqnr_db = calibration::estimated_sqnr_db(statistics, input.params, scheme);
  const bool finite = input.range.is_finite() && std::isfinite(input.params.scale);
  return finite ? std::make_shared<const InputPlan>(std::move(input)) : nullptr;
}

/// The second moment of a channel. An expert that is hardly used says little about what it will meet: as many inputs
/// of the others as this count for it, too.
double moment_of(const ModuleStatistics &statistics, const ModuleStatistics *siblings,
                 size_t channel) {
  constexpr double kOfOthers = 100;
  if (siblings == nullptr || siblings->squares.size() != statistics.squares.size()) {
    return statistics.second_moment(channel);
  }
  const auto own = static_cast<double>(statistics.per_channel);
  return (statistics.squares[channel] + kOfOthers * siblings->second_moment(channel)) /
         (own + kOfOthers);
}

/// How much an error in each column counts: the second moment of what it is multiplied with, the largest being 1.
/// Null where columns are not multiplied with the module's input.
/// `siblings`: of all experts that do the same, this one included; null where it is none.
/// Blocks take the moments as they are: their searches are ggml's own, to the bit.
std::shared_ptr<const std::vector<float>> column_importance(const Tensor &tensor,
                                                            const layout::Stored &stored,
                                                            const ModuleStatistics &statistics,
                                                            const ModuleStatistics *siblings) {
  const uint64_t columns = stored.columns;
  const bool is_transposed = // rows are inputs
      tensor.kind == LayerKind::kConvTranspose || tensor.kind == LayerKind::kGpt2Conv1d;
  if (!calibration::takes_module_input(tensor) || is_transposed || tensor.shape[1] == 0) {
    return nullptr;
  }
  if (statistics.squares.empty()) {
    return nullptr;
  }
  const uint64_t width = tensor.shape[1]; // of one group
  const uint64_t groups = statistics.squares.size() / width;
  const uint64_t kernel = columns / width;
  std::vector<double> moments;
  double largest = 0;
  for (uint64_t channel = 0; channel < width; ++channel) {
    double sum = 0;
    for (uint64_t group = 0; group < groups; ++group) {
      sum += moment_of(statistics, siblings, static_cast<size_t>(group * width + channel));
    }
    moments.push_back(sum / static_cast<double>(groups));
    largest = std::max(largest, moments.back());
  }
  if (largest == 0) {
    return nullptr; // nothing was ever put in: all columns alike
  }
  if (stored.blocks) {
    largest = 1;
  }
  std::vector<float> importance;
  importance.reserve(static_cast<size_t>(columns));
  for (const double moment : moments) {
    importance.insert(importance.end(), static_cast<size_t>(kernel),
                      static_cast<float>(moment / largest));
  }
  return std::make_shared<const std::vector<float>>(std::move(importance));
}

/// Names that warnings are about, each once, in the catalog's order.
class Names {
public:
  void add(std::string_view name) {
    if (seen_.insert(name).second) {
      names_.emplace_back(name);
    }
  }
  void warn(Plan &plan, std::string_view code, std::string message) {
    if (!names_.empty()) {
      plan.warnings.push_back({code, std::move(message), std::move(names_)});
    }
  }

private:
  std::set<std::string_view> seen_;
  std::vector<std::string> names_;
};

class InputPlanner {
public:
  InputPlanner(Plan &plan, const Options &options)
      : plan_(plan), options_(options), calibration_(*options.calibration),
        layers_(calibration::layers_of(*plan.catalog)), shared_(*plan.catalog), biases_(plan) {}

  void run() {
    check_modules();
    find_divisors();
    for (size_t i = 0; i < plan_.tensors.size(); ++i) {
      set_importance(i);
      set_correction(i);
      set_squares(i);
      if (options_.static_inputs()) {
        set_input(i);
      }
    }
    if (options_.static_inputs()) {
      leave_lossy_dynamic();
      keep_siblings_together();
    }
    warn();
  }

private:
  /// Layers whose inputs are not those that were captured.
  void find_divisors() {
    for (const TensorPlan &entry : plan_.tensors) {
      if (entry.change && entry.change->column_factors) {
        divisors_.emplace(catalog::module_name(plan_.catalog->tensors[entry.source].name),
                          entry.change->column_factors.get());
      }
    }
  }

  /// Modules of the calibration that this model cannot use.
  void check_modules() {
    const std::vector<std::string> heads = catalog::modules_without_tensors(*plan_.catalog);
    for (const auto &[name, statistics] : calibration_.modules) {
      const auto layer = layers_.find(name);
      if (layer == layers_.end()) {
        // Whoever captures every layer's inputs captures those of a tied head as well.
        if (std::find(heads.begin(), heads.end(), name) == heads.end()) {
          unmatched_.add(name);
        }
      } else if (statistics.channels() != 0 &&
                 !calibration::takes_channels(layer->second, statistics.channels())) {
        misfits_.add(name);
      } else {
        usable_.emplace(name, &statistics);
        if (statistics.samples < calibration::kFewSamples && !statistics.lacks.counts) {
          few_.add(name);
        }
      }
    }
    for (const std::string &name : calibration_.left_out) {
      nan_.add(name);
    }
  }

  /// Of the module itself, or of one that reads the same input.
  [[nodiscard]] const ModuleStatistics *statistics_of(std::string_view module) {
    if (calibration_.left_out.contains(module)) {
      return nullptr;
    }
    const auto found = usable_.find(
        shared_.whose(module, [&](std::string_view name) { return usable_.contains(name); }));
    if (found == usable_.end()) {
      return nullptr;
    }
    const auto factors = divisors_.find(module);
    return factors == divisors_.end()
               ? found->second
               : divided_statistics(module, *found->second, *factors->second);
  }

  /// Of inputs as they will be, where what is before the layer is divided; null if there is no telling.
  const ModuleStatistics *divided_statistics(std::string_view module,
                                             const ModuleStatistics &statistics,
                                             const std::vector<double> &factors) {
    if (statistics.channels() != factors.size()) {
      return nullptr;
    }
    const auto [made, is_new] = divided_.try_emplace(module);
    if (is_new) {
      made->second = calibration::divided(statistics, factors);
    }
    return &made->second;
  }

  /// The statistics of all experts of a layer that do the same, added up; null where the module is none.
  const ModuleStatistics *experts_beside(std::string_view module) {
    if (!catalog::expert_number(module)) {
      return nullptr;
    }
    if (experts_.empty()) {
      for (const auto &[name, statistics] : usable_) {
        if (!catalog::expert_number(name) || statistics->lacks.counts) {
          continue;
        }
        ModuleStatistics &sum = experts_[catalog::without_expert(name)];
        sum.squares.resize(std::max(sum.squares.size(), statistics->squares.size()));
        for (size_t i = 0; i < statistics->squares.size(); ++i) {
          sum.squares[i] += statistics->squares[i];
        }
        sum.per_channel += statistics->per_channel;
      }
    }
    const auto found = experts_.find(catalog::without_expert(module));
    return found == experts_.end() ? nullptr : &found->second;
  }

  void set_importance(size_t index) {
    TensorPlan &entry = plan_.tensors[index];
    const Tensor &tensor = plan_.catalog->tensors[index];
    Quantize *quantize = entry.quantize();
    if (quantize == nullptr) {
      return;
    }
    const bool is_weighted = quant::facts_of(quantize->stored.scheme.method).takes_importance;
    // Where a layer's inputs stay as they are, what it loses can be told however its codes were made.
    const bool is_measured = quantize->stored.weights_only && !quantize->stored.blocks;
    if (!is_weighted && !is_measured) {
      return;
    }
    const std::string_view module = catalog::module_name(tensor.name);
    if (const ModuleStatistics *statistics = statistics_of(module)) {
      quantize->importance =
          column_importance(tensor, quantize->stored, *statistics, experts_beside(module));
      if (quantize->importance && (quantize->importance->size() != quantize->stored.columns ||
                                   quantize->stored.scheme.rotation != 0)) {
        quantize->importance = nullptr; // the layout sees other columns
      }
      entry.explanation += quantize->importance && is_weighted ? " by its inputs" : "";
    } else if (is_weighted &&
               tensor.kind != LayerKind::kEmbedding) { // which has no columns of inputs
      unweighted_.add(tensor.name);
    }
    set_feedback(entry, tensor);
  }

  /// Unless it is asked for, of few bits: those of 8 hardly move anything.
  void set_correction(size_t index) {
    constexpr uint32_t kFewBits = 6;
    const bool is_asked_for = options_.bias_correction == BiasCorrectionChoice::kOn;
    const std::optional<size_t> bias = options_.bias_correction == BiasCorrectionChoice::kOff
                                           ? std::nullopt
                                           : biases_.bias_of(index);
    if (!bias ||
        (!is_asked_for && plan_.tensors[index].quantize()->stored.scheme.bits > kFewBits)) {
      return;
    }
    const ModuleStatistics *statistics =
        statistics_of(catalog::module_name(plan_.catalog->tensors[index].name));
    const bool is_known = statistics != nullptr && biases_.correct(index, *bias, *statistics);
    if (!is_known && is_asked_for) {
      meanless_.add(plan_.catalog->tensors[index].name);
    }
  }

  /// What weights are pruned by: whatever their method, and of floats, too.
  void set_squares(size_t index) {
    TensorPlan &entry = plan_.tensors[index];
    if (!entry.change || entry.change->zeros == 0 ||
        options_.prune_method == PruneMethod::kMagnitude) {
      return;
    }
    const Tensor &tensor = plan_.catalog->tensors[index];
    const std::string_view module = catalog::module_name(tensor.name);
    const ModuleStatistics *statistics = statistics_of(module);
    if (statistics == nullptr) {
      return; // explain_pruning names it
    }
    layout::Stored rows;
    rows.columns = entry.change->columns;
    auto squares = column_importance(tensor, rows, *statistics, experts_beside(module));
    if (squares && squares->size() == rows.columns) {
      ValueChange change = *entry.change;
      change.squares = std::move(squares);
      entry.change = std::make_shared<const ValueChange>(std::move(change));
    }
  }

  /// Layers whose columns are what samples consist of; others are only searched.
  void set_feedback(TensorPlan &entry, const Tensor &tensor) {
    quant::Scheme &scheme = entry.quantize()->stored.scheme;
    if (!quant::facts_of(scheme.method).needs_moments) {
      return;
    }
    const auto layer = layers_.find(catalog::module_name(tensor.name));
    const bool is_linear = tensor.kind == LayerKind::kLinear || tensor.kind == LayerKind::kHead;
    const ModuleStatistics *statistics = statistics_of(catalog::module_name(tensor.name));
    const bool has_outer = statistics != nullptr && !statistics->lacks.outer;
    const bool is_asked_for = entry.quantize()->asked_method == quant::Method::kGptq;
    if (is_asked_for && statistics != nullptr && !has_outer && is_linear) {
      only_squares_.add(tensor.name);
    }
    if (entry.quantize()->importance && has_outer && is_linear && layer != layers_.end() &&
        !layer->second.is_convolution && layer->second.width == entry.quantize()->stored.columns &&
        entry.quantize()->stored.matrices == 1) {
      const size_t block = quant::blocks_of(static_cast<size_t>(layer->second.width)).block;
      entry.explanation += block < layer->second.width
                               ? concat(", errors fed back among ", block, " columns (gptq)")
                               : std::string(", errors fed back (gptq)");
    } else {
      scheme.method = quant::Method::kMse;
    }
  }

  void set_input(size_t index) {
    if (!can_be_static(plan_, index)) {
      return;
    }
    const Tensor &tensor = plan_.catalog->tensors[index];
    const std::string_view module = catalog::module_name(tensor.name);
    const ModuleStatistics *statistics = statistics_of(module);
    if (statistics == nullptr) {
      missing_.add(tensor.name);
      return;
    }
    const auto [input, is_new] = inputs_.try_emplace(module);
    if (is_new) {
      const quant::Scheme &weights = decided(plan_, index).quantize()->stored.scheme;
      input->second = choose_input(*statistics, weights, options_);
    }
    plan_.tensors[index].input = input->second;
    if (input->second) {
      if (options_.observer && input->second->method != *options_.observer) {
        only_range_.add(module);
      }
    } else if (statistics->lacks.range) {
      rangeless_.add(module);
    } else {
      infinite_.add(module);
    }
  }

  /// A fused layer has one scheme: without data for all of it, none of it is static.
  void keep_siblings_together() {
    for (const auto &[name, members] : catalog::fused_families(*plan_.catalog)) {
      const auto is_static = [&](size_t i) { return plan_.tensors[i].input != nullptr; };
      const auto is_dynamic = [&](size_t i) {
        return can_be_static(plan_, i) && plan_.tensors[i].input == nullptr;
      };
      if (std::none_of(members.begin(), members.end(), is_dynamic)) {
        continue;
      }
      for (const size_t i : members) {
        if (is_static(i)) {
          plan_.tensors[i].input = nullptr;
          held_back_.add(plan_.catalog->tensors[i].name);
        }
      }
    }
  }

  /// One stored scale loses most of some inputs, since a few large values set it: quantized as they come, each has a
  /// scale of its own, which loses less.
  void leave_lossy_dynamic() {
    for (TensorPlan &entry : plan_.tensors) {
      if (entry.input && entry.input->sqnr_db < static_cast<double>(options_.min_input_sqnr)) {
        entry.explanation += concat(", dynamic: a stored scale would leave its inputs ",
                                    std::lround(entry.input->sqnr_db), " dB");
        entry.input = nullptr;
      }
    }
  }

  /// Named worst first.
  void warn_about_losses() {
    constexpr int kMuch = 15; // dB
    std::set<std::pair<double, std::string_view>> lossy;
    for (const TensorPlan &entry : plan_.tensors) {
      if (entry.input && entry.input->sqnr_db < kMuch) {
        lossy.emplace(entry.input->sqnr_db,
                      catalog::module_name(plan_.catalog->tensors[entry.source].name));
      }
    }
    if (lossy.empty()) {
      return;
    }
    const auto &[worst, module] = *lossy.begin();
    Names names;
    for (const auto &[sqnr, name] : lossy) {
      names.add(name);
    }
    names.warn(plan_, "calibration-lossy",
               concat("One stored scale loses much of these layers' inputs, since a few large "
                      "values set it: their SQNR is below ",
                      kMuch, " dB (estimated), that of \"", module, "\" ", std::lround(worst),
                      " dB. Leave them dynamic, as they are by default: that loses less."));
  }

  void warn() {
    warn_about_losses();
    unmatched_.warn(plan_, "calibration-unmatched",
                    "The calibration has data of these modules, which are no layers of the model.");
    misfits_.warn(plan_, "calibration-unmatched",
                  "The calibration's data of these layers have another width than the layers.");
    few_.warn(plan_, "calibration-small",
              concat("The calibration has less than ", calibration::kFewSamples,
                     " samples of these layers' inputs."));
    nan_.warn(plan_, "calibration-nan",
              "The inputs of these layers had NaN among them and were left out.");
    infinite_.warn(plan_, "calibration-nan",
                   "The inputs of these layers have no finite range: they are quantized as they "
                   "come.");
    rangeless_.warn(
        plan_, "calibration-missing",
        "The calibration does not say which range the inputs of these layers have: they "
        "are quantized as they come.");
    only_range_.warn(plan_, "calibration-missing",
                     "The calibration has no more than the range of these layers' inputs: the "
                     "observer is minmax.");
    only_squares_.warn(plan_, "calibration-missing",
                       "The calibration does not say how the inputs of these layers move together, "
                       "which the method gptq needs: they are quantized by the method mse.");
    meanless_.warn(plan_, "calibration-missing",
                   "The calibration does not say what the means of these weights' inputs are: the "
                   "biases beside them stay as they are.");
    missing_.warn(plan_, "calibration-missing",
                  "The calibration has no data of these weights' layers: their inputs are "
                  "quantized as they come.");
    held_back_.warn(plan_, "calibration-missing",
                    "These are fused with layers that have no data: their inputs are quantized as "
                    "they come.");
    unweighted_.warn(plan_, "calibration-missing",
                     "The calibration has no data of these weights' layers: the search takes all "
                     "columns alike.");
  }

  Plan &plan_;
  const Options &options_;
  const Calibration &calibration_;
  std::map<std::string_view, Layer> layers_;
  calibration::SharedInputs shared_;
  BiasCorrector biases_;
  std::map<std::string_view, const ModuleStatistics *> usable_;
  std::map<std::string_view, std::shared_ptr<const InputPlan>> inputs_; // by module
  std::map<std::string, ModuleStatistics, std::less<>> experts_;        // sums, by what they do
  std::map<std::string_view, const std::vector<double> *> divisors_;    // of inputs, by module
  std::map<std::string_view, ModuleStatistics> divided_;
  Names unmatched_;
  Names misfits_;
  Names few_;
  Names nan_;
  Names infinite_;
  Names rangeless_;
  Names only_range_;
  Names only_squares_;
  Names meanless_;
  Names missing_;
  Names held_back_;
  Names unweighted_;
};

} // namespace

std::vector<std::string> wanted_input_names(const Plan &plan, const Options &options,
                                            const calibration::SharedInputs &shared,
                                            size_t tensor) {
  const Tensor &weight = plan.catalog->tensors[tensor];
  const auto has_data = [&](std::string_view module) {
    return options.calibration->find(module) != nullptr;
  };
  if (!options.static_inputs() || !options.calibration || !can_be_static(plan, tensor) ||
      !has_data(shared.whose(catalog::module_name(weight.name), has_data))) {
    return {};
  }
  std::vector<std::string> names;
  const layout::StoredInput any{1.0F, 0, options.symmetric_inputs,
                                decided(plan, tensor).quantize()->stored.has_outer()};
  for (const layout::Stream &stream : plan.layout->input_streams(weight, any)) {
    for (const std::string_view part : plan.layout->part_suffixes) {
      if (stream.name.ends_with(part)) {
        names.push_back(stream.name.substr(0, stream.name.size() - part.size()));
      }
    }
    names.push_back(stream.name);
  }
  return names;
}

void plan_inputs(Plan &plan, const Options &options) {
  if (options.calibration) {
    InputPlanner(plan, options).run();
  }
}

} // namespace monoquant::plan
