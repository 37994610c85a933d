#include "monoquant/llama_cpp/tokenizer_keys.h"

#include <gtest/gtest.h>

#include "monoquant/base/text.h"
#include "monoquant/llama_cpp/pretokenizer.h"
#include "monoquant/llama_cpp/sentencepiece.h"
#include "monoquant/llama_cpp/vocabulary.h"
#include "support/llama_folder.h"

namespace monoquant::llama_cpp {
namespace {

using Texts = std::vector<std::string>;
using test::LlamaFolder;

struct Read {
  std::string error; // its message; empty if there is none
  container::GgufKeys keys;

  template <typename T> T get(const std::string &key) const {
    const auto *value = keys.find("tokenizer." + key);
    return value == nullptr ? T() : std::get<T>(*value);
  }
  /// "kind=number" of special tokens and "add_kind=true", in their order.
  [[nodiscard]] std::string specials() const {
    std::string text;
    for (const auto &key : keys.all()) {
      const std::string_view name = std::string_view(key.name).substr(10);
      const auto *id = std::get_if<uint32_t>(&key.value);
      const auto *flag = std::get_if<bool>(&key.value);
      if (name.starts_with("ggml.") && (id != nullptr || flag != nullptr)) {
        text += concat(text.empty() ? "" : " ", name.substr(5), "=",
                       id != nullptr ? std::to_string(*id)
                       : *flag       ? "true"
                                     : "false");
      }
    }
    return text;
  }
};

Read read(const LlamaFolder &folder, const std::string &pretokenizer = {}) {
  const Json config = Json::parse(folder.texts.at("config.json"));
  const auto model = read_hyperparameters(config);
  EXPECT_TRUE(model) << model.error().message;
  auto made = tokenizer_keys(folder.files(), config, model.value(), pretokenizer);
  if (!made) {
    return {made.error().message + " " + made.error().suggestion, {}};
  }
  return {{}, std::move(made.value().keys)};
}

TEST(LlamaTokenizer, added_tokens_are_of_control_or_of_the_user) {
  LlamaFolder folder = test::small_folder({{"vocab_size", 12}});
  folder.configure("added_tokens",
                   Json::parse(R"([{"id":3,"content":"<s>","special":true,"normalized":false},
                     {"id":4,"content":"▁my▁","special":false,"normalized":false},
                     {"id":5,"content":"<|im_start|>","special":false,"normalized":true},
                     {"id":6,"content":"Ġx","special":false,"normalized":false},
                     {"id":7,"content":"Ġx ","special":false,"normalized":false},
                     {"id":8,"content":"ÂŃ","special":false,"normalized":false},
                     {"id":9,"content":"<unused7>","special":false,"normalized":false}])"),
                   "tokenizer.json");
  const Read read_ = read(folder);
  EXPECT_EQ(read_.error, "");
  EXPECT_EQ(read_.get<std::string>("ggml.model"), "gpt2");
  EXPECT_EQ(read_.get<std::string>("ggml.pre"), "gpt-2");
  EXPECT_EQ(read_.get<Texts>("ggml.tokens"),
            (Texts{"a", "b", "ab", "<s>", " my ", "<|im_start|>", " x", "Ġx ", "\u00AD",
                   "<unused7>", "[PAD10]", "[PAD11]"}));
  EXPECT_EQ(read_.get<std::vector<int32_t>>("ggml.token_type"),
            (std::vector<int32_t>{1, 1, 1, 3, 4, 3, 4, 4, 4, 3, 5, 5}));
  EXPECT_EQ(read_.get<Texts>("ggml.merges"), (Texts{"a b"}));
  EXPECT_EQ(read_.specials(), "bos_token_id=3");
}

TEST(LlamaTokenizer, tokens_of_the_configuration_are_added_where_the_tokenizer_lacks_them) {
  LlamaFolder folder = test::small_folder({{"vocab_size", 8}});
  folder.texts["tokenizer_config.json"] =
      R"({"tokenizer_class":"PreTrainedTokenizerFast","bos_token":{"content":"<s>"},"pad_token":"ab",)"
      R"("image_token":"<img>","added_tokens_decoder":{"10":{"content":"<s>","special":false},)"
      R"("9":{"content":"<new>","special":false,"normalized":true}},"unk_token":null})";
  const Read read_ = read(folder);
  EXPECT_EQ(read_.error, "");
  EXPECT_EQ(read_.get<Texts>("ggml.tokens"),
            (Texts{"a", "b", "ab", "<s>", "<new>", "<img>", "[PAD6]", "[PAD7]"}));
  EXPECT_EQ(read_.get<std::vector<int32_t>>("ggml.token_type"),
            (std::vector<int32_t>{1, 1, 3, 3, 4, 3, 5, 5}));
  // Numbers of special tokens are those of tokenizer.json only.
  EXPECT_EQ(read_.specials(), "bos_token_id=3");
  // A class has tokens of its own, unless the configuration speaks of them.
  folder.configure("tokenizer_class", "Qwen2Tokenizer", "tokenizer_config.json");
  EXPECT_EQ(read(folder).get<Texts>("ggml.tokens")[5], "<|endoftext|>");
  EXPECT_EQ(read(folder).get<Texts>("ggml.tokens")[6], "<img>");
  for (const char *name : {"eos_token", "pad_token", "unk_token"}) {
    folder.configure(name, "", "tokenizer_config.json"); // no token, and not the class's either
  }
  EXPECT_EQ(read(folder).get<Texts>("ggml.tokens")[5], "<img>");
}

TEST(LlamaTokenizer, merges_are_texts_or_pairs) {
  LlamaFolder folder = test::small_folder();
  Json tokenizer = Json::parse(folder.texts["tokenizer.json"]);
  tokenizer["model"]["merges"] = Json::parse(R"([["a","b"],["a b","c"]])");
  folder.texts["tokenizer.json"] = tokenizer.dump();
  EXPECT_EQ(read(folder).get<Texts>("ggml.merges"), (Texts{"a b", "aĠb c"}));
  tokenizer["model"]["merges"] = nullptr;
  folder.texts["tokenizer.json"] = tokenizer.dump();
  folder.texts["merges.txt"] = "#version: 0.2\na b\r\n# c\n\n1 2 3\nd\te\nf g";
  EXPECT_EQ(read(folder).get<Texts>("ggml.merges"), (Texts{"a b", "# c", "d e", "f g"}));
}

TEST(LlamaTokenizer, numbers_that_cannot_be_are_refused) {
  const auto error_of = [](const char *vocabulary, uint32_t size = 4) {
    LlamaFolder folder = test::small_folder({{"vocab_size", size}});
    Json tokenizer = Json::parse(folder.texts["tokenizer.json"]);
    tokenizer["model"]["vocab"] = Json::parse(vocabulary);
    folder.texts["tokenizer.json"] = tokenizer.dump();
    return read(folder).error;
  };
  EXPECT_EQ(error_of(R"({"a":0,"b":1,"ab":2})"), "");
  EXPECT_NE(error_of(R"({"a":0,"b":1,"ab":2})", 3), "");
  EXPECT_NE(error_of(R"({"a":0,"b":0,"ab":2})"), "");
  EXPECT_NE(error_of(R"({"a":0,"b":4,"ab":2})"), "");
  EXPECT_NE(error_of(R"({"a":0,"b":-1,"ab":2})"), "");
  EXPECT_NE(error_of(R"({"a":0,"b":99999999,"ab":2})"), "");
  EXPECT_NE(error_of(R"({"a":0,"b":{"c":1}})"), "");
  EXPECT_NE(error_of(R"({"a":0,"b":"1"})"), "");
}

TEST(LlamaTokenizer, numbers_of_pieces_have_no_gaps) {
  const auto error_of = [](const char *vocabulary, const char *added = "[]") {
    LlamaFolder folder = test::read_llama_folder("llama");
    folder.texts["tokenizer_config.json"] = R"({"tokenizer_class":"x"})";
    Json tokenizer = Json::parse(folder.texts["tokenizer.json"]);
    tokenizer["model"]["vocab"] = Json::parse(vocabulary);
    tokenizer["added_tokens"] = Json::parse(added);
    folder.texts["tokenizer.json"] = tokenizer.dump();
    return read(folder).error;
  };
  EXPECT_EQ(error_of(R"({"a":0,"b":1})"), "");
  EXPECT_EQ(error_of(R"({"a":0,"b":1})", R"([{"id":2,"content":"c"},{"id":0,"content":"a"}])"), "");
  EXPECT_NE(error_of(R"({"a":0,"b":2})"), "");
  EXPECT_NE(error_of(R"({"a":1,"b":1})"), "");
  EXPECT_NE(error_of(R"({"a":0,"b":1})", R"([{"id":3,"content":"c"}])"), "");
  EXPECT_NE(error_of(R"({"a":0,"b":1})", R"([{"id":2,"content":"c"},{"id":2,"content":"d"}])"), "");
  EXPECT_NE(error_of(R"({"a":0,"b":1})", R"([{"id":-2,"content":"c"}])"), "");
  EXPECT_NE(error_of(R"({"a":0,"b":1})", R"([{"id":2}])"), "");
  EXPECT_NE(error_of(R"({"a":0,"b":1})", R"([7])"), "");
}

TEST(LlamaTokenizer, tokens_that_are_listed_by_themselves) {
  const auto tokens = read_tokens("vocab.json", R"({"a":0,"b":1048575})");
  ASSERT_TRUE(tokens);
  EXPECT_EQ(tokens.value()[1].id, kMaxVocabulary - 1);
  for (const char *text : {R"({"a":1048576})", R"({"a":4294967296})", R"({"a":"0"})",
                           R"({"a":[0]})", R"(["a"])", R"({"a":null})", "7", "", R"({"a":0)"}) {
    EXPECT_FALSE(read_tokens("vocab.json", text)) << text;
  }
}

TEST(LlamaTokenizer, bytes_that_are_tokens_make_a_vocabulary_of_pieces) {
  LlamaFolder folder = test::read_llama_folder("llama");
  folder.configure("added_tokens_decoder", {{"320", {{"content", "<x>"}, {"special", true}}}},
                   "tokenizer_config.json");
  folder.configure("additional_special_tokens", {"▁the▁"}, "tokenizer_config.json");
  const Read read_ = read(folder);
  EXPECT_EQ(read_.error, "");
  const auto tokens = read_.get<Texts>("ggml.tokens");
  const auto types = read_.get<std::vector<int32_t>>("ggml.token_type");
  ASSERT_EQ(tokens.size(), 321U); // vocab_size 320 does not cut
  EXPECT_EQ(tokens[320], "<x>");
  EXPECT_EQ(types[320], 4); // special for tokenizer.json, not for the tokenizer
  EXPECT_EQ(tokens[307], "▁the▁");
  EXPECT_EQ(types[307], 3);
  EXPECT_EQ(read_.get<std::vector<float>>("ggml.scores"), std::vector<float>(321, -1000.0F));
  EXPECT_EQ(read_.keys.find("tokenizer.ggml.merges"), nullptr);
  // Qwen's class knows no such tokenizers.
  folder.configure("architectures", {"Qwen2ForCausalLM"});
  EXPECT_NE(read(folder).error, "");
}

TEST(LlamaTokenizer, pieces_are_filled_up_and_replaced) {
  LlamaFolder folder = test::read_llama_folder("gemma2");
  folder.texts["added_tokens.json"] = R"({"<mine>":318,"far":5000})";
  folder.configure("added_tokens_decoder",
                   {{"4", {{"content", "<mask>"}, {"special", false}}},
                    {"5", {{"content", "a▁b"}, {"special", false}}},
                    {"99999", {{"content", "far"}}}},
                   "tokenizer_config.json");
  const Read read_ = read(folder);
  EXPECT_EQ(read_.error, "");
  const auto tokens = read_.get<Texts>("ggml.tokens");
  const auto types = read_.get<std::vector<int32_t>>("ggml.token_type");
  const auto scores = read_.get<std::vector<float>>("ggml.scores");
  ASSERT_EQ(tokens.size(), 320U);
  EXPECT_EQ(tokens[4] + "|" + tokens[5] + "|" + tokens[318] + "|" + tokens[319],
            "<mask>|a b|<mine>|[PAD319]");
  EXPECT_EQ((std::vector<int32_t>{types[0], types[3], types[4], types[5], types[318], types[319]}),
            (std::vector<int32_t>{3, 2, 3, 4, 4, 5}));
  EXPECT_EQ(scores[4], -1000.0F);
  EXPECT_EQ(scores[318], -1000.0F);
  EXPECT_EQ(scores[319], -10000.0F);
  folder.configure("added_tokens_decoder", {{"x", {{"content", "y"}}}}, "tokenizer_config.json");
  EXPECT_NE(read(folder).error, "");
}

TEST(LlamaTokenizer, each_family_wants_its_own_files) {
  LlamaFolder folder = test::read_llama_folder("gemma2");
  EXPECT_EQ(
      read(folder).specials(),
      "bos_token_id=2 eos_token_id=1 padding_token_id=0 add_bos_token=true add_eos_token=false "
      "add_space_prefix=false");
  folder.configure("architectures", {"GemmaForCausalLM"});
  EXPECT_EQ(
      read(folder).specials(),
      "bos_token_id=2 eos_token_id=1 padding_token_id=0 add_bos_token=true add_eos_token=false "
      "eot_token_id=107 add_space_prefix=false");
  EXPECT_EQ(read(folder).get<std::string>("chat_template").substr(0, 6), "{% for");
  folder.texts.erase("tokenizer.model");
  EXPECT_NE(read(folder).error.find("tokenizer.model"), std::string::npos);

  LlamaFolder llama = test::small_folder({{"vocab_size", 49152}});
  llama.configure("add_bos_token", true, "tokenizer_config.json");
  llama.configure("add_prefix_space", false, "tokenizer_config.json");
  EXPECT_EQ(read(llama).specials(), "add_space_prefix=false bos_token_id=3 add_bos_token=false");
  llama.configure("vocab_size", 32016);
  EXPECT_EQ(read(llama).specials(),
            "add_space_prefix=false bos_token_id=3 add_bos_token=true eot_token_id=32010");
  llama.texts.erase("tokenizer.json");
  EXPECT_NE(read(llama).error.find("tokenizer.json or tokenizer.model"), std::string::npos);
}

TEST(LlamaTokenizer, qwen_2_may_come_as_vocabulary_and_merges) {
  LlamaFolder folder = test::small_folder({{"architectures", {"Qwen2ForCausalLM"}},
                                           {"model_type", "qwen2"},
                                           {"vocab_size", 5},
                                           {"eos_token_id", 3}});
  folder.texts.erase("tokenizer.json");
  folder.texts["vocab.json"] = R"({"a":0,"b":1,"ab":2})";
  folder.texts["merges.txt"] = "a b\n";
  folder.texts["tokenizer_config.json"] = R"({"tokenizer_class":"Qwen2Tokenizer"})";
  const Read read_ = read(folder);
  EXPECT_EQ(read_.error, "");
  EXPECT_EQ(read_.get<Texts>("ggml.tokens"), (Texts{"a", "b", "ab", "<|endoftext|>", "[PAD4]"}));
  EXPECT_EQ(read_.get<std::string>("ggml.pre"), "qwen2");
  EXPECT_EQ(read_.specials(), "eos_token_id=3");
  folder.texts["tokenizer_config.json"] = R"({"tokenizer_class":"GPT2Tokenizer"})";
  EXPECT_NE(read(folder).error, "");
}

/// The special tokens of a tokenizer whose post-processor is this one.
std::string with_processor(const char *processor, const char *config) {
  LlamaFolder folder = test::small_folder({{"vocab_size", 8}, {"eos_token_id", {1, 2}}});
  folder.configure("added_tokens", Json::parse(R"([{"id":3,"content":"<s>","special":true},
                                   {"id":4,"content":"</s>","special":true},
                                   {"id":5,"content":"<sep>","special":true}])"),
                   "tokenizer.json");
  folder.configure("post_processor", Json::parse(processor), "tokenizer.json");
  config == nullptr ? void(folder.texts.erase("tokenizer_config.json"))
                    : void(folder.texts["tokenizer_config.json"] = config);
  const Read made = read(folder);
  return made.error.empty() ? made.specials() : made.error;
}

constexpr const char *kConfig =
    R"({"tokenizer_class":"x","bos_token":"<s>","eos_token":{"content":"</s>"},"add_eos_token":true})";
#define SPECIAL(name) R"({"SpecialToken":{"id":")" name R"("}})"
#define SEQUENCE(name) R"({"Sequence":{"id":")" name R"("}})"
#define TEMPLATE(single, pair)                                                                     \
  R"({"type":"TemplateProcessing","single":[)" single R"(],"pair":[)" pair "]}"

TEST(LlamaSpecialTokens, post_processors_say_what_is_added) {
  EXPECT_EQ(with_processor("null", kConfig), "bos_token_id=3 eos_token_id=4 add_eos_token=true");
  EXPECT_EQ(with_processor(R"({"type":"ByteLevel"})", kConfig),
            "bos_token_id=3 eos_token_id=4 add_bos_token=false add_eos_token=false");
  EXPECT_EQ(with_processor(TEMPLATE(SPECIAL("<s>") "," SEQUENCE("A"), ""), kConfig),
            "bos_token_id=3 eos_token_id=4 add_bos_token=true add_eos_token=true");
  EXPECT_EQ(with_processor(TEMPLATE(SPECIAL("<sep>") "," SEQUENCE("A"), ""), kConfig),
            "bos_token_id=3 eos_token_id=4 add_bos_token=false add_eos_token=true");
  // What is added at the end ends a text, and what did so until now ends a turn.
  EXPECT_EQ(with_processor(TEMPLATE(SEQUENCE("A") "," SPECIAL("<sep>"), ""), kConfig),
            "bos_token_id=3 eos_token_id=5 eot_token_id=4 add_eos_token=true");
  EXPECT_EQ(
      with_processor(R"({"type":"RobertaProcessing","cls":["<s>",3],"sep":["<sep>",5]})", kConfig),
      "bos_token_id=3 eos_token_id=4 seperator_token_id=5 cls_token_id=3 add_bos_token=true "
      "add_eos_token=true add_sep_token=true");
}

TEST(LlamaSpecialTokens, templates_of_pairs_say_what_parts_texts) {
  const auto pair = [](const char *processor) {
    return with_processor(
        processor,
        R"({"tokenizer_class":"x","bos_token":"<s>","eos_token":"</s>","sep_token":"<sep>"})");
  };
  const std::string ids = "bos_token_id=3 eos_token_id=4 seperator_token_id=5";
  EXPECT_EQ(pair(TEMPLATE(SEQUENCE("A"), SEQUENCE("A") "," SPECIAL("<sep>") "," SEQUENCE("B"))),
            ids + " add_sep_token=true");
  EXPECT_EQ(pair(TEMPLATE(SEQUENCE("A"), SEQUENCE("A") "," SPECIAL("<s>") "," SEQUENCE("B"))),
            ids + " add_sep_token=false");
  EXPECT_EQ(pair(TEMPLATE(SEQUENCE("A"), SEQUENCE("A") "," SEQUENCE("B"))), ids);
  EXPECT_EQ(pair(TEMPLATE(SPECIAL("<s>") "," SEQUENCE("A") "," SPECIAL("</s>"),
                          SPECIAL("<s>") "," SEQUENCE("A") "," SPECIAL("<sep>") "," SPECIAL(
                              "<sep>") "," SEQUENCE("B") "," SPECIAL("</s>"))),
            ids + " add_bos_token=true add_eos_token=true add_sep_token=true");
  EXPECT_EQ(pair(TEMPLATE(SEQUENCE("A"), SEQUENCE("B") "," SPECIAL("<sep>") "," SEQUENCE("A"))),
            ids);
}

TEST(LlamaSpecialTokens, numbers_of_the_configuration_fill_in) {
  LlamaFolder folder = test::small_folder({{"vocab_size", 8},
                                           {"bos_token_id", 1},
                                           {"eos_token_id", {1, 2}},
                                           {"pad_token_id", -1},
                                           {"unk_token_id", 0},
                                           {"text_config", {{"mask_token_id", 2}}}});
  EXPECT_EQ(read(folder).specials(), "bos_token_id=3 unknown_token_id=0 mask_token_id=2");
  // Of pieces, numbers beyond the vocabulary are left out.
  LlamaFolder gemma = test::read_llama_folder("gemma2");
  gemma.configure("bos_token_id", 320);
  EXPECT_TRUE(read(gemma).specials().starts_with("eos_token_id=1 padding_token_id=0"));
}

TEST(LlamaSpecialTokens, chat_templates_by_their_order_of_precedence) {
  LlamaFolder folder = test::small_folder();
  folder.texts["chat_template.json"] = R"({"chat_template":"from json"})";
  EXPECT_EQ(read(folder).get<std::string>("chat_template"), "from json");
  folder.texts["chat_template.jinja"] = "from jinja";
  EXPECT_EQ(read(folder).get<std::string>("chat_template"), "from jinja");
  folder.configure("chat_template", "from config", "tokenizer_config.json");
  EXPECT_EQ(read(folder).get<std::string>("chat_template"), "from config");
  folder.configure(
      "chat_template",
      Json::parse(
          R"([{"name":"default","template":"D"},{"name":"tool use","template":"T"},{"name":"x"}])"),
      "tokenizer_config.json");
  const Read made = read(folder);
  EXPECT_EQ(made.get<std::string>("chat_template"), "D");
  EXPECT_EQ(made.get<std::string>("chat_template.tool_use"), "T");
  EXPECT_EQ(made.get<Texts>("chat_templates"), (Texts{"tool_use"}));
  folder.texts.erase("tokenizer_config.json");
  folder.texts["config.json"] = test::small_folder({{"vocab_size", 9}}).texts["config.json"];
  EXPECT_EQ(read(folder).get<std::string>("chat_template"), "");
}

TEST(LlamaPretokenizer, known_words_have_a_name) {
  const std::string llama3 =
      R"(\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+)";
  const std::string begin = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?)";
  const std::string qwen2 =
      R"(\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+)";
  const auto split = [&](const std::string &regex) {
    return R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":")" + begin +
           regex +
           R"("},"behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]})";
  };
  const auto name_of = [](const std::string &pretokenizer, const std::string &normalizer = "null",
                          bool ignores_merges = false, const char *token = "<s>") {
    Json tokenizer =
        Json::parse(R"({"normalizer":)" + normalizer + R"(,"pre_tokenizer":)" + pretokenizer + "}");
    tokenizer["model"]["ignore_merges"] = ignores_merges;
    AddedTokens added;
    added.tokens.push_back({token, 0, true, false});
    return pretokenizer_name(tokenizer, added).value_or("?");
  };
  EXPECT_EQ(name_of(split(llama3), "null", true), "llama-bpe");
  EXPECT_EQ(name_of(split(llama3)), "smaug-bpe");
  EXPECT_EQ(name_of(split(qwen2), R"({"type":"NFC"})"), "qwen2");
  EXPECT_EQ(name_of(split(qwen2)), "?");
  EXPECT_EQ(name_of(split(qwen2), R"({"type":"Sequence","normalizers":[]})", false,
                    "<｜begin▁of▁sentence｜>"),
            "deepseek-r1-qwen");
  EXPECT_EQ(name_of(split(llama3 + "|x"), "null", true), "?");
  EXPECT_EQ(name_of(split(llama3), R"({"type":"NFC"})", true), "?");
  const std::string bytes =
      R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})";
  EXPECT_EQ(name_of(bytes), "gpt-2");
  EXPECT_EQ(name_of(R"({"type":"ByteLevel","add_prefix_space":true})"), "?");
  const std::string digits =
      R"({"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},)" + bytes +
      "]}";
  EXPECT_EQ(name_of(digits, "null", false, "<|im_start|>"), "smollm");
  EXPECT_EQ(name_of(digits), "?"); // one of several
  EXPECT_EQ(name_of("null"), "?");
  EXPECT_EQ(name_of(R"({"type":"Metaspace"})"), "?");
  EXPECT_EQ(name_of(R"({"type":"Sequence","pretokenizers":[]})"), "?");
  EXPECT_EQ(name_of(R"({"type":"Sequence"})"), "?");
}

TEST(LlamaPretokenizer, unknown_words_need_a_name_from_the_user) {
  LlamaFolder folder = test::small_folder();
  folder.configure("pre_tokenizer", {{"type", "Whitespace"}}, "tokenizer.json");
  EXPECT_NE(read(folder).error.find("option pretokenizer"), std::string::npos);
  EXPECT_EQ(read(folder, "mine").get<std::string>("ggml.pre"), "mine");
  // The user's word counts where the words are known, too.
  EXPECT_EQ(read(test::small_folder(), "mine").get<std::string>("ggml.pre"), "mine");
}

TEST(LlamaVocabulary, tokens_that_look_special) {
  for (const char *token :
       {"<pad>", "<mask>", "<2mass>", "[@BOS@]", "<|x|>", "<｜x｜>", "<unused99>"}) {
    EXPECT_TRUE(looks_special(token)) << token;
  }
  for (const char *token : {"<s>", "<|x>", "x", "", "[PAD1]", "<unused99", "<｜x>"}) {
    EXPECT_FALSE(looks_special(token)) << token;
  }
}

TEST(LlamaSentencePiece, pieces_are_read_and_the_rest_is_stepped_over) {
  const auto read_bytes = [](const std::string &bytes) {
    const auto pieces = read_sentencepiece(
        std::span(reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()));
    if (!pieces) {
      return std::string("broken");
    }
    std::string text;
    for (const Piece &piece : pieces.value()) {
      text += concat(piece.text, ":", static_cast<int>(piece.score), ":",
                     static_cast<int>(piece.kind), " ");
    }
    return text;
  };
  const std::string score = std::string("\x15\0\0\x80\xBF", 5); // -1
  const std::string piece = "\x0A\x0A\x0A\x01x" + score + "\x18\x03";
  EXPECT_EQ(read_bytes(piece), "x:-1:3 ");
  EXPECT_EQ(read_bytes(std::string("\x12\x02..", 4) + piece +
                       std::string("\x19\0\0\0\0\0\0\0\0\x25\0\0\0\0\x28\x80\x01", 17)),
            "x:-1:3 ");
  EXPECT_EQ(read_bytes(std::string("\x0A\x00", 2)), ":0:1 "); // all defaults
  for (const std::string &broken :
       {std::string(), std::string("\x0A"), std::string("\x0A\x05x"), std::string("\x0B"),
        std::string("\x02\x01"), std::string("\x0A\x02\x18\x07"),
        std::string("\x0A\x02\x18\x00", 4), std::string("\x0A\x03\x0A\x01\xFF"),
        std::string("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"), std::string(11, '\xFF'),
        std::string("\x12\x00", 2)}) {
    EXPECT_EQ(read_bytes(broken), "broken");
  }
}

} // namespace
} // namespace monoquant::llama_cpp
