#include "generate/names.h"

#include <iterator>
#include <string_view>

#include "monoquant/base/text.h"
#include "monoquant/base/utf8.h"
#include "monoquant/catalog/layer_kind.h"

namespace monoquant::fuzz {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kPlaces[] = {
    "", "a.", "model.layers.0.", "model.layers.0.self_attn.", "model.layers.1.mlp.", "b..", "."};
constexpr std::string_view kModules[] = {
    "fc.",          "q_proj.", "k_proj.",  "v_proj.",    "gate_proj.", "up_proj.",
    "query.",       "key.",    "value.",   "w1.",        "w3.",        "lm_head.",
    "embed.",       "table.",  "norm.",    "conv.",      "lstm.",      "router.",
    "mlp.gate.",    "c_attn.", "experts.", "in_proj_z.", "score.",     "Linear.",
    "in_proj_qkv.", ""};
constexpr std::string_view kParameters[] = {"weight",
                                            "bias",
                                            "weight_ih_l0",
                                            "weight_hh_l0",
                                            "weight_hr_l0",
                                            "in_proj_weight",
                                            "w",
                                            "weight_ih_l1",
                                            "experts",
                                            "packed",
                                            ""};
constexpr std::string_view kParts[] = {"_packed", "_scale", "_zero_point", "_shape"};
constexpr std::string_view kWhole[] = {
    "pt",           "format",      "__metadata__",   "quantization_config",
    "quantized_by", "input_scale", "fc.input_scale", "fc.input_zero_point",
    "fc.input",     "input",       "weight_shape",   "Linear",
    "re:.*",        "note",        "metadata.json"};
constexpr std::string_view kOdd[] = {"\xFF"sv,
                                     "\xED\xA0\x80"sv, // half of a surrogate pair
                                     "\xC0\x80"sv,     // an overlong NUL
                                     "a\0b"sv,         "\"quoted\\"sv, "line\nend"sv, "\x1B[2J"sv,
                                     "\xE2\x80\xAE"sv, // right to left
                                     "\xC3\xA9"sv,     "{}[],:"sv};

/// A name that means something else beside another: its module, a tensor of its module or below it, an expression.
std::string related_name(Choices &choices, const std::string &other) {
  const std::string_view parameter = choices.pick(kParameters);
  const std::string_view module = catalog::module_name(other);
  switch (choices.below(4)) {
  case 0:
    return std::string(module);
  case 1:
    return concat(other, ".weight");
  case 2:
    return concat("re:", other);
  default:
    return concat(module, ".", parameter);
  }
}

const std::string &any_of(Choices &choices, const std::set<std::string> &names) {
  auto name = names.begin();
  std::advance(name, static_cast<std::ptrdiff_t>(choices.below(names.size())));
  return *name;
}

} // namespace

std::string odd_text(Choices &choices) {
  if (choices.chance(16)) {
    return std::string(choices.chance(16) ? 70'000 : 300, 'n');
  }
  return choices.chance(4) ? choices.text(choices.below(12)) : std::string(choices.pick(kOdd));
}

std::string odd_unicode(Choices &choices) {
  std::string text = odd_text(choices);
  return is_utf8(text) ? text : "\xC3\xA9";
}

std::string make_name(Choices &choices, std::set<std::string> &taken) {
  std::string name;
  const uint64_t kind = choices.below(12);
  switch (taken.empty() && kind == 8 ? 0 : kind) {
  default:
    name = concat(choices.pick(kPlaces), choices.pick(kModules), choices.pick(kParameters));
    break;
  case 8:
    name = related_name(choices, any_of(choices, taken));
    break;
  case 9: // of another tensor, if there is one
    if (!taken.empty()) {
      const std::string &other = any_of(choices, taken);
      name = concat(other, choices.pick(kParts));
    }
    break;
  case 10:
    name = choices.pick(kWhole);
    break;
  case 11:
    name = concat(odd_unicode(choices), choices.flag() ? ".weight" : "");
    break;
  }
  while (!taken.insert(name).second) {
    name = concat("n", taken.size(), ".", name);
  }
  return name;
}

} // namespace monoquant::fuzz
