#include "monoquant/llama_cpp/hyperparameters.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "monoquant/base/text.h"
#include "monoquant/llama_cpp/rope.h"
#include "monoquant/llama_cpp/side_files.h"

namespace monoquant::llama_cpp {
namespace {

struct Architecture {
  std::string_view name;
  Family family;
  bool lacks_model_prefix;
};

constexpr std::array<Architecture, 11> kArchitectures = {{
    {"LlamaForCausalLM", Family::kLlama, false},
    {"LLaMAForCausalLM", Family::kLlama, false},
    {"MistralForCausalLM", Family::kLlama, false},
    {"LlamaModel", Family::kLlama, true},
    {"Qwen2ForCausalLM", Family::kQwen2, false},
    {"Qwen2Model", Family::kQwen2, true},
    {"Qwen3ForCausalLM", Family::kQwen3, false},
    {"GemmaForCausalLM", Family::kGemma, false},
    {"Gemma2ForCausalLM", Family::kGemma2, false},
    {"Gemma3ForCausalLM", Family::kGemma3, false},
    {"Gemma3ForConditionalGeneration", Family::kGemma3, false},
}};

constexpr std::array<std::string_view, 6> kFamilyNames = {"llama", "qwen2",  "qwen3",
                                                          "gemma", "gemma2", "gemma3"};

/// What the configuration class of a model_type takes for what is missing; 0: nothing.
struct Defaults {
  std::string_view model_type;
  uint32_t vocabulary;
  uint32_t width;
  uint32_t feed_forward;
  uint32_t layers;
  uint32_t heads;
  uint32_t kv_heads; // 0: as many as heads
  uint32_t head_width;
  uint32_t context;
};

constexpr std::array<Defaults, 8> kDefaults = {{
    {"llama", 32000, 4096, 11008, 32, 32, 0, 0, 2048},
    {"mistral", 32000, 4096, 14336, 32, 32, 8, 0, 131072},
    {"qwen2", 151936, 4096, 22016, 32, 32, 32, 0, 32768},
    {"qwen3", 151936, 4096, 22016, 32, 32, 32, 128, 32768},
    {"gemma", 256000, 3072, 24576, 28, 16, 16, 256, 8192},
    {"gemma2", 256000, 2304, 9216, 26, 8, 4, 256, 8192},
    {"gemma3", 262208, 2304, 9216, 26, 8, 4, 256, 131072},
    {"gemma3_text", 262208, 2304, 9216, 26, 8, 4, 256, 131072},
}};

constexpr double kDefaultEpsilon = 1e-6; // of all of them
constexpr uint32_t kDefaultWindow = 4096;
constexpr double kDefaultAttentionCap = 50; // Gemma 2
constexpr double kDefaultOutputCap = 30;    // Gemma 2
constexpr uint64_t kMaxLayers = 1024;       // llama.cpp has room for 512
constexpr uint64_t kMaxCount = UINT32_MAX;
constexpr std::string_view kConvertElsewhere =
    "Convert it with llama.cpp's convert_hf_to_gguf.py and quantize the file that this writes.";

Error unsupported(std::string_view what, std::string_view advice) {
  return {ErrorCode::kUnsupportedFormat, std::string(what), std::string(advice), {}, {}};
}

/// Reads numbers of one object; the first that is wrong is remembered as the error.
class ConfigReader {
public:
  ConfigReader(const Json &root, const Json *text, std::optional<Error> &error)
      : root_(root), text_(text), error_(error) {}

  /// A member of text_config, or else of the root.
  [[nodiscard]] const Json *find(std::string_view name) const {
    // A member of text_config that is null hides the root's.
    if (text_ != nullptr && text_->contains(std::string(name))) {
      return member(*text_, name);
    }
    return member(root_, name);
  }

  /// Whether there is such a member, be it null.
  [[nodiscard]] bool has(std::string_view name) const {
    return root_.contains(std::string(name)) ||
           (text_ != nullptr && text_->contains(std::string(name)));
  }

  std::optional<uint32_t> count(std::string_view name, uint64_t most = kMaxCount) {
    const Json *value = find(name);
    if (value == nullptr) {
      return std::nullopt;
    }
    const double number = value->is_number() ? value->get<double>() : -1;
    if (!(number >= 0 && number <= static_cast<double>(most)) || number != std::floor(number)) {
      fail(name, concat("a whole number of at most ", most));
      return std::nullopt;
    }
    return static_cast<uint32_t>(number);
  }

  /// One that the model cannot be without. `fallback` 0: there is none.
  uint32_t needed(std::string_view name, uint32_t fallback, uint64_t most = kMaxCount) {
    const auto value = count(name, most);
    if (value.value_or(fallback) == 0) {
      fail(name, "a number above 0");
    }
    return value.value_or(fallback);
  }

  std::optional<double> number(std::string_view name) {
    const Json *value = find(name);
    if (value == nullptr) {
      return std::nullopt;
    }
    if (!value->is_number() || !fits_f32(value->get<double>())) {
      fail(name, "a number");
      return std::nullopt;
    }
    return value->get<double>();
  }

  void fail(std::string_view name, std::string_view expected) {
    if (!error_) {
      error_ = side_file_error("config.json", concat(expected, " as \"", name, "\""), "none");
    }
  }

private:
  const Json &root_;
  const Json *text_; // text_config; nothing where there is none
  std::optional<Error> &error_;
};

std::string architecture_of(const Json &config) {
  for (const Json *holder : {member(config, "text_config"), &config}) {
    const Json *names = member(holder, "architectures");
    if (names != nullptr && names->is_array() && !names->empty()) {
      return std::string(text_of(&names->front()).value_or(""));
    }
  }
  return {};
}

Result<Architecture> find_architecture(const std::string &name) {
  const auto *found = std::find_if(kArchitectures.begin(), kArchitectures.end(),
                                   [&](const Architecture &entry) { return entry.name == name; });
  if (found != kArchitectures.end()) {
    return *found;
  }
  std::string known;
  for (const Architecture &entry : kArchitectures) {
    known += concat(known.empty() ? "" : ", ", entry.name);
  }
  return unsupported(
      name.empty()
          ? concat(
                "Expected config.json to name the model's class in \"architectures\", found none.")
          : concat("Expected a model of a class that can become a GGUF file for llama.cpp, found ",
                   name, "."),
      concat(kConvertElsewhere, " Classes that can become one here: ", known, "."));
}

/// What changes how a model computes, and has no keys or tensors here.
std::optional<Error> refuse_parts(const ConfigReader &reader, Family family) {
  const auto is_set = [&](std::string_view name) {
    const Json *value = reader.find(name);
    return value != nullptr && *value != 0 && *value != false;
  };
  for (const std::string_view name : {"num_local_experts", "num_experts"}) {
    if (is_set(name)) {
      return unsupported(
          concat("The model has experts (\"", name,
                 "\" in config.json); only dense models can become a GGUF file here."),
          kConvertElsewhere);
    }
  }
  if (is_set("draft_vocab_size")) {
    return unsupported("The model drafts for another one (\"draft_vocab_size\" in config.json); "
                       "such models cannot become a GGUF file here.",
                       kConvertElsewhere);
  }
  if (is_set("use_bidirectional_attention")) {
    return unsupported("The model embeds texts (\"use_bidirectional_attention\" in config.json); "
                       "such models cannot become a GGUF file here.",
                       kConvertElsewhere);
  }
  if (family == Family::kGemma3 && is_set("attn_logit_softcapping")) {
    return unsupported("llama.cpp knows no \"attn_logit_softcapping\" of a Gemma 3 model.",
                       "Take it out of config.json if the model does without it.");
  }
  return std::nullopt;
}

/// `defaults`: all 0 where nothing is filled in.
void read_counts(ConfigReader &reader, const Defaults &defaults, Hyperparameters &model) {
  model.layers = reader.needed("num_hidden_layers", defaults.layers, kMaxLayers);
  model.context = reader.needed("max_position_embeddings", defaults.context);
  model.width = reader.needed("hidden_size", defaults.width);
  model.feed_forward = reader.needed("intermediate_size", defaults.feed_forward);
  model.heads = reader.needed("num_attention_heads", defaults.heads);
  // Where the key is there and null, the class takes the number of heads.
  const bool takes_heads = reader.has("num_key_value_heads") || defaults.kv_heads == 0;
  model.kv_heads =
      reader.needed("num_key_value_heads", takes_heads ? model.heads : defaults.kv_heads);
  model.head_width = reader.count("head_dim");
  if (!model.head_width && defaults.head_width != 0) {
    model.head_width = defaults.head_width;
  }
  const bool divides = defaults.model_type == "llama" || defaults.model_type == "mistral";
  if (!model.head_width && divides && model.heads != 0) {
    model.head_width = model.width / model.heads;
  }
  model.vocabulary = reader.count("vocab_size", kMaxVocabulary);
  if (!model.vocabulary && defaults.vocabulary != 0) {
    model.vocabulary = defaults.vocabulary;
  }
  model.norm_epsilon = reader.number("rms_norm_eps").value_or(kDefaultEpsilon);
  const Json *causal = reader.find("is_causal");
  model.is_causal = causal == nullptr || *causal != false;
}

void read_gemma(ConfigReader &reader, bool has_defaults, Hyperparameters &model) {
  if (model.family != Family::kGemma2 && model.family != Family::kGemma3) {
    return;
  }
  model.attention_cap = reader.number("attn_logit_softcapping");
  model.output_cap = reader.number("final_logit_softcapping");
  model.sliding_window = reader.count("sliding_window");
  if (has_defaults && reader.find("sliding_window") == nullptr) {
    model.sliding_window = kDefaultWindow;
  }
  if (model.family == Family::kGemma3) {
    model.slides = reader.count("sliding_window_pattern").value_or(0) != 1;
  } else if (has_defaults) {
    model.attention_cap = model.attention_cap.value_or(kDefaultAttentionCap);
    model.output_cap = model.output_cap.value_or(kDefaultOutputCap);
  }
  if (!model.sliding_window && model.slides) {
    reader.fail("sliding_window", "a number");
  }
  if (model.family == Family::kGemma2 && (!model.attention_cap || !model.output_cap)) {
    reader.fail(model.attention_cap ? "final_logit_softcapping" : "attn_logit_softcapping",
                "a number");
  }
}

} // namespace

std::string_view family_name(Family family) { return kFamilyNames[static_cast<size_t>(family)]; }

Result<Hyperparameters> read_hyperparameters(const Json &config) {
  Hyperparameters model;
  model.architecture = architecture_of(config);
  const auto architecture = find_architecture(model.architecture);
  if (!architecture) {
    return architecture.error();
  }
  model.family = architecture.value().family;
  model.lacks_model_prefix = architecture.value().lacks_model_prefix;

  const Json *text = member(config, "text_config");
  text = text != nullptr && text->is_object() ? text : nullptr;
  std::optional<Error> error;
  ConfigReader reader(config, text, error);
  if (auto refused = refuse_parts(reader, model.family)) {
    return *refused;
  }
  // The class that transformers chooses goes by this word; of a model that it does not know, nothing is filled in.
  const std::string_view type = text_of(config, "model_type").value_or("");
  const auto *found = std::find_if(kDefaults.begin(), kDefaults.end(),
                                   [&](const Defaults &entry) { return entry.model_type == type; });
  const bool has_defaults = found != kDefaults.end();
  read_counts(reader, has_defaults ? *found : Defaults{}, model);
  read_gemma(reader, has_defaults, model);
  if (error) {
    return *error;
  }
  auto rope = read_rope(config, text, model.family, has_defaults, model.context);
  if (!rope) {
    return rope.error();
  }
  model.rope = std::move(rope.value());
  return model;
}

} // namespace monoquant::llama_cpp
