#include "monoquant/layout/joining.h"

#include <algorithm>
#include <set>

#include "monoquant/base/checked.h"
#include "monoquant/base/json.h"
#include "monoquant/base/sort.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/comfyui/notes.h"
#include "monoquant/layout/foreign.h"
#include "monoquant/layout/layout.h"

namespace monoquant::layout {

using catalog::Codes;
using catalog::Tensor;

/// Beside the file, where there is one.
constexpr std::string_view kFolderConfig = "config.json";

bool is_at_hand(const Tensor &tensor) {
  return is_plain(tensor) ||
         (!tensor.view->literal.empty() && tensor.view->literal.size() == tensor.bytes);
}

bool holds_scales(Dtype dtype) {
  return dtype == Dtype::kF32 || dtype == Dtype::kF16 || dtype == Dtype::kBF16 ||
         dtype == Dtype::kF64;
}

Codes::Part part_of(const Tensor &tensor) {
  return {tensor.dtype, tensor.offset, tensor.bytes,
          is_plain(tensor) ? std::vector<uint8_t>() : tensor.view->literal};
}

std::optional<uint64_t> scope_of(const std::vector<uint64_t> &shape, std::vector<uint64_t> scales) {
  const uint64_t elements = *checked_product(shape);
  const uint64_t count = *checked_product(scales);
  if (count == 1) {
    return elements;
  }
  if (count == 0 || elements % count != 0) {
    return std::nullopt;
  }
  if (scales.size() > shape.size()) {
    return std::nullopt;
  }
  scales.resize(shape.size(), 1);
  size_t i = 0;
  while (i < shape.size() && scales[i] == shape[i]) {
    ++i;
  }
  const bool ones_behind =
      std::all_of(scales.begin() + static_cast<std::ptrdiff_t>(std::min(i + 1, scales.size())),
                  scales.end(), [](uint64_t extent) { return extent == 1; });
  // Groups never cross rows.
  return i > 0 && ones_behind ? std::optional(elements / count) : std::nullopt;
}

Needs read_together(std::vector<Need> needs) {
  constexpr uint64_t kGap = 4096;
  constexpr uint64_t kMostBytes = uint64_t{1} << 20U;
  sort(needs, [](const Need &a, const Need &b) { return a.offset < b.offset; });
  Needs together;
  for (const Need &need : needs) {
    if (!together.empty() &&
        need.offset <= together.back().offset + together.back().length + kGap &&
        need.offset - together.back().offset < kMostBytes) {
      together.back().length =
          std::max(together.back().offset + together.back().length, need.offset + need.length) -
          together.back().offset;
    } else {
      together.push_back(need);
    }
  }
  return together;
}

uint64_t rows_of(const std::vector<uint64_t> &shape, const std::vector<uint64_t> &scales) {
  if (shape.empty()) {
    return 1;
  }
  const bool is_stack =
      shape.size() == 3 && scales.size() == 3 && scales[0] == shape[0] && scales[1] == shape[1];
  return is_stack ? shape[0] * shape[1] : shape[0];
}

Joining::Joining(catalog::Catalog &catalog, const ByteWindow &window)
    : catalog_(catalog), window_(window), joined_(catalog.tensors.size()),
      consumed_(catalog.tensors.size()), claimed_(claimed_by_others(catalog, window)) {
  for (size_t i = 0; i < catalog.tensors.size(); ++i) {
    by_name_.emplace(catalog.tensors[i].name, i);
  }
  forget(catalog::kQuantizationConfig);
  forget(catalog::kQuantizedBy);
  forget(catalog::kQuantizedFrom);
  forget(catalog::kCorrectedBiases);
}

void Joining::forget(std::string_view key) {
  std::erase_if(catalog_.metadata, [&](const auto &entry) {
    const bool is_it = entry.first == key;
    if (is_it) {
      catalog_.quantization_metadata.push_back(entry);
    }
    return is_it;
  });
}

const Json &Joining::config() const {
  if (!config_) {
    config_ = std::make_shared<const Json>(parse_json(catalog_.quantization_config()));
  }
  return *config_;
}

std::optional<size_t> Joining::find(std::string_view base, std::string_view suffix) const {
  const auto found = by_name_.find(concat(base, suffix));
  return found == by_name_.end() ? std::nullopt : std::optional(found->second);
}

void Joining::take(size_t codes, Joined joined) {
  const bool has_codes = std::any_of(joined.parts.begin(), joined.parts.end(), [&](size_t part) {
    return part == codes || joined_[part].has_value();
  });
  if (has_codes || joined_[codes] || consumed_[codes] || !names_.insert(joined.name).second) {
    return problem("name-taken",
                   concat("Expected the codes of ", joined.name,
                          " in one layout, found parts of two in ", tensor(codes).name, "."),
                   joined.name);
  }
  for (const size_t part : joined.parts) {
    consumed_[part] = true;
  }
  joined_[codes] = std::move(joined);
}

void Joining::take_inputs(std::span<const std::string_view> names) {
  for (const std::optional<Joined> &quantized : joined_) {
    if (!quantized) {
      continue;
    }
    const std::string_view module = catalog::module_name(quantized->name);
    const std::string stem = module.empty() ? std::string() : concat(module, ".");
    for (const std::string_view name : names) {
      const auto found = find(stem, name);
      // One that is codes itself is a weight of that name.
      const bool is_single = found && tensor(*found).elements == 1 && is_plain(tensor(*found)) &&
                             !consumed_[*found] && !joined_[*found];
      if (is_single) {
        consumed_[*found] = true;
        catalog_.input_parameters.push_back(tensor(*found));
      }
    }
  }
}

void Joining::finish() {
  if (std::any_of(joined_.begin(), joined_.end(), [](const auto &found) { return found; })) {
    forget(comfyui::kNotes);
  }
  std::vector<size_t> new_index(catalog_.tensors.size());
  std::vector<Tensor> tensors;
  for (size_t i = 0; i < catalog_.tensors.size(); ++i) {
    new_index[i] = tensors.size();
    if (!consumed_[i]) {
      tensors.push_back(joined_[i] ? joined_tensor(i) : std::move(catalog_.tensors[i]));
    }
  }
  for (Tensor &tensor : tensors) {
    if (tensor.tied_to) {
      tensor.tied_to = new_index[*tensor.tied_to];
    }
  }
  catalog_.tensors = std::move(tensors);
}

Tensor Joining::joined_tensor(size_t index) {
  Tensor &data = catalog_.tensors[index];
  Joined &found = *joined_[index];
  Tensor result{std::move(found.name), Dtype::kF32, std::move(found.shape),
                found.codes.elements,  data.offset, found.codes.elements * 4};
  result.module_type = std::move(data.module_type);
  // Names that share their codes share their scales, too, or are no ties.
  if (data.tied_to && joined_[*data.tied_to] &&
      joined_[*data.tied_to]->codes.scale.offset == found.codes.scale.offset) {
    result.tied_to = data.tied_to;
  }
  result.codes = std::make_shared<const Codes>(found.codes);
  return result;
}

Needs joining_needs(const catalog::Catalog &catalog, const ByteWindow &window) {
  Needs all;
  for (const Layout *layout : layouts()) {
    if (layout->needs != nullptr) {
      const Needs needs = layout->needs(catalog, window);
      all.insert(all.end(), needs.begin(), needs.end());
    }
  }
  return all;
}

void join_quantized(catalog::Catalog &catalog, const ByteWindow &window) {
  Joining joining(catalog, window);
  for (const Layout *layout : layouts()) {
    layout->join(joining);
  }
  joining.finish();
}

namespace {

/// Two configurations of one model must not contradict each other: loaders read either.
void compare_configs(const Json &of_file, const Json &of_folder,
                     std::vector<catalog::Problem> &problems) {
  for (const char *key : {"quant_method", "format", "config_groups", "ignore"}) {
    Json one = of_file.value(key, Json());
    Json other = of_folder.value(key, Json());
    for (Json *list : {&one, &other}) {
      if (list->is_array()) { // of names, in any order
        *list = Json(std::set<Json>(list->begin(), list->end()));
      }
    }
    if (one != other) {
      problems.push_back({"config-mismatch",
                          concat("Expected ", kFolderConfig,
                                 " and the metadata of the file to have "
                                 "the same ",
                                 key, " for its codes, found two different ones."),
                          {}});
    }
  }
}

} // namespace

std::vector<catalog::Problem> check_layout(const catalog::Catalog &catalog) {
  std::vector<catalog::Problem> problems = catalog.problems;
  for (const Layout *layout : layouts()) {
    if (layout->find_leftovers != nullptr) {
      layout->find_leftovers(catalog, problems);
    }
  }
  const auto coded = std::find_if(catalog.tensors.begin(), catalog.tensors.end(),
                                  [](const Tensor &tensor) { return tensor.codes != nullptr; });
  const bool has_codes = coded != catalog.tensors.end();
  const std::string of_codes(has_codes ? coded->codes->layout : std::string_view());
  const auto check = [&](std::string_view text, std::string_view where) {
    Json config = parse_json(text);
    const Json method = config.is_object() ? config.value("quant_method", Json()) : Json();
    const Layout *layout =
        find_layout(method.is_string() ? method.get_ref<const std::string &>() : std::string());
    layout = layout == nullptr ? find_layout(of_codes) : layout;
    layout = layout == nullptr ? layouts()[0] : layout;
    if (layout->check != nullptr) {
      layout->check(catalog, text, where, problems);
    }
    return config;
  };
  const std::string_view own = catalog.own_quantization_config();
  const std::string_view beside = catalog.folder_config;
  const Json config = own.empty() ? Json() : check(own, "the metadata of the file");
  if (!beside.empty()) {
    const Json folder = check(beside, kFolderConfig);
    if (config.is_object() && folder.is_object()) {
      compare_configs(config, folder, problems);
    }
  } else if (catalog.model && has_codes && find_layout(of_codes)->check != nullptr) {
    problems.push_back({"config-mismatch",
                        concat("Expected a quantization_config in ", kFolderConfig,
                               ", since the weights are codes, found none: loaders would take the "
                               "codes for the weights."),
                        {}});
  }
  return problems;
}

} // namespace monoquant::layout
