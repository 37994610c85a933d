#include "monoquant/base/utf8.h"

#include <cstdint>

namespace monoquant {

size_t utf8_character(std::string_view text, size_t &broken) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  const size_t length = first < 0x80U ? 1 : first < 0xE0U ? 2 : first < 0xF0U ? 3 : 4;
  broken = 1;
  if (length > 1 && (first < 0xC2U || first > 0xF4U)) {
    return 0;
  }
  uint8_t lowest = first == 0xE0U ? 0xA0U : first == 0xF0U ? 0x90U : 0x80U;
  uint8_t highest = first == 0xEDU ? 0x9FU : first == 0xF4U ? 0x8FU : 0xBFU;
  for (; broken < length; ++broken) {
    if (broken == text.size() || byte(broken) < lowest || byte(broken) > highest) {
      return 0;
    }
    lowest = 0x80U;
    highest = 0xBFU;
  }
  return length;
}

bool is_utf8(std::string_view text) {
  for (size_t broken = 0; !text.empty();) {
    const size_t length = utf8_character(text, broken);
    if (length == 0) {
      return false;
    }
    text.remove_prefix(length);
  }
  return true;
}

} // namespace monoquant
