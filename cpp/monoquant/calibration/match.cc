#include "monoquant/calibration/match.h"

#include <algorithm>
#include <map>
#include <set>

#include "monoquant/base/sort.h"
#include "monoquant/base/text.h"

namespace monoquant::calibration {
namespace {

using catalog::Tensor;

constexpr size_t kMaxDigits = 15; // of a batch's number
constexpr size_t kNamed = 3;      // names in an error

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

class Matcher {
public:
  Matcher(const catalog::Catalog &model, const catalog::Catalog &data, const Calibration &so_far)
      : layers_(layers_of(model)), heads_(catalog::modules_without_tensors(model)),
        others_(other_modules(model)), data_(data), so_far_(so_far) {
    others_.insert(heads_.begin(), heads_.end());
  }

  Match run() {
    for (size_t i = 0; i < data_.tensors.size(); ++i) {
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
    const auto [place, is_new] = places_.try_emplace(name.module, match_.modules.size());
    uint64_t channels = shape ? shape->channels : 0;
    if (shape && !is_new) {
      channels = match_.modules[place->second].batches[0].shape.channels;
    } else if (const ModuleStatistics *before = so_far_.find(name.module); shape && before) {
      channels = before->squares.size();
    }
    if (!shape || shape->channels != channels) {
      if (is_new) {
        places_.erase(place);
      }
      const std::string expected =
          shape ? concat(channels, " channels as before") : expected_shape(layer);
      match_.problems.misfits.push_back({tensor.name, expected, shape_text(tensor.shape)});
      return;
    }
    if (is_new) {
      match_.modules.push_back({std::string(name.module), {}});
      numbers_.emplace_back();
    }
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
  for (const auto &[module, layer] : layers_of(model)) {
    const ModuleStatistics *statistics = calibration.find(module);
    if (statistics == nullptr) {
      if (!layer.is_optional && !calibration.left_out.contains(module)) {
        problems.missing.emplace_back(module);
      }
    } else if (statistics->samples < kFewSamples) {
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
