#include "monoquant/layout/torchao/torchao.h"

#include <array>
#include <set>

#include "monoquant/base/json.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/coded/coded.h"

namespace monoquant::layout {
namespace torchao {
namespace {

using catalog::Decoding;
using catalog::Tensor;

constexpr std::string_view kInSafetensors = "_qdata";
constexpr std::string_view kInPickle = ".qdata";
/// Of activations, whose codes are made when a layer runs.
constexpr std::array<std::string_view, 2> kOfInputs = {"act_quant_scale", "act_quant_zero_point"};

/// What the parts of a parameter are called.
struct Names {
  std::string parameter;
  std::string stem; // of its parts
};

std::optional<Names> names_of(std::string_view name) {
  if (name.ends_with(kInPickle)) {
    const std::string_view parameter = name.substr(0, name.size() - kInPickle.size());
    return Names{std::string(parameter), concat(parameter, ".")};
  }
  if (!name.ends_with(kInSafetensors)) {
    return std::nullopt;
  }
  const std::string_view stem = name.substr(0, name.size() - kInSafetensors.size());
  const size_t last = stem.rfind('.') + 1; // npos + 1 is 0
  if (stem.substr(last).size() < 2 || stem[last] != '_') {
    return std::nullopt;
  }
  return Names{concat(stem.substr(0, last), stem.substr(last + 1)), concat(stem, "_")};
}

bool holds_codes(const Tensor &tensor) {
  const bool is_code = tensor.dtype == Dtype::kI8 || tensor.dtype == Dtype::kF8E4M3 ||
                       tensor.dtype == Dtype::kF8E5M2;
  return is_code && tensor.shape.size() == 2 && tensor.elements > 0 && is_plain(tensor);
}

class Finder {
public:
  explicit Finder(Joining &joining) : joining_(joining) {
    for (const Tensor &tensor : joining.catalog().tensors) {
      names_.insert(tensor.name);
    }
  }

  void run() {
    for (size_t i = 0; i < joining_.catalog().tensors.size(); ++i) {
      if (const auto names = names_of(joining_.tensor(i).name);
          names && holds_codes(joining_.tensor(i))) {
        look_at(i, *names);
      }
    }
    if (found_) {
      forget_metadata();
    }
  }

private:
  void look_at(size_t index, const Names &names) {
    const Tensor &codes = joining_.tensor(index);
    const auto scale = coded::part_at_hand(joining_, names.stem, "scale");
    const auto zero = joining_.find(names.stem, "zero_point");
    if (!scale || !holds_scales(joining_.tensor(*scale).dtype)) {
      return coded::missing_part(joining_, "missing-scale", names.parameter,
                                 concat("scales in ", names.stem, "scale"));
    }
    const Tensor &scales = joining_.tensor(*scale);
    coded::Found found{kTorchao.name, index, names.parameter, codes.shape, {*scale}};
    if (has_others(index, names, found)) {
      return; // whoever needs the values is told
    }
    const uint64_t rows = codes.shape[0];
    const uint64_t columns = codes.shape[1];
    const uint64_t down = scales.shape.size() == 2 ? scales.shape[0] : scales.elements;
    const uint64_t across = scales.shape.size() == 2 ? scales.shape[1] : 1;
    if (scales.shape.size() > 2 || scales.elements == 0 || rows % down != 0 ||
        columns % across != 0) {
      return coded::wrong_part(
          joining_, names.parameter,
          concat("scales of rows or groups of codes of shape ", shape_text(codes.shape)), scales);
    }
    Decoding decoding;
    decoding.rows = rows;
    decoding.columns = columns;
    decoding.codes = coded::plain_fields(codes, rows, columns);
    decoding.numbers = coded::bytes_of_type(codes.dtype);
    decoding.scale_rows = rows / down;
    decoding.scale_columns = columns / across;
    decoding.scales = coded::plain_fields(scales, down, across);
    found.is_integer = codes.dtype == Dtype::kI8;
    found.bits = found.is_integer ? bits_of(names.parameter) : 8;
    if (zero) {
      const Tensor &zeros = joining_.tensor(*zero);
      const bool is_whole =
          zeros.dtype == Dtype::kI8 || zeros.dtype == Dtype::kI32 || zeros.dtype == Dtype::kI64;
      if (!is_whole || zeros.elements != scales.elements || !is_at_hand(zeros)) {
        return coded::wrong_part(joining_, names.parameter,
                                 concat("one whole zero point for each scale in ", scales.name),
                                 zeros);
      }
      decoding.zero = Decoding::Zero::kPoint;
      decoding.zeros = coded::plain_fields(zeros, down, across);
      found.parts.push_back(*zero);
    }
    found_ = true;
    coded::take(joining_, std::move(found), std::move(decoding));
  }

  /// Parts that nobody here has heard of.
  bool has_others(size_t index, const Names &names, coded::Found &found) {
    for (auto name = names_.lower_bound(names.stem);
         name != names_.end() && name->starts_with(names.stem); ++name) {
      const std::string_view end = name->substr(names.stem.size());
      if (*name == joining_.tensor(index).name || end == "scale" || end == "zero_point") {
        continue;
      }
      if (std::find(kOfInputs.begin(), kOfInputs.end(), end) == kOfInputs.end()) {
        return true;
      }
      found.parts.push_back(*joining_.find(*name, ""));
    }
    return false;
  }

  /// What the metadata say of this parameter.
  [[nodiscard]] Json said_of(std::string_view key) const {
    for (const auto &[name, value] : joining_.catalog().metadata) {
      if (name == key) {
        return parse_json(value);
      }
    }
    return {};
  }

  /// Codes of fewer bits have a byte each.
  [[nodiscard]] uint32_t bits_of(const std::string &parameter) const {
    const Json said = said_of(parameter);
    const Json data = said.is_object() ? said.value("_data", Json()) : Json();
    const Json type = data.is_object() ? data.value("target_dtype", Json()) : Json();
    const std::string name = coded::text_of(type, "_data");
    const bool is_narrow =
        name.size() == 4 && name.starts_with("int") && name[3] >= '1' && name[3] <= '8';
    return is_narrow ? static_cast<uint32_t>(name[3] - '0') : 8;
  }

  /// They say which classes tensors had.
  void forget_metadata() {
    std::vector<std::string> keys = {"tensor_names"};
    for (const auto &[name, value] : joining_.catalog().metadata) {
      const Json said = value.starts_with('{') ? parse_json(value) : Json();
      if (said.is_object() && said.contains("_type")) {
        keys.push_back(name);
      }
    }
    for (const std::string &key : keys) {
      joining_.forget(key);
    }
  }

  Joining &joining_;
  std::set<std::string_view> names_;
  bool found_ = false;
};

void join(Joining &joining) { Finder(joining).run(); }

} // namespace
} // namespace torchao

constexpr Layout kTorchao = {
    .name = "torchao",
    .join = torchao::join,
};

} // namespace monoquant::layout
