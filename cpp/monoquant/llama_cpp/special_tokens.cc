#include "monoquant/llama_cpp/special_tokens.h"

#include <algorithm>
#include <array>

#include "monoquant/base/text.h"
#include "monoquant/llama_cpp/added_tokens.h"

namespace monoquant::llama_cpp {
namespace {

using container::GgufKeys;

struct SpecialName {
  std::string_view kind;
  std::string_view key; // "tokenizer.ggml.KEY_token_id"
};

/// Kinds that have a key; the converter skips others. "seperator" is the format's own spelling.
constexpr std::array<SpecialName, 9> kSpecialNames = {{{"bos", "bos"},
                                                       {"eos", "eos"},
                                                       {"unk", "unknown"},
                                                       {"sep", "seperator"},
                                                       {"pad", "padding"},
                                                       {"cls", "cls"},
                                                       {"mask", "mask"},
                                                       {"eot", "eot"},
                                                       {"eom", "eom"}}};

/// A list of kinds with a value each, in the order in which they were found.
template <typename T> class ByKind {
public:
  void set(std::string_view kind, T value) {
    T *found = find(kind);
    found != nullptr ? void(*found = std::move(value))
                     : void(entries_.emplace_back(kind, std::move(value)));
  }
  /// Unless it has one.
  void set_default(std::string_view kind, T value) {
    if (find(kind) == nullptr) {
      entries_.emplace_back(kind, std::move(value));
    }
  }
  T *find(std::string_view kind) {
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const auto &entry) { return entry.first == kind; });
    return found == entries_.end() ? nullptr : &found->second;
  }
  [[nodiscard]] const auto &entries() const { return entries_; }

private:
  std::vector<std::pair<std::string, T>> entries_;
};

class SpecialReader {
public:
  SpecialReader(const TokenFiles &of, SpecialWish &wish) : of_(of), wish_(wish) {
    for (const std::string_view kind : {"bos", "eos", "unk", "sep", "pad", "cls", "mask", "prefix",
                                        "suffix", "middle", "fsep", "eot", "eom"}) {
      if (const auto text = token_text(member(of.config, concat(kind, "_token")))) {
        texts_.set(kind, std::string(*text));
      }
    }
  }

  void read() {
    if (of_.tokenizer != nullptr) {
      read_processors();
    }
    for (const std::string_view kind : std::vector(wish_.kinds)) {
      const Json *adds = member(of_.config, concat("add_", kind, "_token"));
      if (adds != nullptr && adds->is_boolean()) {
        adds_.set_default(kind, adds->get<bool>());
      }
      if (const std::string *text = texts_.find(kind)) {
        set_id(kind, listed_id(*text));
      }
    }
    for (const std::string_view kind : wish_.kinds) {
      const std::string name = concat(kind, "_token_id");
      const Json *id = member(of_.model, name);
      set_id(kind, id != nullptr ? id : member(member(of_.model, "text_config"), name));
    }
    for (const auto &[kind, id] : wish_.fallbacks) {
      ids_.set_default(kind, id);
    }
  }

  void write(GgufKeys &keys) const {
    for (const auto &[kind, id] : ids_.entries()) {
      const auto *name =
          std::find_if(kSpecialNames.begin(), kSpecialNames.end(),
                       [&kind = kind](const SpecialName &entry) { return entry.kind == kind; });
      if (name != kSpecialNames.end()) {
        keys.set(concat("tokenizer.ggml.", name->key, "_token_id"), id);
      }
    }
    for (const auto &[kind, adds] : adds_.entries()) {
      if (kind == "bos" || kind == "eos" || kind == "sep") {
        keys.set(concat("tokenizer.ggml.add_", kind, "_token"), adds);
      }
    }
  }

private:
  std::string text(std::string_view kind) {
    const std::string *found = texts_.find(kind);
    return found == nullptr ? std::string() : *found;
  }

  /// The number of a token that was added to the tokenizer.
  [[nodiscard]] const Json *listed_id(std::string_view content) const {
    const Json *added = of_.tokenizer == nullptr ? nullptr : member(*of_.tokenizer, "added_tokens");
    if (added != nullptr && added->is_array()) {
      for (const Json &token : *added) {
        if (text_of(token, "content") == content) {
          return member(token, "id");
        }
      }
    }
    return nullptr;
  }

  void set_id(std::string_view kind, const Json *id) {
    if (id == nullptr || !id->is_number_unsigned() || id->get<uint64_t>() >= kMaxVocabulary) {
      return; // a list of several, say
    }
    const auto number = static_cast<uint32_t>(id->get<uint64_t>());
    if (!wish_.tokens || number < *wish_.tokens) {
      ids_.set_default(kind, number);
    }
  }

  void read_processors() {
    for (const auto &[kind, other] : {std::pair("bos", "cls"), std::pair("eos", "sep")}) {
      if (text(kind).empty() && !text(other).empty()) {
        texts_.set(kind, text(other));
      }
    }
    const Json *processor = member(*of_.tokenizer, "post_processor");
    const Json *all = member(processor, "processors");
    if (all != nullptr && all->is_array()) {
      for (const Json &one : *all) {
        read_processor(one);
      }
    } else if (processor != nullptr) {
      read_processor(*processor);
    }
  }

  void read_processor(const Json &processor) {
    const std::string_view type = text_of(processor, "type").value_or("");
    if (type == "ByteLevel") {
      adds_.set_default("bos", false);
      adds_.set_default("eos", false);
    } else if (type == "RobertaProcessing") {
      for (const std::string_view kind : {"bos", "eos", "sep"}) {
        adds_.set(kind, true);
      }
      for (const std::string_view kind : {"cls", "sep"}) {
        const Json *token = member(processor, kind);
        const bool is_pair = token != nullptr && token->is_array() && !token->empty();
        if (text(kind).empty() && is_pair && !of_.config.empty()) {
          texts_.set(kind, std::string(text_of(&token->front()).value_or("")));
        }
      }
    } else if (type == "TemplateProcessing") {
      read_template(processor);
    }
  }

  /// The name of what stands at a place of a template, if it is of that kind.
  static std::string part_of(const Json &part, std::string_view kind) {
    return std::string(text_of(member(member(part, kind), "id")).value_or(""));
  }

  void read_template(const Json &processor) {
    const Json *single = member(processor, "single");
    std::string first;
    std::string last;
    if (single != nullptr && single->is_array() && single->size() > 1) {
      first = part_of(single->front(), "SpecialToken");
      last = part_of(single->back(), "SpecialToken");
    }
    const bool has_config = !of_.config.empty();
    if (!first.empty()) {
      if (!has_config) {
        texts_.set("bos", first);
      }
      adds_.set("bos", first == text("bos") || first == text("cls"));
    }
    if (!last.empty()) {
      if (last != text("eos")) {
        has_config ? set_end(last) : texts_.set("eos", last);
      }
      adds_.set("eos", true);
    }
    const Json *pair = member(processor, "pair");
    if (pair != nullptr && pair->is_array() && !pair->empty()) {
      read_pair(*pair, first, last);
    }
  }

  /// What ended a text until now ends a turn, and `last` a text.
  void set_end(const std::string &last) {
    for (const std::string_view kind : {"eot", "eom"}) {
      const bool is_free =
          std::find(wish_.kinds.begin(), wish_.kinds.end(), kind) == wish_.kinds.end();
      if (is_free) {
        wish_.kinds.push_back(kind);
        if (const std::string old = text("eos"); !old.empty()) {
          texts_.set(kind, old);
        }
        break;
      }
    }
    texts_.set("eos", last);
  }

  /// Of two texts: whether a token parts them.
  void read_pair(const Json &pair, const std::string &first, const std::string &last) {
    const bool begins = !first.empty() && part_of(pair.front(), "SpecialToken") == first;
    const bool ends = !last.empty() && part_of(pair.back(), "SpecialToken") == last;
    const size_t begin = begins ? 1 : 0;
    const size_t end = pair.size() - (ends ? 1 : 0);
    if (end < begin + 3 || part_of(pair[begin], "Sequence") != "A" ||
        part_of(pair[end - 1], "Sequence") != "B") {
      return;
    }
    const auto parts = [&](size_t at) {
      const std::string token = part_of(pair[at], "SpecialToken");
      return !token.empty() && (token == text("sep") || token == text("eos"));
    };
    const bool adds = (parts(begin + 1) && last.empty()) || (end - begin == 4 && parts(begin + 2));
    adds_.set("sep", adds);
    if (adds && text("sep").empty() && !of_.config.empty()) {
      texts_.set("sep", text("eos"));
    }
  }

  const TokenFiles &of_;
  SpecialWish &wish_;
  ByKind<std::string> texts_; // of special tokens
  ByKind<uint32_t> ids_;
  ByKind<bool> adds_;
};

/// Letters and digits of a template's name; everything else becomes "_", each character one.
std::string key_name(std::string_view name) {
  std::string key;
  for (const char letter : name) {
    const bool is_plain = (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'z') ||
                          (letter >= 'A' && letter <= 'Z');
    const bool continues = (static_cast<uint8_t>(letter) & 0xC0U) == 0x80; // of one character
    key += continues ? "" : is_plain ? std::string(1, letter) : "_";
  }
  return key;
}

/// Templates by name: those that are not "default" first, then their names, then the default.
void write_templates(std::span<const NamedTemplate> templates, GgufKeys &keys) {
  std::string fallback;
  std::vector<std::string> names;
  for (const NamedTemplate &one : templates) {
    const std::string name = key_name(one.name);
    if (name == "default") {
      fallback = one.text;
    } else if (!name.empty()) {
      keys.set(concat("tokenizer.chat_template.", name), std::string(one.text));
      if (std::find(names.begin(), names.end(), name) == names.end()) {
        names.push_back(name);
      }
    }
  }
  keys.set("tokenizer.chat_templates", std::move(names));
  keys.set("tokenizer.chat_template", std::move(fallback));
}

void write_template(const Json &value, GgufKeys &keys) {
  if (const auto text = text_of(&value)) {
    keys.set("tokenizer.chat_template", std::string(*text));
  } else if (value.is_array()) {
    std::vector<NamedTemplate> templates;
    for (const Json &entry : value) {
      const auto text = text_of(entry, "template");
      if (text) {
        templates.push_back({std::string(text_of(entry, "name").value_or("")), *text});
      }
    }
    write_templates(templates, keys);
  }
}

Result<void> add_chat_template(const SideFiles &files, const Json &config, GgufKeys &keys) {
  if (config.empty()) {
    return {};
  }
  if (config.contains("chat_template")) {
    write_template(config.at("chat_template"), keys);
  } else if (files.chat_template) {
    std::vector<NamedTemplate> templates = {{"default", *files.chat_template}};
    templates.insert(templates.end(), files.more_chat_templates.begin(),
                     files.more_chat_templates.end());
    write_templates(templates, keys);
  } else if (files.chat_template_json) {
    const auto document = read_side_file("chat_template.json", *files.chat_template_json);
    if (!document) {
      return document.error();
    }
    if (const Json *value = member(document.value(), "chat_template")) {
      write_template(*value, keys);
    }
  }
  return {};
}

/// Whether a normalizer, or one of its steps, does this.
bool normalizes(const Json *normalizer, std::string_view type, std::string_view flag) {
  const Json *steps = member(normalizer, "normalizers");
  if (steps != nullptr && steps->is_array()) {
    return std::any_of(steps->begin(), steps->end(), [&](const Json &step) {
      return normalizes(&step, type, flag); // as deep as JSON may be
    });
  }
  const std::string_view found = text_of(member(normalizer, "type")).value_or("");
  const Json *value = member(normalizer, flag);
  return found == type ||
         (found == "BertNormalizer" && (value == nullptr ? flag == "lowercase" : *value == true));
}

} // namespace

Result<void> add_special_keys(const SideFiles &files, const TokenFiles &of, SpecialWish wish,
                              GgufKeys &keys) {
  SpecialReader reader(of, wish);
  reader.read();
  reader.write(keys);
  if (wish.has_template) {
    if (auto done = add_chat_template(files, of.config, keys); !done) {
      return done;
    }
  }
  const Json *normalizer = of.tokenizer == nullptr ? nullptr : member(*of.tokenizer, "normalizer");
  if (normalizes(normalizer, "Lowercase", "lowercase")) {
    keys.set("tokenizer.ggml.normalizer.lowercase", true);
  }
  if (normalizes(normalizer, "StripAccents", "strip_accents")) {
    keys.set("tokenizer.ggml.normalizer.strip_accents", true);
  }
  return {};
}

} // namespace monoquant::llama_cpp
