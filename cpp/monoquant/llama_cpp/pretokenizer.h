// How a byte-level vocabulary's texts are divided into words before tokens are looked for, by llama.cpp's names.
// It exists because llama.cpp has these rules in its code and wants their name; the converter finds it by tokenizing a text.
// Here it is found by the rules themselves, which tokenizer.json spells out.
#pragma once

#include <optional>
#include <string>

#include "monoquant/base/json.h"
#include "monoquant/llama_cpp/added_tokens.h"

namespace monoquant::llama_cpp {

/// `tokenizer`: tokenizer.json without its vocabulary. Nothing for rules that are not known here.
std::optional<std::string> pretokenizer_name(const Json &tokenizer, const AddedTokens &added);

} // namespace monoquant::llama_cpp
