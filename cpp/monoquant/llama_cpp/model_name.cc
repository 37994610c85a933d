#include "monoquant/llama_cpp/model_name.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "monoquant/base/text.h"

namespace monoquant::llama_cpp {
namespace {

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kSizeLetters = " KMBT"; // thousand to its own power each

bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }
bool is_lower(char letter) { return letter >= 'a' && letter <= 'z'; }
bool is_upper(char letter) { return letter >= 'A' && letter <= 'Z'; }
/// Bytes of letters beyond ASCII are letters, too.
bool is_letter(char letter) {
  return is_lower(letter) || is_upper(letter) || static_cast<unsigned char>(letter) >= 0x80;
}
char to_upper(char letter) { return is_lower(letter) ? static_cast<char>(letter - 32) : letter; }
char to_lower(char letter) { return is_upper(letter) ? static_cast<char>(letter + 32) : letter; }

/// A word that is read from the front; letters in lower case.
class WordReader {
public:
  explicit WordReader(std::string_view word) : word_(lower_case(word)) {}

  bool take(std::string_view text) {
    if (!rest().starts_with(text)) {
      return false;
    }
    position_ += text.size();
    return true;
  }
  bool take_one_of(std::string_view letters) {
    if (is_over() || letters.find(word_[position_]) == std::string_view::npos) {
      return false;
    }
    ++position_;
    return true;
  }
  /// How many digits there are.
  size_t take_digits() {
    const size_t count = std::min(rest().size(), rest().find_first_not_of(kDigits));
    position_ += count;
    return count;
  }
  [[nodiscard]] bool is_over() const { return position_ == word_.size(); }

private:
  [[nodiscard]] std::string_view rest() const { return std::string_view(word_).substr(position_); }

  std::string word_;
  size_t position_ = 0;
};

/// "v1", "iter2", "3.1".
bool is_version(std::string_view word) {
  WordReader reader(word);
  if (!reader.take("v")) {
    reader.take("iter");
  }
  do {
    if (reader.take_digits() == 0) {
      return false;
    }
  } while (reader.take("."));
  return reader.is_over();
}

/// "q4_K_M", "iq2_s".
bool is_integer_type(std::string_view word) {
  WordReader reader(word);
  reader.take("i");
  if (!reader.take("q") || !reader.take_one_of(kDigits)) {
    return false;
  }
  while (!reader.is_over()) {
    if (!reader.take("_") || !reader.take_one_of("_0123456789abcdefghijklmnopqrstuvwxyz")) {
      return false;
    }
  }
  return true;
}

/// "f16", "bf16", "fp32".
bool is_float_type(std::string_view word) {
  WordReader reader(word);
  reader.take("b");
  const bool is_float = reader.take("f");
  reader.take("p");
  return is_float && (reader.take("16") || reader.take("32")) && reader.is_over();
}

bool is_one_of(std::string_view word, std::span<const std::string_view> words) {
  return std::find(words.begin(), words.end(), lower_case(word)) != words.end();
}

/// The rest of a size behind what may stand before it: "7b", "1.5B", "7b1".
bool ends_as_size(WordReader reader) {
  if (reader.take_digits() == 0) {
    return false;
  }
  if (reader.take_one_of("._") && reader.take_digits() == 0) {
    return false;
  }
  if (!reader.take_one_of("kmbt")) {
    return false;
  }
  reader.take_one_of(kDigits);
  return reader.is_over();
}

/// "0.6B", "8x7B", "A3B", "small".
bool is_size(std::string_view word) {
  constexpr std::array<std::string_view, 6> kWords = {"small", "mini", "medium",
                                                      "large", "xl",   "xxl"};
  if (is_one_of(word, kWords) || ends_as_size(WordReader(word))) {
    return true;
  }
  WordReader active(word);
  if (active.take("a") && ends_as_size(active)) {
    return true;
  }
  WordReader experts(word);
  return experts.take_digits() > 0 && experts.take("x") && ends_as_size(experts);
}

/// "7b" → "7B", "7b1" → "7.1B", "1_5b" → "1.5B".
std::string normal_size(std::string_view word) {
  std::string size(word);
  std::replace(size.begin(), size.end(), '_', '.');
  if (size.size() > 1 && is_digit(size.back())) {
    const char digit = size.back();
    const char letter = size[size.size() - 2];
    size.resize(size.size() - 2);
    size += concat(".", std::string(1, digit), std::string(1, letter));
  }
  if (size.size() > 1 && is_digit(size[size.size() - 2]) &&
      kSizeLetters.find(to_upper(size.back())) != std::string_view::npos) {
    size.back() = to_upper(size.back());
  }
  return size;
}

/// How many elements "0.6B" speaks of; nothing for words that are no number and a letter.
std::optional<double> elements_of(std::string_view size) {
  const size_t power = size.empty() ? std::string_view::npos : kSizeLetters.find(size.back());
  if (power == std::string_view::npos || size.size() < 2 || size.size() > 16) {
    return std::nullopt;
  }
  double digits = 0;
  double divisor = 1;
  bool is_behind_point = false;
  for (const char letter : size.substr(0, size.size() - 1)) {
    if (letter == '.' && !is_behind_point) {
      is_behind_point = true;
    } else if (is_digit(letter)) {
      digits = digits * 10 + (letter - '0');
      divisor *= is_behind_point ? 10 : 1;
    } else {
      return std::nullopt;
    }
  }
  constexpr std::array<double, 5> kPowers = {1, 1e3, 1e6, 1e9, 1e12};
  return digits / divisor * kPowers[power];
}

bool is_far(double claimed, uint64_t elements) {
  const auto real = static_cast<double>(elements);
  const double distance = claimed < real ? real - claimed : claimed - real;
  const uint64_t most = elements / 8 * 7 + elements % 8 * 7 / 8; // seven eighths, rounded down
  return distance > static_cast<double>(most);
}

enum class Kind : uint8_t { kNothing, kVersion, kType, kSize, kFinetune };

struct Part {
  std::string text;
  Kind kind = Kind::kNothing;
  bool is_basename = false;
};

std::vector<Part> split(std::string_view name) {
  std::vector<Part> parts;
  while (!name.empty()) {
    const size_t length = std::min(name.size(), name.find('-'));
    if (length > 0) {
      parts.push_back({std::string(name.substr(0, length))});
    }
    name.remove_prefix(std::min(name.size(), length + 1));
  }
  return parts;
}

/// Whether "26B-A4B" goes on with how many elements are active at a time, and those are what the model has.
bool has_active_size(const std::vector<Part> &parts, size_t next, uint64_t elements) {
  if (next >= parts.size()) {
    return false;
  }
  WordReader reader(parts[next].text);
  if (!reader.take("a") || !ends_as_size(reader)) {
    return false;
  }
  const auto active = elements_of(std::string_view(normal_size(parts[next].text)).substr(1));
  return active && !is_far(*active, elements);
}

void find_kinds(std::vector<Part> &parts, uint64_t elements) {
  constexpr std::array<std::string_view, 4> kFinetunes = {"chat", "instruct", "vision", "lora"};
  for (size_t i = 0; i < parts.size(); ++i) {
    Part &part = parts[i];
    if (is_version(part.text)) {
      part.kind = Kind::kVersion;
    } else if (is_integer_type(part.text) || is_float_type(part.text)) {
      part.kind = Kind::kType;
      std::transform(part.text.begin(), part.text.end(), part.text.begin(), to_upper);
    } else if (i > 0 && is_size(part.text)) {
      part.text = normal_size(part.text);
      part.kind = Kind::kSize;
      const auto claimed = elements_of(part.text);
      if (claimed && elements != 0 && is_far(*claimed, elements) &&
          !has_active_size(parts, i + 1, elements)) {
        part.kind = Kind::kFinetune; // the length of a context, say
        part.text.back() = to_lower(part.text.back());
      }
    } else if (i > 0 && is_one_of(part.text, kFinetunes)) {
      part.kind = Kind::kFinetune;
    }
  }
}

/// Words such as "small" say no size where a number does.
void drop_words_for_sizes(std::vector<Part> &parts) {
  const bool has_number = std::any_of(parts.begin(), parts.end(), [](const Part &part) {
    return part.kind == Kind::kSize && std::any_of(part.text.begin(), part.text.end(), is_digit);
  });
  for (Part &part : parts) {
    if (has_number && part.kind == Kind::kSize &&
        std::all_of(part.text.begin(), part.text.end(), is_letter)) {
      part.kind = Kind::kNothing;
    }
  }
}

void find_basename(std::vector<Part> &parts) {
  bool is_at_start = true;
  for (Part &part : parts) {
    const bool is_plain = part.kind == Kind::kNothing;
    if (is_at_start && ((is_plain && is_letter(part.text[0])) || part.kind == Kind::kVersion)) {
      part.is_basename = true;
      continue;
    }
    is_at_start = false;
    if (is_plain) {
      part.kind = Kind::kFinetune;
    }
  }
  size_t end = parts.size();
  while (end > 0 && parts[end - 1].is_basename && parts[end - 1].kind != Kind::kNothing) {
    parts[--end].is_basename = false; // a version behind it
  }
}

/// The texts of those parts, parted by "-"; a size once.
template <typename Wanted>
std::string joined(const std::vector<Part> &parts, const Wanted &wanted) {
  std::string text;
  std::vector<std::string_view> seen;
  for (const Part &part : parts) {
    const bool is_again =
        part.kind == Kind::kSize && std::find(seen.begin(), seen.end(), part.text) != seen.end();
    if (wanted(part) && !is_again) {
      text += concat(seen.empty() ? "" : "-", part.text);
      seen.emplace_back(part.text);
    }
  }
  return text;
}

/// round(value · 10^places), halves to even, of the exact value; `value` from 0.001 to 10^6.
uint64_t rounded(double value, unsigned places) {
  const auto bits = std::bit_cast<uint64_t>(value);
  const auto shift = static_cast<unsigned>(1075 - (bits >> 52U)); // value = mantissa / 2^shift
  uint64_t scaled = (bits & ((1ULL << 52U) - 1)) | (1ULL << 52U);
  for (unsigned i = 0; i < places; ++i) {
    scaled *= 10; // stays below 2^60
  }
  const uint64_t whole = scaled >> shift;
  const uint64_t left = scaled & ((1ULL << shift) - 1);
  const uint64_t half = 1ULL << (shift - 1);
  return whole + (left > half || (left == half && whole % 2 == 1) ? 1 : 0);
}

} // namespace

NameParts name_parts(std::string_view id, uint64_t elements) {
  NameParts found;
  if (id.find(' ') != std::string_view::npos) {
    found.full = id; // a sentence
    return found;
  }
  const size_t slash = id.find('/');
  if (slash != std::string_view::npos && !id.starts_with('.')) {
    found.organization = id.substr(0, slash);
  }
  found.full = slash == std::string_view::npos ? id : id.substr(slash + 1);
  std::vector<Part> parts = split(found.full);
  find_kinds(parts, elements);
  drop_words_for_sizes(parts);
  find_basename(parts);
  found.size = joined(parts, [](const Part &part) { return part.kind == Kind::kSize; });
  found.finetune = joined(parts, [](const Part &part) { return part.kind == Kind::kFinetune; });
  found.version = joined(
      parts, [](const Part &part) { return part.kind == Kind::kVersion && !part.is_basename; });
  if (!found.size.empty() || !found.finetune.empty() || !found.version.empty()) {
    found.basename = joined(parts, [](const Part &part) { return part.is_basename; });
  }
  return found;
}

std::string title_of(std::string_view name) {
  std::string title;
  size_t position = 0;
  while (position < name.size()) {
    const size_t begin = name.find_first_not_of("- \t\r\n\f\v", position);
    if (begin == std::string_view::npos) {
      break;
    }
    const size_t end = std::min(name.size(), name.find_first_of("- \t\r\n\f\v", begin));
    std::string word(name.substr(begin, end - begin));
    position = end;
    const bool is_small = std::any_of(word.begin(), word.end(), is_lower) &&
                          std::none_of(word.begin(), word.end(), is_upper);
    if (is_small && !is_digit(word[0]) && !(word[0] == 'v' && is_version(word))) {
      for (size_t i = 0; i < word.size(); ++i) {
        word[i] = i == 0 || !is_letter(word[i - 1]) ? to_upper(word[i]) : word[i];
      }
    }
    title += concat(title.empty() ? "" : " ", word);
  }
  return title;
}

std::string size_label(uint64_t elements) {
  const auto count = static_cast<double>(elements);
  const auto [scale, letter] = count > 1e12  ? std::pair(1e-12, "T")
                               : count > 1e9 ? std::pair(1e-9, "B")
                               : count > 1e6 ? std::pair(1e-6, "M")
                                             : std::pair(1e-3, "K");
  const double scaled = count * scale;
  if (!(scaled >= 0.001 && scaled < 1e6)) {
    return {}; // nothing, or more than any disk holds
  }
  const uint64_t whole = rounded(scaled, 0);
  const unsigned places = whole == 0 ? 2 : whole < 10 ? 1 : 0;
  const uint64_t digits = rounded(scaled, places);
  if (places == 0) {
    return concat(digits, letter);
  }
  const uint64_t unit = places == 2 ? 100 : 10;
  const std::string behind = std::to_string(digits % unit + unit).substr(1);
  return concat(digits / unit, ".", behind, letter);
}

} // namespace monoquant::llama_cpp
