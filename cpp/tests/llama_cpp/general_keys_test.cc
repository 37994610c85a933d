#include "monoquant/llama_cpp/general_keys.h"

#include <gtest/gtest.h>

#include "monoquant/base/text.h"
#include "monoquant/llama_cpp/front_matter.h"
#include "monoquant/llama_cpp/model_name.h"
#include "support/llama_folder.h"

namespace monoquant::llama_cpp {
namespace {

/// "full|organization|basename|finetune|version|size".
std::string parts(std::string_view id, uint64_t elements = 0) {
  const NameParts found = name_parts(id, elements);
  return concat(found.full, "|", found.organization, "|", found.basename, "|", found.finetune, "|",
                found.version, "|", found.size);
}

TEST(LlamaModelName, parts_of_a_name) {
  EXPECT_EQ(parts("smollm2"), "smollm2|||||");
  EXPECT_EQ(parts("Qwen3-0.6B-Instruct-v2"), "Qwen3-0.6B-Instruct-v2||Qwen3|Instruct|v2|0.6B");
  EXPECT_EQ(parts("Qwen3-0.6B-Instruct-v2", 32000),
            "Qwen3-0.6B-Instruct-v2||Qwen3|0.6b-Instruct|v2|");
  EXPECT_EQ(parts("meta-llama/Llama-2-7b-chat-hf"),
            "Llama-2-7b-chat-hf|meta-llama|Llama-2|chat-hf||7B");
  EXPECT_EQ(parts("Mistral-7B-Instruct-v0.2-Q4_K_M"),
            "Mistral-7B-Instruct-v0.2-Q4_K_M||Mistral|Instruct|v0.2|7B");
  EXPECT_EQ(parts("Mixtral-8x7B-v0.1"), "Mixtral-8x7B-v0.1||Mixtral||v0.1|8x7B");
  EXPECT_EQ(parts("bloom-7b1"), "bloom-7b1||bloom|||7.1B");
  EXPECT_EQ(parts("Phi-3-mini-4k-instruct", 3'800'000'000),
            "Phi-3-mini-4k-instruct||Phi-3|4k-instruct||mini");
  EXPECT_EQ(parts("model-small-350M"), "model-small-350M||model-small|||350M");
  EXPECT_EQ(parts("gemma-2--2b"), "gemma-2--2b||gemma-2|||2B");
  EXPECT_EQ(parts("Foo-26B-A4B", 4'000'000'000), "Foo-26B-A4B||Foo|||26B-A4B");
  EXPECT_EQ(parts("Foo-26B-x", 3'000'000'000), "Foo-26B-x||Foo|26b-x||");
  EXPECT_EQ(parts("a model of mine"), "a model of mine|||||");
  EXPECT_EQ(parts("./here"), "here|||||");
  EXPECT_EQ(parts("-"), "-|||||");
  EXPECT_EQ(parts(""), "|||||");
}

TEST(LlamaModelName, titles) {
  EXPECT_EQ(title_of("smollm2"), "Smollm2");
  EXPECT_EQ(title_of("llama3-bpe"), "Llama3 Bpe");
  EXPECT_EQ(title_of("Qwen3-0.6B-Instruct-v2"), "Qwen3 0.6B Instruct v2");
  EXPECT_EQ(title_of("meta-llama"), "Meta Llama");
  EXPECT_EQ(title_of("my_model-7b  x"), "My_Model 7b X");
  EXPECT_EQ(title_of("v2x-v1.5"), "V2X v1.5");
}

TEST(LlamaModelName, sizes_have_two_digits) {
  EXPECT_EQ(size_label(0), "");
  EXPECT_EQ(size_label(7), "0.01K");
  EXPECT_EQ(size_label(320), "0.32K");
  EXPECT_EQ(size_label(999), "1.0K");
  EXPECT_EQ(size_label(9'960), "10K");
  EXPECT_EQ(size_label(26'112), "26K");
  EXPECT_EQ(size_label(157'184), "157K");
  EXPECT_EQ(size_label(1'000'000), "1000K");
  EXPECT_EQ(size_label(134'515'008), "135M");
  EXPECT_EQ(size_label(1'235'814'432), "1.2B");
  EXPECT_EQ(size_label(2'500'000), "2.5M");
  EXPECT_EQ(size_label(12'500'000), "12M"); // halves to even
  EXPECT_EQ(size_label(13'500'000), "14M");
  EXPECT_EQ(size_label(8'030'261'248), "8.0B");
  EXPECT_EQ(size_label(1'100'000'000'000), "1.1T");
  EXPECT_EQ(size_label(UINT64_MAX), "");
}

std::string card_text(const std::vector<CardEntry> &entries) {
  std::string text;
  for (const CardEntry &entry : entries) {
    text += concat(entry.name, entry.is_list ? "[" : "(");
    for (const std::string &one : entry.texts) {
      text += concat(one, ";");
    }
    text += entry.is_list ? "]" : ")";
  }
  return text;
}

TEST(LlamaFrontMatter, texts_and_lists_at_the_margin_are_read) {
  EXPECT_EQ(card_text(read_front_matter(
                "---\r\nlicense: apache-2.0 # as it is\r\nlanguage:\r\n- en\r\n- no\r\n"
                "tags:\n  - \"a: b\"\n  - 'it''s'\nempty:\nnothing: ~\n"
                "flow: [x, \"y, z\"]\nquoted: \"a # b\"\n---\nlicense: mit\n")),
            "license(apache-2.0;)language[en;no;]tags[a: b;it's;]empty()nothing()flow[x;y, z;]"
            "quoted(a # b;)");
  // Members of other kinds are left out, and what follows them is read.
  EXPECT_EQ(
      card_text(read_front_matter("---\ntext: |\n  line\n  name: no\nmodel-index:\n- name: x\n  "
                                  "results: []\nmap: {a: b}\nwidget:\n  - text: hi\nlong: a\n  b\n"
                                  "name: yes\nname: last\n")),
      "name(last;)");
  for (const std::string_view none :
       {"", "---", "# Title\n---\nname: x\n---\n", " ---\nname: x\n", "---\n---\nname: x"}) {
    EXPECT_TRUE(read_front_matter(none).empty()) << none;
  }
}

/// The keys that begin with "general.", as "name=text".
std::vector<std::string> general_keys(const test::LlamaFolder &folder, const std::string &name = {},
                                      uint64_t elements = 0) {
  container::GgufKeys keys;
  const auto done = add_general_keys(folder.files(), Json::parse(folder.texts.at("config.json")),
                                     name, elements, keys);
  if (!done) {
    return {std::string(error_code_name(done.error().code))};
  }
  std::vector<std::string> texts;
  for (const auto &key : keys.all()) {
    const std::string value = std::visit(
        [](const auto &held) -> std::string {
          using T = std::decay_t<decltype(held)>;
          if constexpr (std::is_same_v<T, std::string>) {
            return held;
          } else if constexpr (std::is_arithmetic_v<T>) {
            return Json(held).dump();
          } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
            return Json(held).dump();
          } else {
            return "?";
          }
        },
        key.value);
    texts.push_back(concat(key.name.substr(8), "=", value));
  }
  return texts;
}

using Texts = std::vector<std::string>;

TEST(LlamaGeneralKeys, names_come_from_the_folder_where_nothing_else_says_them) {
  test::LlamaFolder folder = test::small_folder();
  folder.name = "Qwen3-0.6B-Instruct-v2";
  EXPECT_EQ(general_keys(folder, {}, 600'000'000),
            (Texts{"type=model", "name=Qwen3 0.6B Instruct v2", "version=v2", "finetune=Instruct",
                   "basename=Qwen3", "size_label=0.6B"}));
  EXPECT_EQ(general_keys(folder, "Mine", 32'000),
            (Texts{"type=model", "name=Mine", "version=v2", "finetune=0.6b-Instruct",
                   "basename=Qwen3", "size_label=32K"}));
  folder.configure("_name_or_path", "meta-llama/Llama-2-7b-hf");
  EXPECT_EQ(general_keys(folder, {}, 6'700'000'000),
            (Texts{"type=model", "name=Llama 2 7b Hf", "version=v2", "organization=Meta Llama",
                   "finetune=hf", "basename=Llama-2", "size_label=7B"}));
  folder.configure("_name_or_path", "/home/me/models/x");
  EXPECT_EQ(general_keys(folder)[1], "name=Qwen3 0.6B Instruct v2");
}

TEST(LlamaGeneralKeys, the_card_counts_first) {
  test::LlamaFolder folder = test::small_folder();
  folder.texts["README.md"] =
      "---\nmodel_name: Card\nmodel_creator: Somebody\nlicense: [mit, apache-2.0]\n"
      "license_link: https://x/y\nbase_model:\n- org-a/Base-7B-v1\n- "
      "https://huggingface.co/b/Other-2\n- https://example.com/z\ndatasets: c/Data\n"
      "tags:\n- one\n- two\npipeline_tag: text-generation\nlanguage: en\nurl: "
      "https://source\n---\n# Title\n";
  EXPECT_EQ(general_keys(folder),
            (Texts{"type=model",
                   "name=Card",
                   "author=Somebody",
                   "license=mit,apache-2.0",
                   "license.link=https://x/y",
                   "source.url=https://source",
                   "base_model.count=3",
                   "base_model.0.name=Base 7B v1",
                   "base_model.0.version=v1",
                   "base_model.0.organization=Org A",
                   "base_model.0.repo_url=https://huggingface.co/org-a/Base-7B-v1",
                   "base_model.1.name=Other 2",
                   "base_model.1.version=2",
                   "base_model.1.organization=B",
                   "base_model.1.repo_url=https://huggingface.co/b/Other-2",
                   "base_model.2.repo_url=https://example.com/z",
                   "dataset.count=1",
                   "dataset.0.name=Data",
                   "dataset.0.organization=C",
                   "dataset.0.repo_url=https://huggingface.co/c/Data",
                   R"(tags=["one","two","text-generation"])",
                   R"(languages=["en"])"}));
}

TEST(LlamaGeneralKeys, sampling_comes_from_the_generation_config) {
  test::LlamaFolder folder = test::small_folder();
  folder.texts["generation_config.json"] =
      R"({"repetition_penalty":1.5,"top_p":0.5,"temperature":1,"top_k":50,"sequence":"k;p","eos_token_id":[1,2],"min_p":null})";
  EXPECT_EQ(general_keys(folder),
            (Texts{"type=model", "sampling.sequence=k;p", "sampling.top_k=50", "sampling.top_p=0.5",
                   "sampling.temp=1.0", "sampling.penalty_repeat=1.5", "name=Small"}));
  folder.texts["generation_config.json"] = "no JSON";
  EXPECT_EQ(general_keys(folder), (Texts{"type=model", "name=Small"}));
  folder.texts["generation_config.json"] = R"({"top_k":"many"})";
  EXPECT_EQ(general_keys(folder), (Texts{"malformed-file"}));
}

} // namespace
} // namespace monoquant::llama_cpp
