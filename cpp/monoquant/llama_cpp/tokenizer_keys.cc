#include "monoquant/llama_cpp/tokenizer_keys.h"

#include "monoquant/base/text.h"
#include "monoquant/llama_cpp/pretokenizer.h"
#include "monoquant/llama_cpp/special_tokens.h"
#include "monoquant/llama_cpp/vocabulary.h"

namespace monoquant::llama_cpp {
namespace {

constexpr uint32_t kCodeLlamaTokens = 32016;
constexpr uint32_t kGraniteTokens = 49152; // small Granite models, and SmolLM2

/// Everything that the choice of a tokenizer looks at.
struct Tokenizing {
  const SideFiles &files;
  const Json &model;  // config.json
  const Json &config; // tokenizer_config.json
  const Hyperparameters &hyperparameters;
  const std::string &pretokenizer;
  std::optional<TokenizerJson> json; // tokenizer.json, or what vocab.json and merges.txt say
  bool has_json = false;             // there is a tokenizer.json
};

Error no_tokenizer(std::string_view wanted) {
  return {ErrorCode::kUnsupportedFormat,
          concat("Expected ", wanted, " beside the model, found none."),
          "Put the model's tokenizer files into its folder: a GGUF file has the tokenizer in it.",
          {},
          {}};
}

Error unknown_words(Family family) {
  return {
      ErrorCode::kUnsupportedFormat,
      "The tokenizer divides texts into words in a way that is not known here, and a GGUF file "
      "must say llama.cpp's name for it.",
      family == Family::kGemma3
          ? "Put the model's tokenizer.model into its folder: llama.cpp reads Gemma's from that."
          : "Say the name with the option pretokenizer: what tokenizer.ggml.pre is in a GGUF file "
            "of a model with the same tokenizer, for instance llama-bpe, qwen2 or gpt-2.",
      {},
      {}};
}

std::string_view default_class(const Hyperparameters &model) {
  switch (model.family) {
  case Family::kLlama:
    return "LlamaTokenizer";
  case Family::kQwen2:
  case Family::kQwen3:
    return "Qwen2Tokenizer";
  case Family::kGemma:
  case Family::kGemma2:
  case Family::kGemma3:
    break;
  }
  return "GemmaTokenizer";
}

/// Whether a tokenizer.json holds what SentencePiece made: the converter's test for Llama.
bool has_byte_fallback(const Json &tokenizer) {
  const Json *model = member(tokenizer, "model");
  return model != nullptr && text_of(*model, "type") == "BPE" && is_true(*model, "byte_fallback") &&
         text_of(member(member(tokenizer, "decoder"), "type")) == "Sequence";
}

/// vocab.json and merges.txt as a tokenizer.json, if the tokenizer's class is one whose rules are known.
Result<std::optional<TokenizerJson>> read_plain_tokenizer(const SideFiles &files,
                                                          const Json &config) {
  const std::string_view of_class = text_of(config, "tokenizer_class").value_or("");
  if (!files.vocabulary || !files.merges || !of_class.starts_with("Qwen2Tokenizer")) {
    return std::optional<TokenizerJson>();
  }
  auto tokens = read_tokens("vocab.json", *files.vocabulary);
  if (!tokens) {
    return tokens.error();
  }
  TokenizerJson tokenizer{std::move(tokens.value()), read_merges(*files.merges), Json::object()};
  tokenizer.rest["decoder"] = {{"type", "ByteLevel"}};
  tokenizer.rest["model"] = {{"type", "BPE"}};
  return std::optional(std::move(tokenizer));
}

Result<Vocabulary> read_byte_level(Tokenizing &of, const AddedTokens &added) {
  const Json *model = member(of.json->rest, "model");
  const std::string_view type = text_of(member(model, "type")).value_or("nothing");
  if (type != "BPE") {
    return Error{
        ErrorCode::kUnsupportedFormat,
        concat("Expected a tokenizer of the type BPE in tokenizer.json, found ", type, "."),
        "Convert the model with llama.cpp's convert_hf_to_gguf.py.",
        {},
        {}};
  }
  std::string name = of.pretokenizer;
  if (name.empty()) {
    const auto found =
        of.has_json ? pretokenizer_name(of.json->rest, added) : std::optional<std::string>("qwen2");
    if (!found) {
      return unknown_words(of.hyperparameters.family);
    }
    name = *found;
  }
  if (of.json->merges.empty() && of.files.merges) {
    of.json->merges = read_merges(*of.files.merges);
  }
  return byte_level_vocabulary(*of.json, added, of.hyperparameters.vocabulary, std::move(name));
}

/// The vocabulary's keys and those of special tokens, by what the folder has.
Result<TokenizerKeys> read_either(Tokenizing &of) {
  TokenizerKeys made;
  Result<Vocabulary> vocabulary = Vocabulary();
  std::optional<size_t> limit; // of special tokens' numbers
  if (of.files.sentencepiece) {
    vocabulary = sentencepiece_vocabulary(of.files, of.config, of.hyperparameters.vocabulary);
    made.embedding_rows = vocabulary ? vocabulary.value().tokens.size() : 0;
    limit = made.embedding_rows;
  } else {
    if (!of.json) {
      return no_tokenizer("tokenizer.json or tokenizer.model");
    }
    const Json *listed = member(of.json->rest, "added_tokens");
    made.embedding_rows =
        of.json->vocabulary.size() + (listed != nullptr && listed->is_array() ? listed->size() : 0);
    const auto added = read_added_tokens(*of.json, of.config, default_class(of.hyperparameters));
    if (!added) {
      return added.error();
    }
    if (of.hyperparameters.family == Family::kLlama && has_byte_fallback(of.json->rest)) {
      vocabulary = byte_fallback_vocabulary(*of.json, added.value());
      limit = vocabulary ? vocabulary.value().tokens.size() : 0;
    } else {
      vocabulary = read_byte_level(of, added.value());
    }
  }
  if (!vocabulary) {
    return vocabulary.error();
  }
  made.tokens = vocabulary.value().tokens.size();
  add_vocabulary_keys(std::move(vocabulary.value()), made.keys);
  const TokenFiles beside{of.has_json ? &of.json->rest : nullptr, of.config, of.model};
  if (const auto done = add_special_keys(of.files, beside, {.tokens = limit}, made.keys); !done) {
    return done.error();
  }
  return made;
}

/// Tokens that fill gaps in code, at numbers that only these models have.
Result<void> add_infill_keys(const Tokenizing &of, SpecialWish wish, container::GgufKeys &keys) {
  const TokenFiles beside{of.has_json ? &of.json->rest : nullptr, of.config, of.model};
  return add_special_keys(of.files, beside, std::move(wish), keys);
}

Result<void> add_family_keys(const Tokenizing &of, container::GgufKeys &keys) {
  const auto size = of.hyperparameters.vocabulary;
  switch (of.hyperparameters.family) {
  case Family::kLlama:
    if (size == kCodeLlamaTokens) {
      auto done = add_infill_keys(
          of,
          {.kinds = {"prefix", "suffix", "middle", "eot"},
           .fallbacks = {{"prefix", 32007}, {"suffix", 32008}, {"middle", 32009}, {"eot", 32010}}},
          keys);
      if (!done) {
        return done;
      }
    }
    if (size == kGraniteTokens) {
      keys.set("tokenizer.ggml.add_bos_token", false);
    }
    return {};
  case Family::kGemma: {
    auto done = add_infill_keys(
        of,
        {.kinds = {"prefix", "suffix", "middle", "fsep", "eot"},
         .fallbacks = {{"prefix", 67}, {"suffix", 69}, {"middle", 68}, {"fsep", 70}, {"eot", 107}},
         .has_template = false},
        keys);
    if (!done) {
      return done;
    }
    break;
  }
  case Family::kQwen2:
  case Family::kQwen3:
    return {};
  case Family::kGemma2:
  case Family::kGemma3:
    break;
  }
  if (of.files.sentencepiece) {
    keys.set("tokenizer.ggml.add_space_prefix", false);
  }
  return {};
}

} // namespace

Result<TokenizerKeys> tokenizer_keys(const SideFiles &files, const Json &config,
                                     const Hyperparameters &model,
                                     const std::string &pretokenizer) {
  const bool needs_pieces = model.family == Family::kGemma || model.family == Family::kGemma2;
  if (needs_pieces && !files.sentencepiece) {
    return no_tokenizer("tokenizer.model");
  }
  const auto of_tokenizer = read_side_file("tokenizer_config.json", files.tokenizer_config);
  if (!of_tokenizer) {
    return of_tokenizer.error();
  }
  Tokenizing of{files, config, of_tokenizer.value(), model, pretokenizer, {}, false};
  if (files.tokenizer) {
    auto json = read_tokenizer_json(*files.tokenizer);
    if (!json) {
      return json.error();
    }
    of.json = std::move(json.value());
    of.has_json = true;
  } else if (!files.sentencepiece) {
    auto json = read_plain_tokenizer(files, of.config);
    if (!json) {
      return json.error();
    }
    of.json = std::move(json.value());
  }
  container::GgufKeys keys;
  const Json *adds_space = member(of.config, "add_prefix_space");
  if (model.family == Family::kLlama && adds_space != nullptr && adds_space->is_boolean()) {
    keys.set("tokenizer.ggml.add_space_prefix", adds_space->get<bool>());
  }
  auto made = read_either(of);
  if (!made) {
    return made;
  }
  keys.append(std::move(made.value().keys));
  made.value().keys = std::move(keys);
  if (const auto done = add_family_keys(of, made.value().keys); !done) {
    return done.error();
  }
  return made;
}

} // namespace monoquant::llama_cpp
