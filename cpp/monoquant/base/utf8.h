// Which bytes are text.
// It exists because names of tensors come from files of strangers and go into files that others read.
// Unicode 15: neither overlong forms nor surrogates nor anything beyond U+10FFFF.
#pragma once

#include <cstddef>
#include <string_view>

namespace monoquant {

/// The bytes of the character that `text`, which is not empty, begins with; 0 where they are not UTF-8. `broken` bytes
/// of it belong together all the same (Unicode 15, D93b: maximal subparts).
size_t utf8_character(std::string_view text, size_t &broken);

bool is_utf8(std::string_view text);

} // namespace monoquant
