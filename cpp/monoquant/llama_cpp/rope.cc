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

/// Reads positions of config.json, where each member is one of text_config or else of the root. The first number that is
/// none is remembered as the error.
class RopeReader {
public:
  RopeReader(const Json &config, const Json *text, bool is_gemma3)
      : config_(config), text_(text), is_gemma3_(is_gemma3) {
    scaling_ = object_of(of_either("rope_scaling"));
    const Json *parameters = object_of(of_either("rope_parameters"));
    const Json *full = member(parameters, "full_attention");
    sliding_ = member(parameters, "sliding_attention");
    parameters_ = full != nullptr ? full : is_gemma3 ? nullptr : parameters;
  }

  /// `context`: where nothing says for how many tokens the model was made first.
  Result<Rope> read(bool has_defaults, uint32_t context) {
    Rope rope;
    read_thetas(rope, has_defaults);
    read_scaling(rope);
    if (has_defaults && has_original_context(rope.type)) {
      const auto at_root = number_of_either("original_max_position_embeddings");
      rope.original_context = at_root ? *at_root : rope.original_context.value_or(context);
    }
    if (!error_ && rope.type == "yarn" && rope.factor && !is_context(rope.original_context)) {
      error_ = side_file_error("config.json",
                               "a whole number as \"original_max_position_embeddings\" where "
                               "positions are scaled by yarn",
                               "none");
    }
    return error_ ? Result<Rope>(*error_) : Result<Rope>(rope);
  }

private:
  /// Nothing where there is none.
  std::optional<double> number(const Json *holder, std::string_view name) {
    const Json *value = member(holder, name);
    if (value == nullptr) {
      return std::nullopt;
    }
    if (!value->is_number() || !fits_f32(value->get<double>())) {
      error_ = side_file_error("config.json", concat("a number as \"", name, "\" of the positions"),
                               "something else");
      return std::nullopt;
    }
    return value->get<double>();
  }
  [[nodiscard]] const Json *of_either(std::string_view name) const {
    const Json *value = member(text_, name);
    return value != nullptr ? value : member(config_, name);
  }
  std::optional<double> number_of_either(std::string_view name) {
    const auto value = number(text_, name);
    return value ? value : number(&config_, name);
  }

  void read_thetas(Rope &rope, bool has_defaults) {
    // Where both spellings are there, the older one counts; Gemma 3 keeps the other's theta.
    rope.theta = number(scaling_ != nullptr && !is_gemma3_ ? scaling_ : parameters_, "rope_theta");
    if (!rope.theta) {
      rope.theta = number_of_either("rope_theta");
    }
    if (!rope.theta && has_defaults) {
      rope.theta = is_gemma3_ ? kGemma3Theta : kDefaultTheta;
    }
    rope.theta_sliding = number(sliding_, "rope_theta");
    if (!rope.theta_sliding && is_gemma3_) {
      rope.theta_sliding = number_of_either("rope_local_base_freq").value_or(kDefaultTheta);
    }
  }

  void read_scaling(Rope &rope) {
    const Json *holder = scaling_ != nullptr ? scaling_ : parameters_;
    const Json *type = member(holder, "rope_type");
    type = type != nullptr ? type : member(holder, "type");
    rope.type = type == nullptr ? "" : text_of(type).value_or("?");
    rope.factor = number(holder, "factor");
    rope.low_factor = number(holder, "low_freq_factor").value_or(rope.low_factor);
    rope.high_factor = number(holder, "high_freq_factor").value_or(rope.high_factor);
    rope.original_context = number(holder, "original_max_position_embeddings");
    rope.extrapolation_factor = number(holder, "extrapolation_factor");
    rope.attention_factor = number(holder, "attention_factor");
    if (!rope.attention_factor) {
      rope.attention_factor = number(holder, "attn_factor");
    }
    rope.beta_fast = number(holder, "beta_fast");
    rope.beta_slow = number(holder, "beta_slow");
  }

  const Json &config_;
  const Json *text_; // text_config; nothing where there is none
  bool is_gemma3_;
  const Json *scaling_ = nullptr; // rope_scaling
  const Json *parameters_ =
      nullptr;                    // rope_parameters, of all layers or of those that see everything
  const Json *sliding_ = nullptr; // of layers that see a window
  std::optional<Error> error_;
};

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
  RopeReader reader(config, text, family == Family::kGemma3 && has_defaults);
  auto rope = reader.read(has_defaults, context);
  if (rope) {
    if (const auto error = check_kind(rope.value(), family)) {
      return *error;
    }
  }
  return rope;
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
