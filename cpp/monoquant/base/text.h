// Sentences from parts.
// It exists because messages need numbers and names, and iostreams are large and locale-bound.
// Numbers are printed in decimal.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace monoquant {

inline void append_text(std::string &text, std::string_view part) { text += part; }
inline void append_text(std::string &text, std::integral auto number) {
  text += std::to_string(number);
}

/// "expected ", 4, " bytes" → "expected 4 bytes".
template <typename... Parts> std::string concat(const Parts &...parts) {
  std::string text;
  (append_text(text, parts), ...);
  return text;
}

/// A to Z become a to z; everything else stays.
inline std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char &letter : lower) {
    letter = letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
  }
  return lower;
}

/// [2, 3] as "2×3"; "scalar" for no dimensions.
inline std::string shape_text(std::span<const uint64_t> shape) {
  if (shape.empty()) {
    return "scalar";
  }
  std::string text;
  for (const uint64_t extent : shape) {
    if (!text.empty()) {
      text += "×";
    }
    text += std::to_string(extent);
  }
  return text;
}

} // namespace monoquant
