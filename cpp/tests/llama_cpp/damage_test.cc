// Side files that are broken: whatever is in them, there is a model or an error in words.
#include "monoquant/llama_cpp/model.h"

#include <gtest/gtest.h>

#include "monoquant/base/text.h"
#include "monoquant/llama_cpp/front_matter.h"
#include "monoquant/llama_cpp/sentencepiece.h"
#include "monoquant/llama_cpp/tokenizer_json.h"
#include "support/deep.h"
#include "support/llama_folder.h"
#include "support/random.h"

namespace monoquant::llama_cpp {
namespace {

using test::LlamaFolder;
using test::Random;

/// A byte, a piece or the end of a text is changed, taken away or doubled.
void damage(std::string &text, Random &random) {
  if (text.empty()) {
    return;
  }
  const size_t at = random.index(text.size());
  const size_t length = 1 + random.index(std::min<size_t>(text.size() - at, 24));
  switch (random.below(6)) {
  case 0:
    text[at] = static_cast<char>(random.bits());
    break;
  case 1:
    text.erase(at, length);
    break;
  case 2:
    text.insert(at, text.substr(at, length));
    break;
  case 3:
    text.resize(at);
    break;
  case 4: {
    constexpr std::string_view kPieces[] = {
        "null", "-1", "{",           "[",    "]",   "}",       "\"",   "1e99",
        "[[[",  ",",  "99999999999", "true", "{\"", "\\ud800", "\xFF", "4294967295"};
    text.insert(at, random.pick(kPieces));
    break;
  }
  default: { // a piece of it goes elsewhere
    const std::string piece = text.substr(at, length);
    text.replace(random.index(text.size()), length, piece);
  }
  }
}

TEST(LlamaDamage, every_broken_folder_is_a_model_or_an_error) {
  const uint64_t rounds = test::is_deep() ? 20'000 : 600;
  size_t made = 0;
  uint64_t folder_number = 1;
  for (const char *name : {"llama", "gemma2", "llama3-bpe", "qwen2"}) {
    LlamaFolder whole = test::read_llama_folder(name);
    whole.texts["README.md"] =
        "---\nlicense: mit\ntags: [a, 'b']\nbase_model:\n- x/Y-7B\n---\n# T\n";
    whole.texts["generation_config.json"] = R"({"top_k":50,"temperature":0.5,"sequence":"x"})";
    whole.texts["added_tokens.json"] = R"({"<x>":319})";
    Random random(folder_number++);
    for (uint64_t round = 0; round < rounds; ++round) {
      LlamaFolder folder = whole;
      auto text = folder.texts.begin();
      std::advance(text, static_cast<std::ptrdiff_t>(random.index(folder.texts.size())));
      for (uint64_t i = 0; i <= random.below(3); ++i) {
        damage(text->second, random);
      }
      auto model = folder.model({.pretokenizer = "llama-bpe"});
      if (!model) {
        EXPECT_FALSE(model.error().message.empty());
        continue;
      }
      ++made;
      std::vector<container::GgufOutput> outputs;
      for (const ModelTensor &tensor : model.value().tensors) {
        EXPECT_FALSE(tensor.name.empty());
        EXPECT_TRUE(tensor.source || !tensor.values.empty());
        outputs.push_back({tensor.name, tensor.shape, 0, 4, 0});
      }
      EXPECT_TRUE(container::layout_gguf(model.value().keys, outputs));
    }
  }
  EXPECT_GT(made, rounds / 10); // not all of it is refused at the door
}

TEST(LlamaDamage, every_end_of_the_pieces_is_read_or_refused) {
  const std::string whole = test::read_llama_folder("gemma2").texts["tokenizer.model"];
  const auto bytes_of = [](const std::string &text) {
    return std::span(reinterpret_cast<const uint8_t *>(text.data()), text.size());
  };
  const auto all = read_sentencepiece(bytes_of(whole));
  ASSERT_TRUE(all);
  EXPECT_EQ(all.value().size(), 318U);
  for (size_t end = 0; end < whole.size(); ++end) {
    const std::string cut = whole.substr(0, end); // memory of its own, so that reading on shows
    const auto pieces = read_sentencepiece(bytes_of(cut));
    EXPECT_TRUE(!pieces || pieces.value().size() <= 318) << end;
    EXPECT_TRUE(pieces || pieces.error().offset <= end) << end;
  }
}

TEST(LlamaDamage, deep_and_endless_files_are_refused) {
  LlamaFolder folder = test::small_folder();
  const auto is_refused = [&](const std::string &file, const std::string &text) {
    LlamaFolder broken = folder;
    broken.texts[file] = text;
    return !broken.model();
  };
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  std::string many = "{\"x\":[0";
  for (size_t i = 0; i < kMaxSideFileValues; ++i) {
    many += ",0";
  }
  many += "]}";
  for (const char *file : {"config.json", "tokenizer.json", "tokenizer_config.json"}) {
    EXPECT_TRUE(is_refused(file, deep)) << file;
    EXPECT_TRUE(is_refused(file, concat("{\"a\":", deep, "}"))) << file;
    EXPECT_TRUE(is_refused(file, many)) << file;
    EXPECT_TRUE(is_refused(file, "")) << file;
    EXPECT_TRUE(is_refused(file, "[]")) << file;
  }
  EXPECT_TRUE(is_refused(
      "tokenizer.json", concat(R"({"model":{"type":"BPE","vocab":{"a":0},"merges":)", deep, "}}")));
  EXPECT_TRUE(
      is_refused("tokenizer.json", R"({"model":{"type":"BPE","vocab":{"a":0},"vocab":{"b":1}}})"));
  EXPECT_TRUE(is_refused("tokenizer.json",
                         R"({"model":{"type":"Unigram","vocab":[["a",-1.5],["b",-2]]}})"));
  EXPECT_TRUE(
      is_refused("tokenizer.json", R"({"model":{"type":"BPE","vocab":null,"merges":null}})"));
}

TEST(LlamaDamage, a_large_vocabulary_is_read_in_one_go) {
  // As many tokens and merges as the largest published tokenizers have; a document of them would be searched name by name.
  std::string text = R"({"added_tokens":[],"model":{"type":"BPE","vocab":{)";
  constexpr size_t kTokens = 262'144;
  for (size_t i = 0; i < kTokens; ++i) {
    text += concat(i == 0 ? "\"" : ",\"", "token", i, "\":", i);
  }
  text += R"(},"merges":[)";
  for (size_t i = 0; i < 2 * kTokens; ++i) {
    text += concat(i == 0 ? "" : ",", "[\"a", i, "\",\"b\"]");
  }
  text += "]}}";
  const auto tokenizer = read_tokenizer_json(text);
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer.value().vocabulary.size(), kTokens);
  EXPECT_EQ(tokenizer.value().vocabulary.back().text, "token262143");
  EXPECT_EQ(tokenizer.value().merges.size(), 2 * kTokens);
  EXPECT_EQ(tokenizer.value().rest.dump(), R"({"added_tokens":[],"model":{"type":"BPE"}})");
}

TEST(LlamaDamage, every_card_ends) {
  Random random(7);
  const std::string whole =
      "---\nlicense: 'a''b'\ntags: [\"x, y\", z]\nlist:\n- a\n- \"b\\n\"\nt: |\n x\n---\n";
  for (size_t round = 0; round < 5000; ++round) {
    std::string text = whole;
    for (uint64_t i = 0; i <= random.below(4); ++i) {
      damage(text, random);
    }
    for (const CardEntry &entry : read_front_matter(text)) {
      EXPECT_LE(entry.name.size(), text.size());
    }
  }
}

} // namespace
} // namespace monoquant::llama_cpp
