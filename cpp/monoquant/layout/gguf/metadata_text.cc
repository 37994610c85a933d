#include "monoquant/layout/gguf/metadata_text.h"

#include <array>
#include <cmath>
#include <set>
#include <string_view>

#include "monoquant/base/bytes.h"
#include "monoquant/base/json.h"
#include "monoquant/base/text.h"
#include "monoquant/base/utf8.h"

namespace monoquant::layout::gguf {
namespace {

using container::GgufFile;
using container::GgufKey;
using container::GgufType;

/// Chat templates have some 10 kB; more than this of one key is only counted.
constexpr size_t kMostText = size_t{64} << 10U;
/// The same of all keys together: those behind are left out.
constexpr size_t kMostShown = size_t{4} << 20U;

/// As a sentence counts them.
std::string_view elements_of(GgufType type) {
  switch (type) {
  case GgufType::kString:
    return "strings";
  case GgufType::kBool:
    return "booleans";
  default:
    return "numbers";
  }
}

template <typename T> T number(const GgufKey &key) {
  return load_le<T>(reinterpret_cast<const uint8_t *>(key.text.data()));
}

/// The fewest digits that mean it, in its own width.
template <typename T> std::string float_text(T value) {
  if (std::isnan(value)) {
    return "nan";
  }
  if (std::isinf(value)) {
    return value < 0 ? "-inf" : "inf";
  }
  // As numbers in documents are written: the library's digits take no tables.
  std::array<char, 64> digits{};
  char *end = nlohmann::detail::to_chars(digits.data(), digits.data() + digits.size(), value);
  return {digits.data(), end};
}

std::string value_text(const GgufKey &key) {
  switch (key.type) {
  case GgufType::kU8:
    return concat(number<uint8_t>(key));
  case GgufType::kI8:
    return concat(int32_t{number<int8_t>(key)});
  case GgufType::kU16:
    return concat(number<uint16_t>(key));
  case GgufType::kI16:
    return concat(number<int16_t>(key));
  case GgufType::kU32:
    return concat(number<uint32_t>(key));
  case GgufType::kI32:
    return concat(number<int32_t>(key));
  case GgufType::kU64:
    return concat(number<uint64_t>(key));
  case GgufType::kI64:
    return concat(number<int64_t>(key));
  case GgufType::kF32:
    return float_text(number<float>(key));
  case GgufType::kF64:
    return float_text(number<double>(key));
  case GgufType::kBool:
    return number<uint8_t>(key) == 0 ? "false" : "true";
  case GgufType::kArray:
    return concat("[", key.count, " ", elements_of(key.element), "]");
  case GgufType::kString:
    break;
  }
  return key.text.size() <= kMostText && is_utf8(key.text)
             ? key.text
             : concat("[", key.text.size(), " bytes]");
}

Error bad_key(std::string_view what) {
  return {ErrorCode::kMalformedFile,
          concat("Expected each key of the GGUF file once, as text, found ", what, "."),
          "The file is damaged: get it again.",
          {},
          0};
}

} // namespace

Result<std::vector<std::pair<std::string, std::string>>> metadata_text(const GgufFile &file) {
  std::vector<std::pair<std::string, std::string>> metadata;
  std::set<std::string_view> names;
  size_t shown = 0;
  for (const GgufKey &key : file.keys) {
    if (!is_utf8(key.name)) {
      return bad_key("one that is no text");
    }
    if (!names.insert(key.name).second) {
      return bad_key(concat("\"", key.name, "\" twice"));
    }
    std::string text = value_text(key);
    shown += key.name.size() + text.size();
    if (shown <= kMostShown) {
      metadata.emplace_back(key.name, std::move(text));
    }
  }
  return metadata;
}

} // namespace monoquant::layout::gguf
