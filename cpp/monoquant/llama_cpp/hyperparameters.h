// What config.json says of a model, with what transformers takes where it says nothing.
// It exists because llama.cpp's converter reads the configuration through transformers, whose defaults differ by model.
// Source: transformers 5.23, the configuration class of each model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monoquant/base/json.h"
#include "monoquant/base/result.h"

namespace monoquant::llama_cpp {

/// Architectures of llama.cpp that are written here. Mistral is one of "llama".
enum class Family : uint8_t { kLlama, kQwen2, kQwen3, kGemma, kGemma2, kGemma3 };

/// "llama", "qwen2", …: general.architecture.
std::string_view family_name(Family family);

/// How positions turn queries and keys.
struct Rope {
  std::string type; // "default", "linear", "yarn", "llama3", …; empty where nothing says it
  std::optional<double> theta;
  std::optional<double> theta_sliding; // of layers that see a window
  std::optional<double> factor;
  double low_factor = 1; // of "llama3"
  double high_factor = 4;
  std::optional<double> original_context;
  std::optional<double> extrapolation_factor; // these four are of "yarn"
  std::optional<double> attention_factor;
  std::optional<double> beta_fast;
  std::optional<double> beta_slow;
};

struct Hyperparameters {
  Family family = Family::kLlama;
  std::string architecture;        // the name in config.json
  bool lacks_model_prefix = false; // its tensors are "layers.0…" instead of "model.layers.0…"
  uint32_t layers = 0;
  uint32_t context = 0;
  uint32_t width = 0;
  uint32_t feed_forward = 0;
  uint32_t heads = 0;    // never 0
  uint32_t kv_heads = 0; // never 0
  std::optional<uint32_t> head_width;
  std::optional<uint32_t> vocabulary; // at most kMaxVocabulary
  double norm_epsilon = 0;
  bool is_causal = true;
  Rope rope;
  std::optional<uint32_t> sliding_window; // Gemma 2 and 3
  bool slides = true;                     // Gemma 3: some layers see a window only
  std::optional<double> attention_cap;    // Gemma 2
  std::optional<double> output_cap;       // Gemma 2 and 3
};

/// `config`: the whole of config.json. Errors: kUnsupportedFormat (an architecture or a part of one that is not written
/// here, by name), kMalformedFile.
Result<Hyperparameters> read_hyperparameters(const Json &config);

} // namespace monoquant::llama_cpp
