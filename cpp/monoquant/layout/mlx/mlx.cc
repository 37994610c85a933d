#include "monoquant/layout/mlx/mlx.h"

#include <algorithm>

#include "monoquant/base/checked.h"
#include "monoquant/base/json.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/coded/coded.h"
#include "monoquant/layout/mlx/write.h"

namespace monoquant::layout {
namespace mlx {
namespace {

using catalog::Decoding;
using catalog::Tensor;

struct Mode {
  std::string name;
  uint64_t bits = 0;
  uint64_t group = 0;
};

class Finder {
public:
  explicit Finder(Joining &joining) : joining_(joining), config_(joining.config()) {}

  void run() {
    for (size_t i = 0; i < joining_.catalog().tensors.size(); ++i) {
      const Tensor &tensor = joining_.tensor(i);
      const bool may_be = tensor.dtype == Dtype::kU32 && tensor.name.ends_with(".weight") &&
                          tensor.shape.size() >= 2 && tensor.elements > 0 && is_plain(tensor);
      const std::string module(catalog::module_name(tensor.name));
      const auto scales = may_be ? coded::part_at_hand(joining_, module, ".scales") : std::nullopt;
      if (scales) {
        look_at(i, *scales, module);
      }
    }
  }

private:
  /// What the configuration says of a module. Without a mode it is affine.
  [[nodiscard]] Mode mode_of(const std::string &module) const {
    const auto own = config_.is_object() ? config_.find(module) : config_.end();
    const Json &said =
        config_.is_object() && own != config_.end() && own->is_object() ? *own : config_;
    Mode mode{coded::text_of(said, "mode"), coded::number_of(said, "bits"),
              coded::number_of(said, "group_size")};
    if (mode.name.empty()) {
      mode.name = coded::text_of(config_, "mode");
    }
    mode.name = mode.name.empty() ? "affine" : mode.name;
    return mode;
  }

  void look_at(size_t index, size_t scale, const std::string &module) {
    const Mode mode = mode_of(module);
    const Tensor &codes = joining_.tensor(index);
    const Tensor &scales = joining_.tensor(scale);
    const auto bias = joining_.find(module, ".biases");
    const bool is_affine = mode.name == "affine";
    const bool is_float = mode.name == "mxfp4" || mode.name == "mxfp8" || mode.name == "nvfp4";
    if (mode.bits < 2 || mode.bits > 8 || mode.group == 0 || (!is_affine && !is_float) ||
        is_float != (scales.dtype == Dtype::kU8)) {
      return; // whoever needs the values is told
    }
    if (is_affine && !bias) {
      return coded::missing_part(joining_, "missing-scale", codes.name,
                                 concat("biases of groups in ", module, ".biases"));
    }
    const uint64_t words = codes.shape.back();
    const uint64_t groups = scales.shape.empty() ? 0 : scales.shape.back();
    const auto columns = checked_mul(groups, mode.group);
    if (scales.shape.size() != codes.shape.size() || !columns || *columns > UINT64_MAX / 8 ||
        !std::equal(codes.shape.begin(), codes.shape.end() - 1, scales.shape.begin()) ||
        divide_up(*columns * mode.bits, 32) != words) {
      return coded::wrong_part(joining_, codes.name,
                               concat("scales of groups of ", mode.group, " codes of ", mode.bits,
                                      " bits in ", codes.name, " (", shape_text(codes.shape),
                                      " words)"),
                               scales);
    }
    const auto bits = static_cast<uint32_t>(mode.bits);
    Decoding decoding;
    decoding.rows = codes.elements / words;
    decoding.columns = *columns;
    decoding.codes = coded::packed_rows(codes, bits, decoding.rows, words);
    decoding.scale_columns = mode.group;
    decoding.scales = coded::plain_fields(scales, decoding.rows, groups);
    coded::Found found{kMlx.name, index, codes.name, codes.shape, {scale}, bits, is_affine};
    found.shape.back() = *columns;
    if (is_affine) {
      if (!add_bias(*bias, scales, found, decoding)) {
        return;
      }
    } else if (!describe_floats(mode, decoding)) {
      return;
    }
    coded::take(joining_, std::move(found), std::move(decoding));
  }

  bool add_bias(size_t bias, const Tensor &scales, coded::Found &found, Decoding &decoding) {
    const Tensor &biases = joining_.tensor(bias);
    if (biases.shape != scales.shape || biases.dtype != scales.dtype || !is_at_hand(biases) ||
        !holds_scales(biases.dtype)) {
      coded::wrong_part(joining_, found.name, concat("one bias for each scale in ", scales.name),
                        biases);
      return false;
    }
    decoding.numbers = coded::integers(found.bits, 0);
    decoding.rounding = scales.dtype;
    decoding.zero = Decoding::Zero::kBias;
    decoding.zeros = coded::plain_fields(biases, decoding.scales.down, decoding.scales.across);
    found.parts.push_back(bias);
    return true;
  }

  static bool describe_floats(const Mode &mode, Decoding &decoding) {
    const bool is_fp8 = mode.name == "mxfp8";
    if (mode.bits != (is_fp8 ? 8 : 4)) {
      return false;
    }
    decoding.numbers = is_fp8 ? coded::bytes_of_type(Dtype::kF8E4M3) : coded::small_floats(2, 1);
    decoding.zero_scales_are_sound = true;
    if (mode.name == "nvfp4") {
      decoding.scales.part.dtype = Dtype::kF8E4M3;
    }
    return true;
  }

  Joining &joining_;
  const Json &config_;
};

void join(Joining &joining) { Finder(joining).run(); }

} // namespace
} // namespace mlx

constexpr Layout kMlx = {
    .name = "mlx",
    .fit = mlx::fit,
    .streams = mlx::streams,
    .make_codec = mlx::make_codec,
    .stores_inputs = mlx::stores_inputs,
    .input_streams = mlx::input_streams,
    .configuration = mlx::configuration,
    .join = mlx::join,
    .refuse = mlx::refuse,
    .scale_type = mlx::scale_type,
    .usual_group = 64, // mlx-lm's own
    .safetensors_format = "mlx",
};

} // namespace monoquant::layout
