#include "monoquant/llama_cpp/general_keys.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "monoquant/base/text.h"
#include "monoquant/llama_cpp/front_matter.h"
#include "monoquant/llama_cpp/model_name.h"
#include "monoquant/llama_cpp/rope.h"

namespace monoquant::llama_cpp {
namespace {

using container::GgufKeys;

struct SamplingKey {
  std::string_view name;  // behind "general.sampling."
  std::string_view entry; // of generation_config.json
  bool is_integer;
};

constexpr std::array<SamplingKey, 12> kSamplingKeys = {{
    {"top_k", "top_k", true},
    {"top_p", "top_p", false},
    {"min_p", "min_p", false},
    {"xtc_probability", "xtc_probability", false},
    {"xtc_threshold", "xtc_threshold", false},
    {"temp", "temperature", false},
    {"penalty_last_n", "penalty_last_n", true},
    {"penalty_repeat", "penalty_repeat", false},
    {"penalty_repeat", "repetition_penalty", false}, // where there is no penalty_repeat
    {"mirostat", "mirostat", true},
    {"mirostat_tau", "mirostat_tau", false},
    {"mirostat_eta", "mirostat_eta", false},
}};

/// How a model is sampled. A file that is no JSON says nothing, as for the converter.
Result<void> add_sampling_keys(std::string_view text, GgufKeys &keys) {
  const auto read = read_side_file("generation_config.json", text);
  const Json config = read ? read.value() : Json::object();
  if (const auto sequence = text_of(config, "sequence")) {
    keys.set("general.sampling.sequence", std::string(*sequence));
  }
  for (const SamplingKey &key : kSamplingKeys) {
    const std::string name = concat("general.sampling.", key.name);
    const Json *value = member(config, key.entry);
    if (value == nullptr || keys.find(name) != nullptr) {
      continue;
    }
    const double number = value->is_number() ? value->get<double>() : 0;
    const bool fits = key.is_integer ? std::abs(number) <= INT32_MAX && number == std::floor(number)
                                     : fits_f32(number);
    if (!value->is_number() || !fits) {
      return side_file_error("generation_config.json", concat("a number as \"", key.entry, "\""),
                             "something else");
    }
    key.is_integer ? keys.set(name, static_cast<int32_t>(number))
                   : keys.set(name, static_cast<float>(number));
  }
  return {};
}

class Card {
public:
  explicit Card(std::string_view readme) : entries_(read_front_matter(readme)) {}

  [[nodiscard]] const CardEntry *find(std::string_view name) const {
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const CardEntry &entry) { return entry.name == name; });
    return found == entries_.end() ? nullptr : &*found;
  }

  /// The text of the first of these members that has one.
  [[nodiscard]] std::string text(std::initializer_list<std::string_view> names) const {
    for (const std::string_view name : names) {
      const CardEntry *entry = find(name);
      if (entry != nullptr && !entry->is_list && !entry->texts.empty()) {
        return entry->texts[0];
      }
    }
    return {};
  }

  /// The texts of all of these members.
  [[nodiscard]] std::vector<std::string>
  texts(std::initializer_list<std::string_view> names) const {
    std::vector<std::string> all;
    for (const std::string_view name : names) {
      if (const CardEntry *entry = find(name)) {
        all.insert(all.end(), entry->texts.begin(), entry->texts.end());
      }
    }
    return all;
  }

  /// The first of these members that is there.
  [[nodiscard]] const CardEntry *first(std::initializer_list<std::string_view> names) const {
    for (const std::string_view name : names) {
      if (const CardEntry *entry = find(name)) {
        return entry;
      }
    }
    return nullptr;
  }

private:
  std::vector<CardEntry> entries_;
};

std::string joined_by(const std::vector<std::string> &texts, std::string_view between) {
  std::string all;
  for (const std::string &text : texts) {
    all += concat(&text == texts.data() ? "" : between, text);
  }
  return all;
}

/// "https://huggingface.co/org/name" → "org/name"; nothing for other addresses.
std::string_view id_in_address(std::string_view address) {
  for (const std::string_view begin : {"https://huggingface.co/", "http://huggingface.co/"}) {
    if (address.starts_with(begin)) {
      const std::string_view id = address.substr(begin.size());
      const size_t slash = id.find('/');
      const bool is_id = slash != std::string_view::npos && slash > 0 && slash + 1 < id.size() &&
                         id.find('/', slash + 1) == std::string_view::npos;
      return is_id ? id : std::string_view();
    }
  }
  return {};
}

/// What a model is made from: "general.base_model.0.name" and so on.
void add_origins(const CardEntry *entry, std::string_view kind, uint64_t elements, GgufKeys &keys) {
  if (entry == nullptr) {
    return;
  }
  keys.set(concat("general.", kind, ".count"), static_cast<uint32_t>(entry->texts.size()));
  for (size_t i = 0; i < entry->texts.size(); ++i) {
    const std::string &origin = entry->texts[i];
    const bool is_address = origin.starts_with("http://") || origin.starts_with("https://") ||
                            origin.starts_with("ssh://");
    const std::string_view id = is_address ? id_in_address(origin) : std::string_view(origin);
    const std::string begin = concat("general.", kind, ".", i, ".");
    if (!id.empty()) {
      const NameParts parts = name_parts(id, elements);
      keys.set(begin + "name", title_of(parts.full));
      keys.set(begin + "version", parts.version);
      keys.set(begin + "organization", title_of(parts.organization));
      if (!is_address && !parts.organization.empty()) {
        keys.set(begin + "repo_url",
                 concat("https://huggingface.co/", parts.organization, "/", parts.full));
      }
    }
    if (is_address) {
      keys.set(begin + "repo_url", origin);
    }
  }
}

/// Names that the card, the configuration or the folder gives, the first that says something.
NameParts find_names(const SideFiles &files, const Card &card, const Json &config,
                     uint64_t elements) {
  NameParts names{.full = card.text({"name", "model_name"}),
                  .organization = card.text({"organization", "model_organization"}),
                  .basename = card.text({"basename", "model_basename", "model_type"}),
                  .finetune = card.text({"finetune", "model_finetune"}),
                  .version = card.text({"version", "model_version"}),
                  .size = card.text({"size_label", "model_size_label"})};
  const auto take = [&](std::string_view id) {
    const NameParts more = name_parts(id, elements);
    const auto fill = [](std::string &text, std::string other) {
      text = text.empty() ? std::move(other) : text;
    };
    fill(names.full, title_of(more.full));
    fill(names.organization, title_of(more.organization));
    fill(names.basename, more.basename);
    fill(names.finetune, more.finetune);
    fill(names.version, more.version);
    fill(names.size, more.size);
  };
  const auto path = text_of(config, "_name_or_path");
  if (path && std::count(path->begin(), path->end(), '/') <= 1) {
    take(*path);
  }
  take(files.folder);
  return names;
}

} // namespace

Result<void> add_general_keys(const SideFiles &files, const Json &config, std::string_view name,
                              uint64_t elements, GgufKeys &keys) {
  keys.set("general.type", std::string("model"));
  if (files.generation_config) {
    if (auto sampling = add_sampling_keys(*files.generation_config, keys); !sampling) {
      return sampling;
    }
  }
  const Card card(files.readme.value_or(""));
  NameParts names = find_names(files, card, config, elements);
  if (names.size.empty()) {
    names.size = size_label(elements);
  }
  const auto set = [&](std::string_view key, std::string text) {
    keys.set(concat("general.", key), std::move(text));
  };
  set("name", name.empty() ? names.full : std::string(name));
  set("author", card.text({"author", "model_author", "model_creator"}));
  set("version", names.version);
  set("organization", names.organization);
  set("finetune", names.finetune);
  set("basename", names.basename);
  set("description", card.text({"description", "model_description"}));
  set("size_label", names.size);
  set("license", joined_by(card.texts({"license"}), ","));
  set("license.name", card.text({"license_name"}));
  set("license.link", card.text({"license_link"}));
  set("source.url", card.text({"url", "model_url"}));
  set("source.doi", card.text({"doi", "model_doi"}));
  set("source.uuid", card.text({"uuid", "model_uuid"}));
  set("source.repo_url", card.text({"repo_url", "model_repo_url"}));
  add_origins(card.first({"base_model", "base_models", "base_model_sources"}), "base_model",
              elements, keys);
  add_origins(card.first({"datasets", "dataset", "dataset_sources"}), "dataset", elements, keys);
  keys.set("general.tags", card.texts({"tags", "pipeline_tag"}));
  keys.set("general.languages", card.texts({"languages", "language"}));
  return {};
}

} // namespace monoquant::llama_cpp
