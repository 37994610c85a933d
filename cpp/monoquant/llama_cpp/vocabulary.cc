#include "monoquant/llama_cpp/vocabulary.h"

#include <algorithm>
#include <array>

#include "monoquant/base/text.h"
#include "monoquant/base/utf8.h"
#include "monoquant/llama_cpp/sentencepiece.h"

namespace monoquant::llama_cpp {
namespace {

constexpr float kUnusedScore = -10000.0F;
constexpr float kAddedScore = -1000.0F;
constexpr std::string_view kBlank = "▁"; // what SentencePiece has for a space

void put(Vocabulary &vocabulary, size_t id, std::string token, TokenType type) {
  vocabulary.tokens[id] = std::move(token);
  vocabulary.types[id] = static_cast<int32_t>(type);
}

/// So many tokens that nobody uses.
void fill_unused(Vocabulary &vocabulary, size_t count) {
  vocabulary.tokens.resize(count);
  vocabulary.types.resize(count);
  for (size_t id = 0; id < count; ++id) {
    put(vocabulary, id, concat("[PAD", id, "]"), TokenType::kUnused);
  }
}

std::string replaced(std::string_view text, std::string_view part, std::string_view by) {
  std::string result;
  while (true) {
    const size_t at = text.find(part);
    result += text.substr(0, at);
    if (at == std::string_view::npos) {
      return result;
    }
    result += by;
    text.remove_prefix(at + part.size());
  }
}

/// A token that was added, in a vocabulary.
void put_added(Vocabulary &vocabulary, size_t id, std::string_view token, bool is_special) {
  if (is_special || looks_special(token)) {
    put(vocabulary, id, std::string(token), TokenType::kControl);
  } else {
    put(vocabulary, id, replaced(token, kBlank, " "), TokenType::kUserDefined);
  }
}

TokenType type_of(PieceKind kind) {
  switch (kind) {
  case PieceKind::kUnknown:
    return TokenType::kUnknown;
  case PieceKind::kControl:
    return TokenType::kControl;
  case PieceKind::kUnused:
    return TokenType::kUnused;
  case PieceKind::kByte:
    return TokenType::kByte;
  case PieceKind::kNormal:
  case PieceKind::kUserDefined: // the converter does not tell them apart
    break;
  }
  return TokenType::kNormal;
}

/// "0" to "1048575"; nothing for anything else.
std::optional<size_t> number_in(std::string_view digits) {
  size_t number = 0;
  if (digits.empty() || digits.size() > 7 ||
      digits.find_first_not_of("0123456789") != std::string_view::npos) {
    return std::nullopt;
  }
  for (const char digit : digits) {
    number = number * 10 + static_cast<size_t>(digit - '0');
  }
  return number;
}

/// Tokens that tokenizer_config.json lists by their numbers.
Result<void> put_decoded(const Json &config, Vocabulary &vocabulary) {
  const Json *decoder = member(config, "added_tokens_decoder");
  if (decoder == nullptr) {
    return {};
  }
  for (const auto &entry : decoder->items()) {
    const auto id = number_in(entry.key());
    const auto text = text_of(entry.value(), "content");
    if (!id || !text) {
      return side_file_error("tokenizer_config.json", "added tokens with their number and text",
                             "something else");
    }
    if (*id < vocabulary.tokens.size()) {
      put_added(vocabulary, *id, *text, is_true(entry.value(), "special"));
      vocabulary.scores[*id] = kAddedScore;
    }
  }
  return {};
}

bool is_hex(char letter) {
  return (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'f') ||
         (letter >= 'A' && letter <= 'F');
}

/// "<0x0A>".
bool is_byte_token(std::string_view text) {
  return text.size() == 6 && text.starts_with("<0x") && is_hex(text[3]) && is_hex(text[4]) &&
         text[5] == '>';
}

/// The byte that a letter of a byte-level vocabulary stands for, from its code point; nothing for other letters. Printable
/// letters of Latin-1 stand for themselves, the other 68 bytes are those from U+0100 on, in order.
std::optional<uint8_t> byte_of(uint32_t letter) {
  const auto is_itself = [](uint32_t byte) {
    return (byte > 0x20 && byte < 0x7F) || (byte > 0xA0 && byte < 0x100 && byte != 0xAD);
  };
  if (is_itself(letter)) {
    return static_cast<uint8_t>(letter);
  }
  uint32_t next = 0x100;
  for (uint32_t byte = 0; byte < 0x100; ++byte) {
    if (!is_itself(byte) && next++ == letter) {
      return static_cast<uint8_t>(byte);
    }
  }
  return std::nullopt;
}

/// What decoding a token gives: the bytes that its letters stand for, if all of them do for one.
std::string decoded(std::string_view token) {
  std::string bytes;
  for (size_t i = 0; i < token.size();) {
    const auto lead = static_cast<uint8_t>(token[i]);
    const bool is_double = lead >= 0xC2 && lead < 0xE0 && i + 1 < token.size();
    const uint32_t letter =
        lead < 0x80 ? lead
        : is_double ? (lead & 0x1FU) << 6U | (static_cast<uint8_t>(token[i + 1]) & 0x3FU)
                    : UINT32_MAX;
    const auto byte = byte_of(letter);
    if (!byte) {
      return std::string(token);
    }
    bytes.push_back(static_cast<char>(*byte));
    i += is_double ? 2 : 1;
  }
  return is_utf8(bytes) ? bytes : std::string(token);
}

/// What a token becomes by being tokenized and put together again.
std::string through_decoder(std::string_view token, const Json &tokenizer) {
  const Json *decoder = member(tokenizer, "decoder");
  if (text_of(member(decoder, "type")) == "ByteLevel") {
    return decoded(token);
  }
  const Json *steps = member(decoder, "decoders");
  for (size_t i = 0; steps != nullptr && steps->is_array() && i < steps->size(); ++i) {
    const Json &step = (*steps)[i];
    if (text_of(step, "type") == "Replace" &&
        text_of(member(member(step, "pattern"), "String")) == kBlank) {
      return replaced(token, kBlank, text_of(step, "content").value_or(""));
    }
  }
  return std::string(token);
}

/// A vocabulary with two tokens of one number, or without one in between, is none.
Error bad_number(size_t id, std::string_view what) {
  return side_file_error("tokenizer.json", "one token of each number",
                         concat(what, " of number ", id));
}

} // namespace

bool looks_special(std::string_view token) {
  const auto is_between = [&](std::string_view begin, std::string_view end) {
    return token.starts_with(begin) && token.ends_with(end);
  };
  return token == "<pad>" || token == "<mask>" || token == "<2mass>" || token == "[@BOS@]" ||
         is_between("<|", "|>") || is_between("<｜", "｜>") || is_between("<unused", ">");
}

Result<Vocabulary> sentencepiece_vocabulary(const SideFiles &files, const Json &config,
                                            std::optional<uint32_t> size) {
  auto pieces = read_sentencepiece(*files.sentencepiece);
  if (!pieces) {
    return pieces.error();
  }
  Vocabulary vocabulary{"llama", "default", {}, {}, {}, {}};
  const size_t count = size.value_or(0) != 0 ? *size : pieces.value().size();
  fill_unused(vocabulary, count);
  vocabulary.scores.assign(count, kUnusedScore);
  for (size_t id = 0; id < std::min(count, pieces.value().size()); ++id) {
    Piece &piece = pieces.value()[id];
    put(vocabulary, id, std::move(piece.text), type_of(piece.kind));
    vocabulary.scores[id] = piece.score;
  }
  if (files.added_tokens) {
    auto added = read_tokens("added_tokens.json", *files.added_tokens);
    if (!added) {
      return added.error();
    }
    for (Token &token : added.value()) {
      if (token.id < count) {
        put(vocabulary, token.id, std::move(token.text), TokenType::kUserDefined);
        vocabulary.scores[token.id] = kAddedScore;
      }
    }
  }
  if (const auto done = put_decoded(config, vocabulary); !done) {
    return done.error();
  }
  return vocabulary;
}

Result<Vocabulary> byte_fallback_vocabulary(TokenizerJson &tokenizer, const AddedTokens &added) {
  Vocabulary vocabulary{"llama", "default", {}, {}, {}, {}};
  const size_t base = tokenizer.vocabulary.size();
  vocabulary.tokens.resize(base);
  vocabulary.types.resize(base);
  for (Token &token : tokenizer.vocabulary) {
    if (token.id >= base || vocabulary.types[token.id] != 0) {
      return bad_number(token.id, token.id < base ? "two" : "none before one");
    }
    const TokenType type = is_byte_token(token.text)      ? TokenType::kByte
                           : added.is_special(token.text) ? TokenType::kControl
                                                          : TokenType::kNormal;
    put(vocabulary, token.id, std::move(token.text), type);
  }
  for (const AddedToken &token : added.tokens) {
    if (token.id < base) {
      continue;
    }
    if (token.id != vocabulary.tokens.size()) {
      return bad_number(vocabulary.tokens.size(), "none");
    }
    vocabulary.tokens.push_back(token.text);
    vocabulary.types.push_back(static_cast<int32_t>(
        added.is_special(token.text) ? TokenType::kControl : TokenType::kUserDefined));
  }
  vocabulary.scores.assign(vocabulary.tokens.size(), kAddedScore);
  return vocabulary;
}

Result<Vocabulary> byte_level_vocabulary(TokenizerJson &tokenizer, const AddedTokens &added,
                                         std::optional<uint32_t> size, std::string pretokenizer) {
  Vocabulary vocabulary{"gpt2", std::move(pretokenizer), {}, {}, {}, {}};
  size_t needed = added.tokens.empty() ? 0 : added.tokens.back().id + 1;
  for (const Token &token : tokenizer.vocabulary) {
    needed = std::max<size_t>(needed, token.id + 1);
  }
  const size_t count = size.value_or(static_cast<uint32_t>(needed));
  if (needed > count || count == 0) {
    return side_file_error("config.json", concat("a \"vocab_size\" of at least ", needed),
                           std::to_string(count));
  }
  fill_unused(vocabulary, count);
  constexpr auto kUnusedType = static_cast<int32_t>(TokenType::kUnused);
  for (Token &token : tokenizer.vocabulary) {
    if (vocabulary.types[token.id] != kUnusedType) {
      return bad_number(token.id, "two");
    }
    put(vocabulary, token.id, std::move(token.text), TokenType::kNormal);
  }
  for (const AddedToken &token : added.tokens) {
    put_added(vocabulary, token.id,
              token.is_normalized ? token.text : through_decoder(token.text, tokenizer.rest),
              token.is_special);
  }
  vocabulary.merges = std::move(tokenizer.merges);
  return vocabulary;
}

void add_vocabulary_keys(Vocabulary vocabulary, container::GgufKeys &keys) {
  keys.set("tokenizer.ggml.model", std::move(vocabulary.model));
  keys.set("tokenizer.ggml.pre", std::move(vocabulary.pretokenizer));
  keys.set("tokenizer.ggml.tokens", std::move(vocabulary.tokens));
  keys.set("tokenizer.ggml.scores", std::move(vocabulary.scores));
  keys.set("tokenizer.ggml.token_type", std::move(vocabulary.types));
  keys.set("tokenizer.ggml.merges", std::move(vocabulary.merges));
}

} // namespace monoquant::llama_cpp
