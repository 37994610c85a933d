#include "monoquant/plan/model_folder.h"

namespace monoquant::plan {
namespace {

constexpr std::string_view kTemplates = "additional_chat_templates/";
constexpr std::string_view kTemplateEnding = ".jinja";

std::string_view text_of(const std::vector<uint8_t> &bytes) {
  return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}

} // namespace

llama_cpp::SideFiles ModelFolder::side_files() const {
  const auto text = [&](std::string_view path) -> std::optional<std::string_view> {
    const auto found = files_.find(path);
    return found == files_.end() ? std::nullopt : std::optional(text_of(found->second));
  };
  llama_cpp::SideFiles side;
  side.config = text("config.json").value_or("");
  side.generation_config = text("generation_config.json");
  side.tokenizer = text("tokenizer.json");
  if (const auto pieces = files_.find("tokenizer.model"); pieces != files_.end()) {
    side.sentencepiece = pieces->second;
  }
  side.tokenizer_config = text("tokenizer_config.json");
  side.added_tokens = text("added_tokens.json");
  side.vocabulary = text("vocab.json");
  side.merges = text("merges.txt");
  side.chat_template = text("chat_template.jinja");
  side.chat_template_json = text("chat_template.json");
  for (const auto &[path, bytes] : files_) {
    const std::string_view name = path;
    if (name.starts_with(kTemplates) && name.ends_with(kTemplateEnding)) {
      const std::string_view inner =
          name.substr(kTemplates.size(), name.size() - kTemplates.size() - kTemplateEnding.size());
      side.more_chat_templates.push_back({std::string(inner), text_of(bytes)});
    }
  }
  side.readme = text("README.md");
  side.has_modules = files_.contains("modules.json");
  side.folder = name_;
  return side;
}

bool ModelFolder::names_architectures() const {
  const auto config = llama_cpp::read_side_file("config.json", side_files().config);
  const Json *architectures = config ? llama_cpp::member(config.value(), "architectures") : nullptr;
  return architectures != nullptr && architectures->is_array() && !architectures->empty();
}

} // namespace monoquant::plan
