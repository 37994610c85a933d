#include "monoquant/catalog/quantized.h"

#include <algorithm>
#include <map>

#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"
#include "monoquant/base/json.h"
#include "monoquant/base/sort.h"
#include "monoquant/base/text.h"

namespace monoquant::catalog {
namespace {

constexpr std::string_view kPacked = "_packed";
constexpr std::string_view kScale = "_scale";
constexpr std::string_view kZeroPoint = "_zero_point";
constexpr std::string_view kShape = "_shape";
constexpr std::string_view kInputScale = "input_scale";
constexpr std::string_view kInputZeroPoint = "input_zero_point";
constexpr uint64_t kMostDimensions = 64; // as in PyTorch
/// Shapes that lie no further apart are read together, up to so many bytes.
constexpr uint64_t kShapeGap = 4096;
constexpr uint64_t kMostShapeBytes = uint64_t{1} << 20U;

bool is_plain(const Tensor &tensor) { return !tensor.view; }

/// Bytes in the file one after the other, or given with the tensor.
bool is_at_hand(const Tensor &tensor) {
  return is_plain(tensor) ||
         (!tensor.view->literal.empty() && tensor.view->literal.size() == tensor.bytes);
}

bool holds_scales(Dtype dtype) {
  return dtype == Dtype::kF32 || dtype == Dtype::kF16 || dtype == Dtype::kBF16 ||
         dtype == Dtype::kF64;
}

bool holds_zero_points(Dtype dtype) {
  return dtype == Dtype::kI8 || dtype == Dtype::kU8 || dtype == Dtype::kI32 || dtype == Dtype::kI64;
}

Codes::Part part_of(const Tensor &tensor) {
  return {tensor.dtype, tensor.offset, tensor.bytes,
          is_plain(tensor) ? std::vector<uint8_t>() : tensor.view->literal};
}

/// One number that lies in the file as it is.
bool is_single(const Tensor &tensor) { return tensor.elements == 1 && is_plain(tensor); }

bool holds_shape(const Tensor &tensor) {
  return tensor.dtype == Dtype::kI64 && tensor.shape.size() == 1 && tensor.elements > 0 &&
         tensor.elements <= kMostDimensions && is_plain(tensor);
}

/// How many consecutive elements share a scale; nothing where scales of that shape do not lie in the order of the
/// elements. [1] or [] for all; else leading extents, the number of groups in what is left, and ones, which may be
/// missing.
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

/// Rows of unpacked codes: the first extent; or the first two of a stack of matrices, which its scales show.
uint64_t rows_of(const std::vector<uint64_t> &shape, const std::vector<uint64_t> &scales) {
  if (shape.empty()) {
    return 1;
  }
  const bool is_stack =
      shape.size() == 3 && scales.size() == 3 && scales[0] == shape[0] && scales[1] == shape[1];
  return is_stack ? shape[0] * shape[1] : shape[0];
}

class Joiner {
public:
  Joiner(Catalog &catalog, const ByteWindow &window) : catalog_(catalog), window_(window) {
    for (size_t i = 0; i < catalog.tensors.size(); ++i) {
      by_name_.emplace(catalog.tensors[i].name, i);
    }
  }

  void join() {
    take_metadata();
    joined_.resize(catalog_.tensors.size());
    consumed_.resize(catalog_.tensors.size());
    for (size_t i = 0; i < catalog_.tensors.size(); ++i) {
      look_at(i);
    }
    take_input_parameters();
    replace();
  }

private:
  struct Found {
    std::string name;
    std::vector<uint64_t> shape;
    Codes codes;
    std::vector<size_t> parts; // besides the codes
  };

  /// The index of the tensor with this name.
  [[nodiscard]] std::optional<size_t> find(std::string_view base, std::string_view suffix) const {
    const auto found = by_name_.find(concat(base, suffix));
    return found == by_name_.end() ? std::nullopt : std::optional(found->second);
  }

  void problem(std::string_view code, std::string message, std::string_view tensor) {
    catalog_.problems.push_back({code, std::move(message), std::string(tensor)});
  }

  void take_metadata() {
    std::erase_if(catalog_.metadata, [&](const auto &entry) {
      const bool speaks = entry.first == kQuantizationConfig || entry.first == kQuantizedBy;
      if (speaks) {
        catalog_.quantization_metadata.push_back(entry);
      }
      return speaks;
    });
  }

  /// The only number of bits of the groups that name this tensor or its module, or of all groups where none does; 0
  /// where there are several or none.
  [[nodiscard]] uint32_t configured_bits(std::string_view name) const {
    const Json config = parse_json(catalog_.quantization_config());
    const auto groups = config.is_object() ? config.find("config_groups") : config.end();
    if (groups == config.end() || !groups->is_object()) {
      return 0;
    }
    constexpr uint32_t kSeveral = UINT32_MAX;
    uint32_t named = 0;
    uint32_t all = 0;
    const auto note = [](uint32_t &noted, uint32_t bits) {
      noted = noted == 0 || noted == bits ? bits : kSeveral;
    };
    for (const Json &group : *groups) {
      const Json weights = group.is_object() ? group.value("weights", Json()) : Json();
      const Json number = weights.is_object() ? weights.value("num_bits", Json()) : Json();
      const uint32_t bits = number.is_number_unsigned() ? number.get<uint32_t>() : 0;
      note(all, bits == 0 ? kSeveral : bits);
      const Json targets = group.is_object() ? group.value("targets", Json()) : Json();
      for (const Json &target : targets) {
        if (target == name || target == module_name(name)) {
          note(named, bits);
        }
      }
    }
    const uint32_t found = named == 0 ? all : named;
    return found == kSeveral ? 0 : found;
  }

  void look_at(size_t index) {
    const Tensor &tensor = catalog_.tensors[index];
    const std::string_view name = tensor.name;
    if (name.ends_with(kPacked) && tensor.dtype == Dtype::kI32) {
      look_at_packed(index, name.substr(0, name.size() - kPacked.size()));
    } else if (tensor.dtype == Dtype::kI8 || tensor.dtype == Dtype::kU8) {
      const auto scale = find(name, kScale);
      if (scale && holds_scales(catalog_.tensors[*scale].dtype)) {
        Found found;
        found.name = name;
        found.shape = tensor.shape;
        found.codes.is_unsigned = tensor.dtype == Dtype::kU8;
        take(index, *scale, std::move(found));
      }
    }
  }

  void look_at_packed(size_t index, std::string_view name) {
    const Tensor &packed = catalog_.tensors[index];
    const auto scale = find(name, kScale);
    const auto shape = find(name, kShape);
    if (find(name, "")) {
      return problem("name-taken",
                     concat("Expected no tensor ", name, " beside its packed codes, found one."),
                     name);
    }
    if (!scale || !holds_scales(catalog_.tensors[*scale].dtype)) {
      return problem("missing-scale", concat("Expected scales in ", name, kScale, ", found none."),
                     name);
    }
    if (!shape || !holds_shape(catalog_.tensors[*shape])) {
      return problem("missing-shape",
                     concat("Expected the shape of the packed weights in ", name, kShape,
                            " (I64), found none."),
                     name);
    }
    Found found;
    found.name = name;
    found.parts.push_back(*shape);
    found.codes.packed = true;
    if (!read_shape(catalog_.tensors[*shape], packed, found)) {
      return problem("wrong-shape",
                     concat("Expected ", name, kPacked, " to hold the weights whose shape is in ",
                            name, kShape, ", found ", shape_text(packed.shape), " words."),
                     name);
    }
    take(index, *scale, std::move(found));
  }

  /// The original shape and the bits of packed codes; false where they contradict the words.
  bool read_shape(const Tensor &tensor, const Tensor &packed, Found &found) const {
    const auto bytes = window_.find(tensor.offset, tensor.bytes);
    if (!bytes || packed.shape.size() < 2) {
      return false;
    }
    for (size_t i = 0; i < tensor.elements; ++i) {
      const auto extent = load_le<int64_t>(bytes->data() + i * 8);
      if (extent < 1) {
        return false;
      }
      found.shape.push_back(static_cast<uint64_t>(extent));
    }
    const auto elements = checked_product(found.shape);
    const uint64_t words = packed.shape.back();
    const uint64_t rows = words == 0 ? 0 : packed.elements / words;
    if (!elements || rows == 0 || *elements % rows != 0 || packed.shape[0] != found.shape[0]) {
      return false;
    }
    const uint64_t columns = *elements / rows;
    const auto fits = [&](uint64_t bits) {
      return columns <= UINT64_MAX / bits && divide_up(columns * bits, 32) == words;
    };
    found.codes.columns = columns;
    found.codes.matrix_rows = packed.shape[packed.shape.size() - 2];
    const bool either = fits(4) && fits(8); // a word a row
    found.codes.bits = either ? configured_bits(found.name) : (fits(4) ? 4 : 8);
    return found.codes.bits == 4 || (found.codes.bits == 8 && fits(8));
  }

  void take(size_t data, size_t scale, Found found) {
    const Tensor &scales = catalog_.tensors[scale];
    const auto scope = scope_of(found.shape, scales.shape);
    Codes &codes = found.codes;
    codes.elements =
        *checked_product(found.shape); // of the file's own tensor, or checked by read_shape
    if (codes.elements == 0 || !is_plain(catalog_.tensors[data]) || !is_at_hand(scales)) {
      return; // nothing to compute, or no simple place to take it from
    }
    if (!codes.packed) {
      codes.columns = codes.elements / rows_of(found.shape, scales.shape);
    }
    const bool crosses_rows = codes.packed && scope && *scope != codes.elements &&
                              (*scope > codes.columns || codes.columns % *scope != 0);
    if (!scope || crosses_rows) {
      return problem("wrong-shape",
                     concat("Expected scales for weights of shape ", shape_text(found.shape),
                            ", found ", scales.name, " of shape ", shape_text(scales.shape), "."),
                     found.name);
    }
    codes.scope = *scope;
    codes.data = part_of(catalog_.tensors[data]);
    codes.scale = part_of(scales);
    found.parts.push_back(scale);
    if (const auto zero_point = find(found.name, kZeroPoint)) {
      if (!take_zero_points(catalog_.tensors[*zero_point], codes)) {
        return problem("wrong-shape",
                       concat("Expected one zero point for each of ", codes.scopes(),
                              " scales, found ", catalog_.tensors[*zero_point].name, " of shape ",
                              shape_text(catalog_.tensors[*zero_point].shape), "."),
                       found.name);
      }
      found.parts.push_back(*zero_point);
    }
    for (const size_t part : found.parts) {
      consumed_[part] = true;
    }
    joined_[data] = std::move(found);
  }

  static bool take_zero_points(const Tensor &tensor, Codes &codes) {
    if (!holds_zero_points(tensor.dtype) || !is_at_hand(tensor)) {
      return false;
    }
    codes.zero_point = part_of(tensor);
    if (codes.packed && tensor.dtype == Dtype::kI32) {
      const uint64_t groups = codes.columns / std::min(codes.scope, codes.columns);
      const uint64_t matrices = codes.elements / codes.columns / codes.matrix_rows;
      codes.packed_zero_points = true;
      return codes.scope <= codes.columns &&
             tensor.elements == matrices * divide_up(codes.matrix_rows * codes.bits, 32) * groups;
    }
    return tensor.elements == codes.scopes();
  }

  /// What is stored about the inputs of a module goes with its codes.
  void take_input_parameters() {
    for (const std::optional<Found> &quantized : joined_) {
      if (!quantized) {
        continue;
      }
      const std::string_view module = module_name(quantized->name);
      const std::string stem = module.empty() ? std::string() : concat(module, ".");
      for (const std::string_view name : {kInputScale, kInputZeroPoint}) {
        const auto found = find(stem, name);
        if (found && !consumed_[*found] && is_single(catalog_.tensors[*found])) {
          consumed_[*found] = true;
          catalog_.input_parameters.push_back(catalog_.tensors[*found]);
        }
      }
    }
  }

  /// Puts the joined tensors where their codes were, and leaves away their parts.
  void replace() {
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

  Tensor joined_tensor(size_t index) {
    Tensor &data = catalog_.tensors[index];
    Found &found = *joined_[index];
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

  Catalog &catalog_;
  const ByteWindow &window_;
  std::map<std::string, size_t> by_name_;
  std::vector<std::optional<Found>> joined_; // by index of the codes
  std::vector<bool> consumed_;               // scales, zero points and shapes
};

} // namespace

Needs shape_needs(const Catalog &catalog, const ByteWindow &window) {
  std::vector<Need> shapes;
  for (const Tensor &tensor : catalog.tensors) {
    if (tensor.name.ends_with(kShape) && holds_shape(tensor) &&
        !window.find(tensor.offset, tensor.bytes)) {
      shapes.push_back({tensor.offset, tensor.bytes});
    }
  }
  sort(shapes, [](const Need &a, const Need &b) { return a.offset < b.offset; });
  Needs needs;
  for (const Need &shape : shapes) {
    if (!needs.empty() && shape.offset <= needs.back().offset + needs.back().length + kShapeGap &&
        shape.offset - needs.back().offset < kMostShapeBytes) {
      needs.back().length =
          std::max(needs.back().offset + needs.back().length, shape.offset + shape.length) -
          needs.back().offset;
    } else {
      needs.push_back(shape);
    }
  }
  return needs;
}

void join_quantized(Catalog &catalog, const ByteWindow &window) { Joiner(catalog, window).join(); }

} // namespace monoquant::catalog
