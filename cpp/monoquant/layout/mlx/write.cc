#include "monoquant/layout/mlx/write.h"

#include <algorithm>
#include <map>
#include <utility>

#include "monoquant/base/json_writer.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/mlx/mlx.h"
#include "monoquant/layout/packed_codes.h"

namespace monoquant::layout::mlx {
namespace {

constexpr uint64_t kSmallestGroup = 32;

/// Bits and group size, which a module may have for itself.
using Choice = std::pair<uint32_t, uint64_t>;

Choice choice_of(const Stored &stored) { return {stored.scheme.bits, stored.scheme.group_size}; }

void write_choice(JsonWriter &json, const Choice &choice) {
  json.member("group_size", choice.second);
  json.member("bits", choice.first);
  json.member("mode", "affine");
}

} // namespace

std::string_view fit(quant::Scheme &scheme, bool weights_only) {
  if (scheme.bits == 7) {
    return "2, 3, 4, 5, 6 or 8 bits";
  }
  if (scheme.strategy != quant::Strategy::kGroup ||
      (scheme.group_size != 0 && (scheme.group_size < kSmallestGroup || scheme.group_size > 128))) {
    return "groups of 32, 64 or 128";
  }
  if (!weights_only) {
    return "weights only";
  }
  scheme.symmetric = false;
  scheme.signed_scales = false;
  scheme.has_bias = true;
  return {};
}

/// mlx-lm makes codes of its layers of two classes.
std::string refuse(const catalog::Tensor &tensor, const Stored &stored) {
  const std::string_view name = catalog::class_name(tensor);
  if (tensor.shape.size() != 2 || !tensor.name.ends_with(".weight") ||
      (name != "Linear" && name != "Embedding" && !name.empty())) {
    return "MLX takes weights of Linear layers and embeddings only";
  }
  if (stored.columns % kSmallestGroup != 0) {
    return concat("MLX has groups of ", kSmallestGroup, " weights or more, and a row has ",
                  stored.columns);
  }
  return {};
}

Dtype scale_type(Dtype weights, std::optional<Dtype> wanted) {
  const bool is_known = weights == Dtype::kF16 || weights == Dtype::kBF16;
  return wanted.value_or(is_known ? weights : Dtype::kF32);
}

std::vector<Stream> streams(const catalog::Tensor &tensor, const Stored &stored) {
  const std::string_view module = catalog::module_name(tensor.name);
  const Dtype dtype = stored.scheme.scale_dtype;
  const uint64_t words = packed_bytes(stored.columns, stored.scheme.bits) / 4;
  const std::vector<uint64_t> scopes{stored.rows, stored.groups()};
  return {{Written::kByRow, tensor.name, Dtype::kU32, {stored.rows, words}},
          {Written::kByBand, concat(module, ".scales"), dtype, scopes},
          {Written::kByBand, concat(module, ".biases"), dtype, scopes}};
}

bool stores_inputs(const Stored & /*stored*/) { return false; }
std::vector<Stream> input_streams(const catalog::Tensor & /*tensor*/,
                                  const StoredInput & /*input*/) {
  return {};
}

/// Source: mlx-lm's utils.load_model. A layer without scales stays as it is, whatever is said here. `quant_method` is
/// ours: it tells readers of a file alone what this is, and does not go into a config.json.
std::string configuration(const catalog::Catalog &catalog, std::span<const Described> tensors) {
  std::map<Choice, size_t> counts;
  for (const Described &tensor : tensors) {
    if (tensor.stored != nullptr) {
      ++counts[choice_of(*tensor.stored)];
    }
  }
  const Choice usual =
      std::max_element(counts.begin(), counts.end(), [](const auto &a, const auto &b) {
        return a.second < b.second;
      })->first;
  JsonWriter json;
  json.begin_object();
  json.member("quant_method", kMlx.name);
  write_choice(json, usual);
  std::map<std::string_view, Choice> others;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].stored != nullptr && choice_of(*tensors[i].stored) != usual) {
      others.emplace(catalog::module_name(catalog.tensors[i].name), choice_of(*tensors[i].stored));
    }
  }
  for (const auto &[module, choice] : others) {
    json.key(module).begin_object();
    write_choice(json, choice);
    json.end();
  }
  json.end();
  return json.take();
}

} // namespace monoquant::layout::mlx
