#include "monoquant/torch/pickle_text.h"

#include <cstdlib>
#include <string>

namespace monoquant::torch {
namespace {

constexpr size_t kMaxFloatText = 512; // Python's repr writes at most 24

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\r\n\v\f";
  const size_t first = text.find_first_not_of(kSpaces);
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
}

/// The value of `count` digits at the front of `text`, as many as there are up to that.
struct Digits {
  uint32_t value = 0;
  size_t count = 0;
};

Digits read_digits(std::string_view text, uint32_t base, size_t most) {
  Digits digits;
  while (digits.count < most && digits.count < text.size()) {
    const char c = text[digits.count];
    uint32_t digit = base;
    if (c >= '0' && c <= '9') {
      digit = static_cast<uint32_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<uint32_t>(c - 'a') + 10;
    } else if (c >= 'A' && c <= 'F') {
      digit = static_cast<uint32_t>(c - 'A') + 10;
    }
    if (digit >= base) {
      break;
    }
    digits.value = digits.value * base + digit;
    ++digits.count;
  }
  return digits;
}

void append_code_point(uint32_t point, std::vector<uint8_t> &to) {
  if (point < 0x80) {
    to.push_back(static_cast<uint8_t>(point));
    return;
  }
  if (point < 0x800) {
    to.push_back(static_cast<uint8_t>(0xC0U | (point >> 6U)));
  } else {
    if (point < 0x10000) {
      to.push_back(static_cast<uint8_t>(0xE0U | (point >> 12U)));
    } else {
      to.push_back(static_cast<uint8_t>(0xF0U | (point >> 18U)));
      to.push_back(static_cast<uint8_t>(0x80U | ((point >> 12U) & 0x3FU)));
    }
    to.push_back(static_cast<uint8_t>(0x80U | ((point >> 6U) & 0x3FU)));
  }
  to.push_back(static_cast<uint8_t>(0x80U | (point & 0x3FU)));
}

} // namespace

std::optional<Decimal> parse_decimal(std::string_view text) {
  text = trim(text);
  const bool negative = !text.empty() && text.front() == '-';
  if (negative || (!text.empty() && text.front() == '+')) {
    text.remove_prefix(1);
  }
  if (text.empty()) {
    return std::nullopt;
  }
  int64_t value = 0;
  bool fits = true;
  for (const char c : text) {
    if (c < '0' || c > '9') {
      return std::nullopt;
    }
    const int64_t digit = negative ? '0' - c : c - '0'; // counts down: the smallest has no opposite
    fits = fits && !__builtin_mul_overflow(value, int64_t{10}, &value) &&
           !__builtin_add_overflow(value, digit, &value);
  }
  return fits ? Decimal{value} : Decimal{};
}

std::optional<double> parse_float(std::string_view text) {
  const std::string number(trim(text).substr(0, kMaxFloatText + 1));
  // strtod() also knows hexadecimal numbers and "nan(…)", Python does not.
  if (number.empty() || number.size() > kMaxFloatText ||
      number.find_first_of("xXpP(") != std::string::npos) {
    return std::nullopt;
  }
  char *end = nullptr;
  const double value = std::strtod(number.c_str(), &end);
  if (end != number.c_str() + number.size()) {
    return std::nullopt;
  }
  return value;
}

Decimal integer_of(std::string_view bytes) {
  if (bytes.empty()) {
    return {0};
  }
  const bool negative = (static_cast<uint8_t>(bytes.back()) & 0x80U) != 0;
  const uint8_t filler = negative ? 0xFF : 0;
  uint64_t value = negative ? UINT64_MAX : 0;
  for (size_t i = bytes.size(); i-- > 0;) {
    const auto byte = static_cast<uint8_t>(bytes[i]);
    if (i >= sizeof(value) && byte != filler) {
      return {};
    }
    value = (value << 8U) | byte;
  }
  if ((static_cast<int64_t>(value) < 0) != negative) {
    return {};
  }
  return {static_cast<int64_t>(value)};
}

bool decode_string_escapes(std::string_view text, std::vector<uint8_t> &to) {
  constexpr std::string_view kNames = "\\'\"abfnrtv";
  constexpr std::string_view kValues = "\\'\"\a\b\f\n\r\t\v";
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      to.push_back(static_cast<uint8_t>(text[i]));
      continue;
    }
    if (++i == text.size()) {
      return false;
    }
    const size_t name = kNames.find(text[i]);
    const Digits octal = read_digits(text.substr(i), 8, 3);
    if (name != std::string_view::npos) {
      to.push_back(static_cast<uint8_t>(kValues[name]));
    } else if (octal.count > 0) {
      to.push_back(static_cast<uint8_t>(octal.value));
      i += octal.count - 1;
    } else if (text[i] == 'x') {
      const Digits hex = read_digits(text.substr(i + 1), 16, 2);
      if (hex.count != 2) {
        return false;
      }
      to.push_back(static_cast<uint8_t>(hex.value));
      i += 2;
    } else { // not an escape: Python keeps both characters
      to.push_back('\\');
      to.push_back(static_cast<uint8_t>(text[i]));
    }
  }
  return true;
}

bool decode_unicode_escapes(std::string_view text, std::vector<uint8_t> &to) {
  constexpr uint32_t kLastCodePoint = 0x10FFFF;
  for (size_t i = 0; i < text.size(); ++i) {
    append_code_point(static_cast<uint8_t>(text[i]), to); // bytes are Latin-1
    if (text[i] != '\\' || i + 1 == text.size()) {
      continue;
    }
    ++i;
    if (text[i] != 'u' && text[i] != 'U') {
      append_code_point(static_cast<uint8_t>(text[i]), to);
      continue;
    }
    const size_t length = text[i] == 'u' ? 4 : 8;
    const Digits hex = read_digits(text.substr(i + 1), 16, length);
    if (hex.count != length || hex.value > kLastCodePoint) {
      return false;
    }
    to.pop_back(); // the backslash
    append_code_point(hex.value, to);
    i += length;
  }
  return true;
}

} // namespace monoquant::torch
