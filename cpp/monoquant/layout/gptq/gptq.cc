#include "monoquant/layout/gptq/gptq.h"

#include <algorithm>
#include <map>
#include <optional>

#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"
#include "monoquant/base/json.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/coded/coded.h"
#include "monoquant/layout/gptq/write.h"

namespace monoquant::layout {
namespace gptq {
namespace {

using catalog::Catalog;
using catalog::Decoding;
using catalog::Fields;
using catalog::Tensor;

constexpr std::string_view kCodes = ".qweight";
constexpr std::string_view kZeros = ".qzeros";
constexpr std::string_view kScales = ".scales";
constexpr std::string_view kOrder = ".g_idx";

bool holds_words(const Tensor &tensor) {
  return (tensor.dtype == Dtype::kI32 || tensor.dtype == Dtype::kU32) && tensor.shape.size() == 2 &&
         tensor.elements > 0 && is_plain(tensor);
}

/// How zero points are stored.
enum class Version : uint8_t { kUnknown, kLessOne, kAsTheyAre };

/// What the numbers of the first word say, where they are the zero point of symmetric codes.
Version version_of_word(uint32_t word, uint32_t bits) {
  const uint32_t mask = (1U << bits) - 1;
  const uint32_t middle = 1U << (bits - 1);
  const auto all = [&](uint32_t number) {
    for (uint32_t at = 0; at + bits <= 32; at += bits) {
      if ((word >> at & mask) != number) {
        return false;
      }
    }
    return true;
  };
  return all(middle - 1) ? Version::kLessOne
         : all(middle)   ? Version::kAsTheyAre
                         : Version::kUnknown;
}

/// What the configuration calls it. Without a name, it is the first version.
Version version_of_config(const Json &config) {
  const std::string method = coded::text_of(config, "quant_method");
  std::string format = coded::text_of(config, "checkpoint_format");
  if (format.empty()) {
    format = coded::text_of(config, "format");
  }
  const std::string packing = coded::text_of(config, "packing_format");
  if (format == "gptq_v2") {
    return Version::kAsTheyAre;
  }
  const bool is_first =
      format == "gptq" || (format.empty() && method == "gptq") || packing.ends_with(":auto_gptq");
  return is_first ? Version::kLessOne : Version::kUnknown;
}

/// The width of codes whose zero points fill these words; 0 where several or none do.
uint32_t bits_of(uint64_t outputs, uint64_t words, uint64_t configured) {
  uint32_t found = 0;
  for (uint32_t bits = 2; bits <= 8; ++bits) {
    if (outputs <= UINT64_MAX / 8 && divide_up(outputs * bits, 32) == words) {
      if (bits == configured) {
        return bits;
      }
      found = found == 0 ? bits : UINT32_MAX;
    }
  }
  return found == UINT32_MAX ? 0 : found;
}

void pack_words(Fields &fields, uint32_t bits) {
  fields.bits = bits;
  fields.word_bytes = 4;
  fields.in_word = 32 % bits == 0 ? 32 / bits : 0;
  fields.turned = true;
}

class Finder {
public:
  explicit Finder(Joining &joining) : joining_(joining), config_(joining.config()) {}

  void run() {
    for (const QuantizedLinear &linear : find_linears(joining_.catalog())) {
      if (packs_inputs(joining_, linear) && has_scales(joining_, linear)) {
        look_at(linear);
      }
    }
  }

private:
  void look_at(const QuantizedLinear &linear) {
    const Tensor &codes = joining_.tensor(linear.codes);
    const Tensor &zeros = joining_.tensor(linear.zeros);
    const uint32_t bits =
        bits_of(linear.outputs, zeros.shape[1], coded::number_of(config_, "bits"));
    if (bits == 0) {
      return coded::wrong_part(
          joining_, linear.weight(),
          concat("zero points of 2 to 8 bits for each of ", linear.outputs, " outputs"), zeros);
    }
    const auto order = joining_.find(linear.module, kOrder);
    const uint64_t inputs = order ? joining_.tensor(*order).elements : codes.shape[0] * 32 / bits;
    if (inputs == 0 || inputs > UINT64_MAX / 8 || divide_up(inputs * bits, 32) != codes.shape[0]) {
      return coded::wrong_part(joining_, linear.weight(),
                               concat("words for ", inputs, " codes of ", bits, " bits"), codes);
    }
    const uint64_t group = group_size(inputs, linear.groups);
    if (group == 0) {
      return coded::wrong_part(joining_, linear.weight(),
                               concat("scales of groups of ", inputs, " inputs"),
                               joining_.tensor(linear.scales));
    }
    const Version version = version_of(zeros, bits);
    if (version == Version::kUnknown) {
      return; // whoever needs the values is told
    }
    Decoding decoding;
    decoding.rows = linear.outputs;
    decoding.columns = inputs;
    decoding.numbers = coded::integers(bits, 0);
    decoding.codes = coded::plain_fields(codes, codes.shape[0], codes.shape[1]);
    pack_words(decoding.codes, bits);
    decoding.scales =
        coded::plain_fields(joining_.tensor(linear.scales), linear.groups, linear.outputs);
    decoding.scales.turned = true;
    decoding.scale_columns = group;
    decoding.zero = Decoding::Zero::kPoint;
    decoding.zeros = coded::plain_fields(zeros, zeros.shape[0], zeros.shape[1]);
    pack_words(*decoding.zeros, bits);
    decoding.zeros->along = Fields::Along::kRows;
    decoding.zero_added = version == Version::kLessOne ? 1 : 0;
    coded::Found found{kGptq.name,
                       linear.codes,
                       linear.weight(),
                       {linear.outputs, inputs},
                       {linear.zeros, linear.scales},
                       bits};
    if (order) {
      if (!take_order(*order, linear, decoding)) {
        return;
      }
      found.parts.push_back(*order);
    }
    coded::take(joining_, std::move(found), std::move(decoding));
  }

  /// False where it is none.
  bool take_order(size_t order, const QuantizedLinear &linear, Decoding &decoding) {
    const Tensor &tensor = joining_.tensor(order);
    if (tensor.dtype != Dtype::kI32 || !is_plain(tensor)) {
      coded::wrong_part(joining_, linear.weight(), "the number of a group for each input (I32)",
                        tensor);
      return false;
    }
    if (linear.groups > 1) {
      decoding.group_index = part_of(tensor);
    }
    return true;
  }

  /// The configured one, or what divides the inputs; 0 where that many groups are none of theirs.
  [[nodiscard]] uint64_t group_size(uint64_t inputs, uint64_t groups) const {
    const uint64_t configured = coded::number_of(config_, "group_size");
    if (configured != 0 && divide_up(inputs, configured) == groups) {
      return configured;
    }
    return inputs % groups == 0 ? inputs / groups : 0;
  }

  /// Files of either version are called by the other's name, so symmetric codes have the last word.
  Version version_of(const Tensor &zeros, uint32_t bits) {
    const Json symmetric = config_.is_object() ? config_.value("sym", Json(true)) : Json(true);
    const auto known = versions_.find(bits);
    if (known != versions_.end()) {
      return known->second;
    }
    Version version = Version::kUnknown;
    const auto word = joining_.window().find(zeros.offset, sizeof(uint32_t));
    if (word && symmetric.is_boolean() && symmetric.get<bool>()) {
      version = version_of_word(load_le<uint32_t>(word->data()), bits);
    }
    if (version == Version::kUnknown) {
      version = version_of_config(config_);
    }
    return versions_[bits] = version;
  }

  Joining &joining_;
  const Json &config_;
  std::map<uint32_t, Version> versions_; // by bits: the first tensor of each decides
};

/// The first zero points of the file, which may tell how all are stored.
Needs first_zeros(const Catalog &catalog, const ByteWindow &window) {
  for (const QuantizedLinear &linear : find_linears(catalog)) {
    const Tensor &zeros = catalog.tensors[linear.zeros];
    if (holds_words(zeros)) {
      return window.find(zeros.offset, sizeof(uint32_t)) ? Needs()
                                                         : Needs{{zeros.offset, sizeof(uint32_t)}};
    }
  }
  return {};
}

void join(Joining &joining) { Finder(joining).run(); }

} // namespace
} // namespace gptq

std::vector<QuantizedLinear> find_linears(const catalog::Catalog &catalog) {
  std::map<std::string_view, size_t> by_name;
  for (size_t i = 0; i < catalog.tensors.size(); ++i) {
    by_name.emplace(catalog.tensors[i].name, i);
  }
  std::vector<QuantizedLinear> found;
  for (size_t i = 0; i < catalog.tensors.size(); ++i) {
    const catalog::Tensor &codes = catalog.tensors[i];
    if (!codes.name.ends_with(gptq::kCodes) || !gptq::holds_words(codes)) {
      continue;
    }
    const std::string module = codes.name.substr(0, codes.name.size() - gptq::kCodes.size());
    const auto zeros = by_name.find(concat(module, gptq::kZeros));
    const auto scales = by_name.find(concat(module, gptq::kScales));
    if (zeros == by_name.end() || scales == by_name.end()) {
      continue;
    }
    QuantizedLinear linear{module, i, zeros->second, scales->second};
    const catalog::Tensor &scale = catalog.tensors[scales->second];
    if (scale.shape.size() == 2) {
      linear.groups = scale.shape[0];
      linear.outputs = scale.shape[1];
    }
    found.push_back(std::move(linear));
  }
  return found;
}

bool has_scales(Joining &joining, const QuantizedLinear &linear) {
  const catalog::Tensor &zeros = joining.tensor(linear.zeros);
  const catalog::Tensor &scales = joining.tensor(linear.scales);
  if (!holds_scales(scales.dtype) || linear.groups == 0 || linear.outputs == 0 ||
      !is_at_hand(scales)) {
    coded::wrong_part(joining, linear.weight(), "floats for groups and outputs", scales);
    return false;
  }
  if (!gptq::holds_words(zeros) || zeros.shape[0] != linear.groups) {
    coded::wrong_part(joining, linear.weight(),
                      concat("words of zero points for each of the groups of ", scales.name, " (",
                             shape_text(scales.shape), ")"),
                      zeros);
    return false;
  }
  return true;
}

bool packs_inputs(const Joining &joining, const QuantizedLinear &linear) {
  return joining.tensor(linear.codes).shape[1] == linear.outputs;
}

constexpr Layout kGptq = {
    .name = "gptq",
    .fit = gptq::fit,
    .streams = gptq::streams,
    .make_codec = gptq::make_codec,
    .stores_inputs = gptq::stores_inputs,
    .input_streams = gptq::input_streams,
    .configuration = gptq::configuration,
    .needs = gptq::first_zeros,
    .join = gptq::join,
    .refuse = gptq::refuse,
    .scale_type = gptq::scale_type,
    .has_one_scheme = true,
    .fault_of_loading = gptq::fault_of_loading,
    .safetensors_format = "pt",
};

} // namespace monoquant::layout
