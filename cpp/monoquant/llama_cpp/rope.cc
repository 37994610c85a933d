#include "monoquant/llama_cpp/rope.h"

#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include "monoquant/base/text.h"
#include "monoquant/llama_cpp/side_files.h"

namespace monoquant::llama_cpp {
namespace {

constexpr double kDefaultTheta = 10000;
constexpr double kGemma3Theta = 1e6;
constexpr double kDefaultFactor = 8; // of "llama3"
constexpr double kDefaultOriginalContext = 8192;
constexpr uint32_t kMaxHeadWidth = 65536; // published heads have at most 512

/// A number of an object; nothing where there is none. Anything else in its place is the error.
std::optional<double> rope_number(const Json *holder, std::string_view name,
                                  std::optional<Error> &error) {
  const Json *value = member(holder, name);
  if (value == nullptr) {
    return std::nullopt;
  }
  if (!value->is_number() || !fits_f32(value->get<double>())) {
    error = side_file_error("config.json", concat("a number as \"", name, "\" of the positions"),
                            "something else");
    return std::nullopt;
  }
  return value->get<double>();
}

/// A member of text_config, or else of the root.
const Json *of_either(const Json &config, const Json *text, std::string_view name) {
  const Json *value = member(text, name);
  return value != nullptr ? value : member(config, name);
}

std::optional<double> of_either(const Json &config, const Json *text, std::string_view name,
                                std::optional<Error> &error) {
  const auto value = rope_number(text, name, error);
  return value ? value : rope_number(&config, name, error);
}

const Json *object_of(const Json *value) {
  return value != nullptr && value->is_object() && !value->empty() ? value : nullptr;
}

/// Kinds whose context before scaling transformers fills in.
bool has_original_context(std::string_view type) {
  return type == "llama3" || type == "yarn" || type == "longrope";
}

bool is_context(std::optional<double> tokens) {
  return tokens && *tokens >= 0 && *tokens <= UINT32_MAX && *tokens == std::floor(*tokens);
}

std::optional<Error> check_kind(const Rope &rope, Family family) {
  constexpr std::array<std::string_view, 8> kKinds = {"",       "default", "linear", "yarn",
                                                      "llama3", "dynamic", "su",     "longrope"};
  const bool is_plain = rope.type.empty() || rope.type == "default";
  bool is_known = false;
  for (const std::string_view kind : kKinds) {
    is_known = is_known || rope.type == kind;
  }
  // llama.cpp keeps neither in a file of these.
  const bool is_gemma = family == Family::kGemma || family == Family::kGemma2;
  if (is_known &&
      (!is_gemma || (is_plain && rope.theta.value_or(kDefaultTheta) == kDefaultTheta))) {
    return std::nullopt;
  }
  return Error{ErrorCode::kUnsupportedFormat,
               is_known
                   ? concat("llama.cpp's ", family_name(family),
                            " models have positions of theta 10000 without scaling, found others "
                            "in config.json.")
                   : concat("The positions of this model are scaled by \"", rope.type,
                            "\", which cannot become a GGUF file here."),
               "Use llama.cpp's convert_hf_to_gguf.py and quantize the file that it writes.",
               {},
               {}};
}

/// Beyond what f32 holds it is infinite.
float to_f32(double number) {
  constexpr auto kInfinite = std::numeric_limits<float>::infinity();
  return fits_f32(number) ? static_cast<float>(number) : number > 0 ? kInfinite : -kInfinite;
}

} // namespace

bool fits_f32(double number) {
  return std::abs(number) <= static_cast<double>(std::numeric_limits<float>::max());
}

Result<Rope> read_rope(const Json &config, const Json *text, Family family, bool has_defaults,
                       uint32_t context) {
  std::optional<Error> error;
  const bool is_gemma3 = family == Family::kGemma3 && has_defaults;
  const Json *scaling = object_of(of_either(config, text, "rope_scaling"));
  const Json *parameters = object_of(of_either(config, text, "rope_parameters"));
  const Json *full = member(parameters, "full_attention");
  const Json *sliding = member(parameters, "sliding_attention");
  // Where both spellings are there, the older one counts; Gemma 3 keeps the other's theta.
  const Json *of_theta = full != nullptr ? full : is_gemma3 ? nullptr : parameters;
  const Json *of_kind = scaling != nullptr ? scaling : of_theta;
  if (scaling != nullptr && !is_gemma3) {
    of_theta = scaling;
  }

  Rope rope;
  rope.theta = rope_number(of_theta, "rope_theta", error);
  if (!rope.theta) {
    rope.theta = of_either(config, text, "rope_theta", error);
    if (!rope.theta && has_defaults) {
      rope.theta = is_gemma3 ? kGemma3Theta : kDefaultTheta;
    }
  }
  if (is_gemma3 || sliding != nullptr) {
    rope.theta_sliding = rope_number(sliding, "rope_theta", error);
    if (!rope.theta_sliding && is_gemma3) {
      rope.theta_sliding =
          of_either(config, text, "rope_local_base_freq", error).value_or(kDefaultTheta);
    }
  }
  if (const Json *type = member(of_kind, "rope_type")) {
    rope.type = text_of(type).value_or("?");
  } else if (const Json *older = member(of_kind, "type")) {
    rope.type = text_of(older).value_or("?");
  }
  rope.type = rope.type == "LLAMA3" ? "llama3" : rope.type;

  rope.factor = rope_number(of_kind, "factor", error);
  rope.low_factor = rope_number(of_kind, "low_freq_factor", error).value_or(rope.low_factor);
  rope.high_factor = rope_number(of_kind, "high_freq_factor", error).value_or(rope.high_factor);
  rope.original_context = rope_number(of_kind, "original_max_position_embeddings", error);
  if (has_defaults && has_original_context(rope.type)) {
    const auto at_root = of_either(config, text, "original_max_position_embeddings", error);
    rope.original_context = at_root ? *at_root : rope.original_context.value_or(context);
  }
  rope.extrapolation_factor = rope_number(of_kind, "extrapolation_factor", error);
  rope.attention_factor = rope_number(of_kind, "attention_factor", error);
  if (!rope.attention_factor) {
    rope.attention_factor = rope_number(of_kind, "attn_factor", error);
  }
  rope.beta_fast = rope_number(of_kind, "beta_fast", error);
  rope.beta_slow = rope_number(of_kind, "beta_slow", error);
  if (!error) {
    error = check_kind(rope, family);
  }
  if (!error && rope.type == "yarn" && rope.factor && !is_context(rope.original_context)) {
    error =
        side_file_error("config.json",
                        "a whole number as \"original_max_position_embeddings\" where positions "
                        "are scaled by yarn",
                        "none");
  }
  return error ? Result<Rope>(*error) : Result<Rope>(rope);
}

std::vector<float> rope_factors(const Rope &rope, uint32_t head_width) {
  std::vector<float> factors;
  if (rope.type != "llama3" || head_width > kMaxHeadWidth) {
    return factors;
  }
  const double theta = rope.theta.value_or(kDefaultTheta);
  const double factor = rope.factor.value_or(kDefaultFactor);
  const double context = rope.original_context.value_or(kDefaultOriginalContext);
  const float longest = to_f32(context / rope.low_factor);
  const float shortest = to_f32(context / rope.high_factor);
  // PyTorch divides a number by a tensor as the tensor's reciprocal times the number, each rounded to f32.
  for (uint32_t i = 0; i < head_width; i += 2) {
    const float exponent = static_cast<float>(i) / static_cast<float>(head_width);
    const float power = to_f32(
        std::pow(static_cast<double>(static_cast<float>(theta)), static_cast<double>(exponent)));
    const float frequency = 1.0F / power;
    const float wave = 1.0F / frequency * static_cast<float>(2 * std::numbers::pi);
    if (wave < shortest) {
      factors.push_back(1.0F);
    } else if (wave > longest) {
      factors.push_back(static_cast<float>(factor));
    } else {
      const float smooth =
          (1.0F / wave * static_cast<float>(context) - static_cast<float>(rope.low_factor)) /
          to_f32(rope.high_factor - rope.low_factor);
      factors.push_back(1.0F / ((1.0F - smooth) / static_cast<float>(factor) + smooth));
    }
  }
  return factors;
}

} // namespace monoquant::llama_cpp
