// Enums by the words that people and documents have for their values.
// A table of words stands beside its enum, in the same order.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace monoquant {

using Words = std::span<const std::string_view>;

template <typename T> constexpr std::string_view word_of(Words words, T value) {
  return words[static_cast<size_t>(value)];
}

/// Which of the words it is, or nothing.
constexpr std::optional<size_t> index_of(Words words, std::string_view word) {
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == word) {
      return i;
    }
  }
  return std::nullopt;
}

} // namespace monoquant
