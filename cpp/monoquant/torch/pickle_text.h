// Numbers and texts as the opcodes of protocol 0 write them: in ASCII, with escapes.
// It exists because Python 2 and old tools still leave such pickles behind.
// Every function takes time linear in its input.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace monoquant::torch {

/// A decimal number; without a value where it does not fit into 64 bits.
struct Decimal {
  std::optional<int64_t> value;
};

/// "-12", "+7", also with spaces around it. Nothing where it is no such number.
std::optional<Decimal> parse_decimal(std::string_view text);

/// "1.5", "-1e-07", "inf", "nan": what Python's repr writes.
std::optional<double> parse_float(std::string_view text);

/// An integer of two's complement, lowest byte first.
Decimal integer_of(std::string_view bytes);

/// Appends the content of a Python string literal whose quotes are gone: at most as long as it.
bool decode_string_escapes(std::string_view text, std::vector<uint8_t> &to);

/// Appends what Python's codec "raw-unicode-escape" makes of it, as UTF-8 (surrogates like any other code
/// point): at most twice as long. False for an escape that is cut off or means no code point.
bool decode_unicode_escapes(std::string_view text, std::vector<uint8_t> &to);

} // namespace monoquant::torch
