#include <algorithm>
#include <map>
#include <set>

#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"
#include "monoquant/base/json.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/coded/coded.h"
#include "monoquant/layout/compressed_tensors/compressed_tensors.h"
#include "monoquant/layout/compressed_tensors/decodings.h"

namespace monoquant::layout::compressed_tensors {
namespace {

using catalog::Codes;
using catalog::Tensor;

constexpr uint64_t kMostDimensions = 64; // as in PyTorch

bool holds_zero_points(Dtype dtype) {
  return dtype == Dtype::kI8 || dtype == Dtype::kU8 || dtype == Dtype::kI32 || dtype == Dtype::kI64;
}

bool holds_shape(const Tensor &tensor) {
  const bool is_integer = tensor.dtype == Dtype::kI64 || tensor.dtype == Dtype::kI32;
  return is_integer && tensor.shape.size() == 1 && tensor.elements > 0 &&
         tensor.elements <= kMostDimensions && is_plain(tensor);
}

/// What the groups of a configuration say of the number of bits.
class ConfiguredBits {
public:
  explicit ConfiguredBits(std::string_view text) {
    const Json config = parse_json(text);
    const auto groups = config.is_object() ? config.find("config_groups") : config.end();
    if (groups == config.end() || !groups->is_object()) {
      return;
    }
    for (const Json &group : *groups) {
      const Json weights = group.is_object() ? group.value("weights", Json()) : Json();
      const Json number = weights.is_object() ? weights.value("num_bits", Json()) : Json();
      const uint32_t bits = number.is_number_unsigned() ? number.get<uint32_t>() : 0;
      note(all_, bits == 0 ? kSeveral : bits);
      numbers_.insert(bits);
      const Json group_size = weights.is_object() ? weights.value("group_size", Json()) : Json();
      note(group_size_, group_size.is_number_unsigned() ? group_size.get<uint32_t>() : 0);
      const Json targets = group.is_object() ? group.value("targets", Json()) : Json();
      for (const Json &target : targets) {
        if (target.is_string()) {
          note(named_[target.get<std::string>()], bits);
        }
      }
    }
  }

  /// The only number of the groups that name this tensor, or else its module, or of all groups if none does; 0 where
  /// there are several or none.
  [[nodiscard]] uint32_t of(std::string_view name) const {
    uint32_t found = all_;
    for (const std::string_view target : {catalog::module_name(name), name}) {
      if (const auto named = named_.find(target_text(target)); named != named_.end()) {
        found = named->second == 0 ? found : named->second;
      }
    }
    return found == kSeveral ? 0 : found;
  }

  /// The only size of groups; 0 where there are several or none.
  [[nodiscard]] uint64_t group_size() const { return group_size_ == kSeveral ? 0 : group_size_; }

  /// Those that packed codes of this tensor may have: what the configuration says, else the usual ones.
  [[nodiscard]] std::set<uint32_t> candidates(std::string_view name) const {
    if (const uint32_t only = of(name); only != 0) {
      return {only};
    }
    std::set<uint32_t> all = numbers_;
    all.erase(0);
    return all.empty() ? std::set<uint32_t>{4, 8} : all;
  }

private:
  static constexpr uint32_t kSeveral = UINT32_MAX;
  static void note(uint32_t &noted, uint32_t bits) {
    noted = noted == 0 || noted == bits ? bits : kSeveral;
  }

  std::map<std::string, uint32_t> named_;
  std::set<uint32_t> numbers_; // of all groups
  uint32_t group_size_ = 0;
  uint32_t all_ = 0;
};

class Finder {
public:
  explicit Finder(Joining &joining)
      : joining_(joining), catalog_(joining.catalog()), bits_(catalog_.quantization_config()) {}

  void run() {
    for (size_t i = 0; i < catalog_.tensors.size(); ++i) {
      if (!joining_.is_claimed(i)) {
        look_at(i);
      }
    }
    joining_.take_inputs(kInputNames);
  }

private:
  void look_at(size_t index) {
    const Tensor &tensor = catalog_.tensors[index];
    const std::string_view name = tensor.name;
    if (name.ends_with(kPacked) && tensor.dtype == Dtype::kI32) {
      look_at_packed(index, name.substr(0, name.size() - kPacked.size()));
    } else if (name.ends_with(kPacked) && tensor.dtype == Dtype::kU8) {
      join_small_floats(joining_, index);
    } else if (tensor.dtype == Dtype::kI8 || tensor.dtype == Dtype::kU8) {
      const auto scale = joining_.find(name, kScale);
      if (scale && holds_scales(catalog_.tensors[*scale].dtype)) {
        Joined found;
        found.name = name;
        found.shape = tensor.shape;
        found.codes.is_unsigned = tensor.dtype == Dtype::kU8;
        // Four bits may stand in a byte of their own.
        found.codes.bits = !found.codes.is_unsigned && bits_.of(name) == 4 ? 4 : 8;
        if (const auto note = joining_.find(catalog::module_name(name), ".comfy_quant")) {
          found.parts.push_back(*note);
        }
        take(index, *scale, std::move(found));
      }
    }
  }

  void look_at_packed(size_t index, std::string_view name) {
    const Tensor &packed = catalog_.tensors[index];
    const auto scale = joining_.find(name, kScale);
    const auto shape = joining_.find(name, kShape);
    if (joining_.find(name, "")) {
      return joining_.problem(
          "name-taken", concat("Expected no tensor ", name, " beside its packed codes, found one."),
          name);
    }
    if (!scale || !holds_scales(catalog_.tensors[*scale].dtype)) {
      return joining_.problem("missing-scale",
                              concat("Expected scales in ", name, kScale, ", found none."), name);
    }
    Joined found;
    found.name = name;
    found.codes.packed = true;
    if (shape && holds_shape(catalog_.tensors[*shape])) {
      found.parts.push_back(*shape);
      read_shape(catalog_.tensors[*shape], found);
    } else if (!shape_of_words(packed, catalog_.tensors[*scale], found)) {
      return joining_.problem("missing-shape",
                              concat("Expected the shape of the packed weights in ", name, kShape,
                                     " (I64), found none."),
                              name);
    }
    if (!fits_words(packed, found)) {
      return joining_.problem("wrong-shape",
                              concat("Expected ", name, kPacked,
                                     " to hold the weights whose shape is in ", name, kShape,
                                     ", found ", shape_text(packed.shape), " words."),
                              name);
    }
    take(index, *scale, std::move(found));
  }

  /// Of words that are filled by groups of the only size that the configuration knows. What is written here always has
  /// its shape beside it: there, it is missing.
  bool shape_of_words(const Tensor &packed, const Tensor &scales, Joined &found) const {
    const uint32_t bits = bits_.of(found.name);
    const auto &notes = catalog_.quantization_metadata;
    const bool is_ours = std::any_of(notes.begin(), notes.end(), [](const auto &note) {
      return note.first == catalog::kQuantizedBy;
    });
    const uint64_t groups = scales.shape.empty() ? 0 : scales.shape.back();
    const uint64_t words = packed.shape.empty() ? 0 : packed.shape.back();
    const auto columns = checked_mul(groups, bits_.group_size());
    if (is_ours || packed.shape.size() < 2 || bits == 0 || bits > 8 || words > UINT64_MAX / 32 ||
        words * 32 % bits != 0 || !columns || *columns == 0 || words * 32 / bits != *columns) {
      return false;
    }
    found.shape = packed.shape;
    found.shape.back() = *columns;
    return true;
  }

  /// Leaves the shape empty where there is none.
  void read_shape(const Tensor &tensor, Joined &found) const {
    const auto bytes = joining_.window().find(tensor.offset, tensor.bytes);
    const size_t width = dtype_bits(tensor.dtype) / 8;
    for (size_t i = 0; bytes && i < tensor.elements; ++i) {
      const uint8_t *at = bytes->data() + i * width;
      const int64_t extent = width == 8 ? load_le<int64_t>(at) : load_le<int32_t>(at);
      if (extent < 1) {
        found.shape.clear();
        return;
      }
      found.shape.push_back(static_cast<uint64_t>(extent));
    }
  }

  /// The bits of packed codes of this shape; false where the words contradict it.
  bool fits_words(const Tensor &packed, Joined &found) const {
    if (packed.shape.size() < 2 || found.shape.empty()) {
      return false;
    }
    const auto elements = checked_product(found.shape);
    const uint64_t words = packed.shape.back();
    const uint64_t rows = words == 0 ? 0 : packed.elements / words;
    if (!elements || rows == 0 || *elements % rows != 0 || packed.shape[0] != found.shape[0]) {
      return false;
    }
    const uint64_t columns = *elements / rows;
    found.codes.columns = columns;
    found.codes.matrix_rows = packed.shape[packed.shape.size() - 2];
    std::set<uint32_t> fitting;
    const auto look_among = [&](const std::set<uint32_t> &candidates) {
      for (const uint32_t bits : candidates) {
        if (bits <= 8 && columns <= UINT64_MAX / bits &&
            (divide_up(columns * bits, 32) == words || divide_up(columns, 32 / bits) == words)) {
          fitting.insert(bits);
        }
      }
    };
    const std::set<uint32_t> candidates = bits_.candidates(found.name);
    look_among(candidates);
    if (fitting.empty() && (candidates.contains(4) || candidates.contains(8))) {
      look_among({4, 8}); // another one than the configuration says, which is told
    }
    found.codes.bits = fitting.size() == 1 ? *fitting.begin() : 0; // else either may be meant
    return found.codes.bits != 0;
  }

  void take(size_t data, size_t scale, Joined found) {
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
      return joining_.problem("wrong-shape",
                              concat("Expected scales for weights of shape ",
                                     shape_text(found.shape), ", found ", scales.name, " of shape ",
                                     shape_text(scales.shape), "."),
                              found.name);
    }
    codes.layout = kCompressedTensors.name;
    codes.weights_only = codes.packed;
    codes.scope = *scope;
    codes.data = part_of(catalog_.tensors[data]);
    codes.scale = part_of(scales);
    found.parts.push_back(scale);
    if (const auto order = joining_.find(found.name, kGroupIndex)) {
      const Tensor &index = catalog_.tensors[*order];
      if (!take_group_index(index, codes)) {
        return joining_.problem("wrong-shape",
                                concat("Expected the number of a group for each of ", codes.columns,
                                       " columns, found ", index.name, " of shape ",
                                       shape_text(index.shape), "."),
                                found.name);
      }
      found.parts.push_back(*order);
    }
    if (const auto zero_point = joining_.find(found.name, kZeroPoint)) {
      if (!take_zero_points(catalog_.tensors[*zero_point], codes)) {
        return joining_.problem("wrong-shape",
                                concat("Expected one zero point for each of ", codes.scopes(),
                                       " scales, found ", catalog_.tensors[*zero_point].name,
                                       " of shape ",
                                       shape_text(catalog_.tensors[*zero_point].shape), "."),
                                found.name);
      }
      found.parts.push_back(*zero_point);
    }
    if (codes.packed && codes.bits != 4 && codes.bits != 8 && !describe(data, codes)) {
      return joining_.problem("wrong-shape",
                              concat("Expected ", catalog_.tensors[data].name, " to hold ",
                                     codes.elements, " codes of ", codes.bits, " bits, found ",
                                     shape_text(catalog_.tensors[data].shape), " words."),
                              found.name);
    }
    joining_.take(data, std::move(found));
  }

  /// Codes of other widths than 4 and 8 bits.
  bool describe(size_t data, Codes &codes) const {
    auto decoding = decoding_of(codes, catalog_.tensors[data].shape.back());
    if (!coded::is_sound(decoding)) {
      return false;
    }
    codes.decoding = std::make_shared<const catalog::Decoding>(std::move(decoding));
    return true;
  }

  static bool take_group_index(const Tensor &tensor, Codes &codes) {
    if (tensor.dtype != Dtype::kI32 || tensor.elements != codes.columns || !is_plain(tensor)) {
      return false;
    }
    if (codes.scope < codes.columns) { // else all columns have the same scale
      codes.group_index = part_of(tensor);
    }
    return true;
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

  Joining &joining_;
  const catalog::Catalog &catalog_;
  ConfiguredBits bits_;
};

} // namespace

Needs shape_needs(const catalog::Catalog &catalog, const ByteWindow &window) {
  std::vector<Need> shapes;
  for (const Tensor &tensor : catalog.tensors) {
    if (tensor.name.ends_with(kShape) && holds_shape(tensor) &&
        !window.find(tensor.offset, tensor.bytes)) {
      shapes.push_back({tensor.offset, tensor.bytes});
    }
  }
  return read_together(std::move(shapes));
}

void join(Joining &joining) { Finder(joining).run(); }

} // namespace monoquant::layout::compressed_tensors
