#include "monoquant/calibration/match.h"

#include <algorithm>
#include <map>
#include <set>

#include "monoquant/base/sort.h"
#include "monoquant/base/text.h"
#include "monoquant/catalog/gguf_names.h"
#include "monoquant/quant/second_moments.h"

namespace monoquant::calibration {
namespace {

using catalog::Tensor;

constexpr size_t kMaxDigits = 15; // of a batch's number
constexpr size_t kNamed = 3;      // names in an error
constexpr std::string_view kWeight = ".weight";

struct BatchName {
  std::string_view module;
  uint64_t number = 0;
};

/// "conv1#3" with '#' → conv1, 3. Nothing where no number stands behind the last mark.
std::optional<BatchName> numbered(std::string_view name, char mark) {
  const size_t at = name.rfind(mark);
  if (at == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view digits = name.substr(at + 1);
  if (digits.empty() || digits.size() > kMaxDigits ||
      digits.find_first_not_of("0123456789") != std::string_view::npos) {
    return std::nullopt;
  }
  BatchName result{name.substr(0, at)};
  for (const char digit : digits) {
    result.number = result.number * 10 + static_cast<uint64_t>(digit - '0');
  }
  return result;
}

/// Modules of the model that are no layers with inputs of their own: norms, embeddings, containers.
std::set<std::string_view> other_modules(const catalog::Catalog &model) {
  std::set<std::string_view> modules;
  for (const Tensor &tensor : model.tensors) {
    for (std::string_view name = catalog::module_name(tensor.name); !name.empty();
         name = catalog::module_name(name)) {
      modules.insert(name);
    }
  }
  return modules;
}

/// "[64]": what a statistic of this layer is, for messages.
std::string expected_statistic(const Layer &layer, Statistic statistic, uint64_t channels) {
  const std::string width = channels != 0
                                ? concat(channels)
                                : concat(layer.width, layer.most_groups > 1 ? " × groups" : "");
  switch (statistic) {
  case Statistic::kCounts:
    return "one number";
  case Statistic::kOuter:
    return layer.is_convolution ? std::string("nothing for a convolution")
                                : concat("[", width, ", ", width, "]");
  case Statistic::kMin:
  case Statistic::kMax:
    return concat("one number, or [", width, "]");
  default:
    return concat("[", width, "]");
  }
}

class Matcher {
public:
  Matcher(const catalog::Catalog &model, const catalog::Catalog &data, const Calibration &so_far)
      : layers_(layers_of(model)), heads_(catalog::modules_without_tensors(model)),
        others_(other_modules(model)), data_(data), so_far_(so_far) {
    others_.insert(heads_.begin(), heads_.end());
    for (const auto &[module, layer] : layers_) {
      if (auto name = catalog::gguf_name(module)) {
        gguf_names_[std::move(*name)].push_back(module);
      }
    }
  }

  Match run() {
    for (size_t i = 0; i < data_.tensors.size(); ++i) {
      if (add_statistic(i)) {
        continue;
      }
      const BatchName name = parse(data_.tensors[i].name);
      const auto layer = layers_.find(name.module);
      if (layer == layers_.end()) {
        note_stranger(name.module);
      } else {
        ++known_;
        add(i, name, layer->second);
      }
    }
    for (size_t m = 0; m < match_.modules.size(); ++m) {
      sort_batches(m);
    }
    return std::move(match_);
  }

  /// Tensors whose names are those of layers.
  [[nodiscard]] size_t known() const { return known_; }

private:
  [[nodiscard]] BatchName parse(std::string_view name) const {
    if (layers_.contains(name)) {
      return {name};
    }
    for (const char mark : {'#', '.'}) {
      const auto batch = numbered(name, mark);
      // A number behind a dot may belong to the name.
      if (batch && (mark == '#' || layers_.contains(batch->module) ||
                    (others_.contains(batch->module) && !others_.contains(name)))) {
        return *batch;
      }
    }
    return {name};
  }

  /// False if the tensor is no statistic.
  bool add_statistic(size_t index) {
    const std::string &name = data_.tensors[index].name;
    const auto parsed = layers_.contains(name) ? std::nullopt : statistic_of(name);
    if (!parsed) {
      return false;
    }
    std::string_view module = parsed->first;
    if (module.ends_with(kWeight) && !layers_.contains(module)) {
      module.remove_suffix(kWeight.size());
    }
    if (const auto layer = layers_.find(module); layer != layers_.end()) {
      ++known_;
      add_part(layer->first, layer->second, parsed->second, {index, 0, 1});
      return true;
    }
    const auto gguf = gguf_names_.find(module);
    if (gguf == gguf_names_.end()) {
      note_stranger(module);
      return true;
    }
    ++known_;
    for (const std::string_view each : gguf->second) {
      const auto expert = catalog::expert_number(each);
      const uint64_t experts = expert ? gguf->second.size() : 1;
      add_part(each, layers_.find(each)->second, parsed->second,
               {index, expert.value_or(0), experts});
    }
    return true;
  }

  /// One of `count` equal parts of a tensor.
  struct Piece {
    size_t tensor = 0;
    uint64_t index = 0;
    uint64_t count = 1;
  };

  void add_part(std::string_view module, const Layer &layer, Statistic statistic, Piece piece) {
    const Tensor &tensor = data_.tensors[piece.tensor];
    if (so_far_.left_out.contains(module)) {
      return;
    }
    if (!dtype_is_quantizable(tensor.dtype) && statistic != Statistic::kCounts) {
      match_.problems.misfits.push_back(
          {tensor.name, "floating point", std::string(dtype_name(tensor.dtype))});
      return;
    }
    // One number for all experts: what older files of llama.cpp have.
    const bool is_shared = statistic == Statistic::kCounts && tensor.elements == 1;
    const uint64_t elements = is_shared ? 1 : tensor.elements / piece.count;
    uint64_t channels = channels_of(module);
    bool fits = is_shared || (tensor.elements % piece.count == 0 && piece.index < piece.count);
    if (statistic == Statistic::kCounts) {
      fits = fits && elements == 1 && tensor.dtype != Dtype::kBool;
    } else if (statistic == Statistic::kOuter) {
      fits = fits && !layer.is_convolution && quant::is_moment_shape(layer.width, tensor.shape) &&
             (channels == 0 || channels == layer.width);
      channels = fits ? layer.width : channels;
    } else if (statistic == Statistic::kSum || statistic == Statistic::kSquares || elements != 1) {
      fits = fits && takes_channels(layer, elements) && (channels == 0 || channels == elements);
      channels = fits ? elements : channels;
    }
    if (!fits) {
      match_.problems.misfits.push_back(
          {tensor.name, expected_statistic(layer, statistic, channels), shape_text(tensor.shape)});
      return;
    }
    const auto [place, is_new] = places_.try_emplace(module, match_.modules.size());
    if (is_new) {
      match_.modules.push_back({std::string(module), 0, {}, {}});
      numbers_.emplace_back();
    }
    ModuleBatches &of_module = match_.modules[place->second];
    of_module.channels = channels;
    if (!of_module.has(statistic)) {
      of_module.statistics.push_back(
          {statistic, piece.tensor, is_shared ? 0 : piece.index * elements, elements});
    }
  }

  /// That the data have had so far, here or in other files; 0: not known yet.
  [[nodiscard]] uint64_t channels_of(std::string_view module) const {
    const auto place = places_.find(module);
    if (place != places_.end() && match_.modules[place->second].channels != 0) {
      return match_.modules[place->second].channels;
    }
    const ModuleStatistics *before = so_far_.find(module);
    return before == nullptr ? 0 : before->channels();
  }

  /// A module that is none of our business (a norm, say, or a tied head) is no mistake.
  void note_stranger(std::string_view module) {
    if (!others_.contains(module) && strangers_.insert(module).second) {
      match_.problems.unmatched.emplace_back(module);
    }
  }

  void add(size_t index, const BatchName &name, const Layer &layer) {
    const Tensor &tensor = data_.tensors[index];
    if (tensor.elements == 0 || so_far_.left_out.contains(name.module)) {
      return;
    }
    if (!dtype_is_quantizable(tensor.dtype)) {
      match_.problems.misfits.push_back(
          {tensor.name, "floating point", std::string(dtype_name(tensor.dtype))});
      return;
    }
    const auto shape = batch_shape(layer, tensor.shape);
    const uint64_t channels = channels_of(name.module);
    if (!shape || (channels != 0 && shape->channels != channels)) {
      const std::string expected =
          shape ? concat(channels, " channels as before") : expected_shape(layer);
      match_.problems.misfits.push_back({tensor.name, expected, shape_text(tensor.shape)});
      return;
    }
    const auto [place, is_new] = places_.try_emplace(name.module, match_.modules.size());
    if (is_new) {
      match_.modules.push_back({std::string(name.module), 0, {}, {}});
      numbers_.emplace_back();
    }
    match_.modules[place->second].channels = shape->channels;
    match_.modules[place->second].batches.push_back({index, *shape});
    numbers_[place->second].emplace(index, name.number);
  }

  /// By number; equal ones stay in the order of the file.
  void sort_batches(size_t module) {
    const auto &numbers = numbers_[module];
    auto &batches = match_.modules[module].batches;
    sort(batches, [&](const Batch &a, const Batch &b) {
      return numbers.at(a.tensor) < numbers.at(b.tensor);
    });
  }

  std::map<std::string_view, Layer> layers_;
  std::map<std::string, std::vector<std::string_view>, std::less<>> gguf_names_; // → layers
  std::vector<std::string> heads_; // layers that only the model has
  std::set<std::string_view> others_;
  const catalog::Catalog &data_;
  const Calibration &so_far_;
  std::map<std::string_view, size_t> places_;       // of modules in match_
  std::vector<std::map<size_t, uint64_t>> numbers_; // of batches, a module
  std::set<std::string_view> strangers_;
  Match match_;
  size_t known_ = 0;
};

std::string first_names(const std::vector<std::string> &names) {
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kNamed); ++i) {
    text += concat(i == 0 ? "" : ", ", names[i]);
  }
  return text + (names.size() > kNamed ? ", …" : "");
}

Error nothing_fits(const catalog::Catalog &model, const Match &match) {
  constexpr std::string_view kHow =
      "Name each tensor after the module whose input it is (layer1.0.conv1), its batches "
      "layer1.0.conv1#0, #1, …; README shows how to capture them.";
  if (!match.problems.misfits.empty()) {
    const Misfit &misfit = match.problems.misfits[0];
    return {ErrorCode::kInvalidOptions,
            concat("Expected inputs of this model's layers, found none that fits: ", misfit.name,
                   " should be ", misfit.expected, " and is ", misfit.found, "."),
            "Capture the inputs of this model's layers, as floats.",
            misfit.name,
            {}};
  }
  std::vector<std::string> layers;
  for (const auto &[module, layer] : layers_of(model)) {
    layers.emplace_back(module);
  }
  if (layers.empty()) {
    return {ErrorCode::kInvalidOptions,
            "Expected a model with layers whose inputs can be calibrated, found none.",
            "Only linear, convolution and recurrent layers have such inputs.",
            {},
            {}};
  }
  const std::string found =
      match.problems.unmatched.empty() ? "none" : first_names(match.problems.unmatched);
  return {ErrorCode::kInvalidOptions,
          concat("Expected tensors named after this model's layers (", first_names(layers),
                 "), found ", found, "."),
          std::string(kHow),
          {},
          {}};
}

} // namespace

Result<Match> match(const catalog::Catalog &model, const catalog::Catalog &data,
                    const Calibration &so_far) {
  Matcher matcher(model, data, so_far);
  Match result = matcher.run();
  // What fits a layer that is left out fits all the same.
  const bool fits = !result.modules.empty() || matcher.known() > result.problems.misfits.size();
  if (!fits) {
    return nothing_fits(model, result);
  }
  return result;
}

void complete(Problems &problems, const catalog::Catalog &model, const Calibration &calibration) {
  const SharedInputs shared(model);
  const auto has_data = [&](std::string_view module) {
    return calibration.find(module) != nullptr;
  };
  for (const auto &[module, layer] : layers_of(model)) {
    const ModuleStatistics *statistics = calibration.find(module);
    if (statistics == nullptr) {
      const bool is_known = shared.whose(module, has_data) != module;
      if (!layer.is_optional && !is_known && !calibration.left_out.contains(module)) {
        problems.missing.emplace_back(module);
      }
    } else if (statistics->samples < kFewSamples && !statistics->lacks.counts) {
      problems.few.emplace_back(module);
    }
  }
}

void write_problems(JsonWriter &json, const Problems &problems) {
  json.begin_object();
  json.member("unmatched", problems.unmatched);
  json.key("misfits").begin_array();
  for (const Misfit &misfit : problems.misfits) {
    json.begin_object();
    json.member("name", misfit.name);
    json.member("expected", misfit.expected);
    json.member("found", misfit.found);
    json.end();
  }
  json.end();
  json.member("missing", problems.missing);
  json.member("few", problems.few);
  json.end();
}

} // namespace monoquant::calibration
