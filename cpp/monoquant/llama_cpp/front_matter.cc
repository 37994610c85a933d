#include "monoquant/llama_cpp/front_matter.h"

#include <algorithm>
#include <optional>
#include <span>

namespace monoquant::llama_cpp {
namespace {

constexpr size_t kMaxCardEntries = 1000; // published ones have a dozen
constexpr size_t kMaxCardTexts = 10'000; // of all lists together

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const size_t begin = std::min(text.size(), text.find_first_not_of(kBlanks));
  text.remove_prefix(begin);
  const size_t last = text.find_last_not_of(kBlanks);
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

/// The lines between the first "---" and the next; none where the first line is another.
std::vector<std::string_view> lines_between(std::string_view text) {
  std::vector<std::string_view> lines;
  bool is_first = true;
  while (!text.empty()) {
    const size_t length = std::min(text.size(), text.find('\n'));
    std::string_view line = text.substr(0, length);
    text.remove_prefix(std::min(text.size(), length + 1));
    line.remove_suffix(line.ends_with('\r') ? 1 : 0);
    if (is_first != (line == "---")) {
      return lines; // no such lines, or their end
    }
    if (!is_first) {
      lines.push_back(line);
    }
    is_first = false;
  }
  return lines;
}

/// A text without its quotes, and without a comment behind it; nothing for null.
std::optional<std::string> scalar_of(std::string_view text) {
  text = trimmed(text);
  if (text.starts_with('"') || text.starts_with('\'')) {
    const char quote = text[0];
    std::string inside;
    for (size_t i = 1; i < text.size(); ++i) {
      if (text[i] == quote && quote == '\'' && text.substr(i + 1).starts_with('\'')) {
        inside += text[++i];
      } else if (text[i] == '\\' && quote == '"' && i + 1 < text.size()) {
        inside += text[++i] == 'n' ? '\n' : text[i];
      } else if (text[i] == quote) {
        break;
      } else {
        inside += text[i];
      }
    }
    return inside;
  }
  text = trimmed(text.substr(0, text.find(" #")));
  if (text.empty() || text.starts_with('#') || text == "~" || text == "null" || text == "Null" ||
      text == "NULL") {
    return std::nullopt;
  }
  return std::string(text);
}

/// "[a, 'b']": its texts.
std::vector<std::string> flow_list(std::string_view text) {
  std::vector<std::string> texts;
  text.remove_prefix(1);
  text = text.substr(0, text.rfind(']'));
  while (!text.empty() && texts.size() < kMaxCardTexts) {
    const bool is_quoted = trimmed(text).starts_with('"') || trimmed(text).starts_with('\'');
    const size_t opening = is_quoted ? text.find_first_of("\"'") : 0;
    const size_t closing = is_quoted ? text.find(text[opening], opening + 1) : 0;
    const size_t length = std::min(text.size(), text.find(',', std::min(text.size(), closing)));
    if (auto item = scalar_of(text.substr(0, length))) {
      texts.push_back(std::move(*item));
    }
    text.remove_prefix(std::min(text.size(), length + 1));
  }
  return texts;
}

/// The text of "- text", which may stand at the margin or further in.
std::optional<std::string_view> item_of(std::string_view line) {
  line = trimmed(line);
  return line == "-" || line.starts_with("- ") ? std::optional(line.substr(1)) : std::nullopt;
}

bool is_mapping(std::string_view text) {
  text = trimmed(text);
  return !text.starts_with('"') && !text.starts_with('\'') &&
         (text.ends_with(':') || text.find(": ") != std::string_view::npos);
}

/// Where its name ends, if a line is a member at the margin.
size_t name_end(std::string_view line) {
  const bool is_at_margin =
      !line.empty() && line[0] != ' ' && line[0] != '#' && line[0] != '-' && line[0] != '\t';
  const size_t colon = is_at_margin ? line.find(':') : std::string_view::npos;
  const bool ends = colon != std::string_view::npos &&
                    (colon + 1 == line.size() || line[colon + 1] == ' ' || line[colon + 1] == '\t');
  return ends ? colon : std::string_view::npos;
}

/// The member whose value stands in `value` and in the lines below; nothing where it is of another kind.
std::optional<CardEntry> entry_of(std::string_view name, std::string_view value,
                                  std::span<const std::string_view> below) {
  CardEntry entry{std::string(scalar_of(name).value_or("")), false, {}};
  value = trimmed(value);
  if (value.starts_with('[')) {
    const bool is_closed = value.ends_with(']');
    entry.is_list = true;
    entry.texts = flow_list(value);
    return is_closed ? std::optional(entry) : std::nullopt;
  }
  if (value.starts_with('|') || value.starts_with('>') || value.starts_with('{') ||
      value.starts_with('&') || value.starts_with('*') || value.starts_with('!')) {
    return std::nullopt;
  }
  std::optional<std::string> text = scalar_of(value);
  for (const std::string_view line : below) {
    if (trimmed(line).empty() || trimmed(line).starts_with('#')) {
      continue;
    }
    const auto item = item_of(line);
    if (text || !item || is_mapping(*item) || entry.texts.size() == kMaxCardTexts) {
      return std::nullopt;
    }
    entry.is_list = true;
    if (auto of_item = scalar_of(*item)) {
      entry.texts.push_back(std::move(*of_item));
    }
  }
  if (text) {
    entry.texts.push_back(std::move(*text));
  }
  return entry;
}

} // namespace

std::vector<CardEntry> read_front_matter(std::string_view readme) {
  std::vector<CardEntry> entries;
  const std::vector<std::string_view> lines = lines_between(readme);
  for (size_t i = 0; i < lines.size() && entries.size() < kMaxCardEntries;) {
    const std::string_view line = lines[i++];
    const size_t colon = name_end(line);
    if (colon == std::string_view::npos) {
      continue;
    }
    const size_t begin = i;
    while (i < lines.size() && name_end(lines[i]) == std::string_view::npos) {
      ++i;
    }
    auto entry = entry_of(line.substr(0, colon), line.substr(colon + 1),
                          std::span(lines).subspan(begin, i - begin));
    if (entry) {
      std::erase_if(entries, [&](const CardEntry &one) { return one.name == entry->name; });
      entries.push_back(std::move(*entry));
    }
  }
  return entries;
}

} // namespace monoquant::llama_cpp
