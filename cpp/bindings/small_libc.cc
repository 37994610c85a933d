// Numbers to text and back without the C library's arithmetic of 128 bits, a thirtieth of what pages download.
// They exist because the JSON library calls them: for numbers, and to print the codes of characters in errors.
// strtod() is JavaScript's own conversion, which rounds as exactly, of decimal numbers; snprintf() knows no floats.
#include <emscripten/em_js.h>
#include <locale.h>

#include <cmath>
#include <cstdarg>
#include <cstddef>
#include <cstdlib>
#include <string_view>

// clang-format off
EM_JS(double, monoquant_decimal, (const char *text, size_t length), {
  return Number(String.fromCharCode(...HEAPU8.subarray(text, text + length)));
});
// clang-format on

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

const char *skip_digits(const char *at) {
  while (is_digit(*at)) {
    ++at;
  }
  return at;
}

/// Whether a text that ends with NUL begins with a word, in small letters or large ones.
bool begins_with(const char *text, std::string_view word) {
  for (const char c : word) {
    if ((*text++ | 0x20) != c) {
      return false;
    }
  }
  return true;
}

/// The end of the decimal number that begins here; `text` where there is none.
const char *end_of_decimal(const char *text) {
  const char *whole = skip_digits(text);
  const char *end = *whole == '.' ? skip_digits(whole + 1) : whole;
  const bool has_digits = end - text > (*whole == '.' ? 1 : 0);
  if (!has_digits) {
    return text;
  }
  if ((*end | 0x20) == 'e') {
    const char *exponent = end + (end[1] == '+' || end[1] == '-' ? 2 : 1);
    return is_digit(*exponent) ? skip_digits(exponent) : end;
  }
  return end;
}

} // namespace

extern "C" {

int vsniprintf(char *to, size_t size, const char *format,
               va_list values); // of the C library: integers only

int snprintf(char *to, size_t size, const char *format, ...) {
  va_list values;
  va_start(values, format);
  const int length = vsniprintf(to, size, format, values);
  va_end(values);
  return length;
}

double strtod(const char *text, char **end) {
  const char *at = text;
  while (*at == ' ' || (*at >= '\t' && *at <= '\r')) {
    ++at;
  }
  const bool negative = *at == '-';
  at += *at == '-' || *at == '+' ? 1 : 0;
  const char *last = end_of_decimal(at);
  double value = 0;
  if (last > at) {
    value = monoquant_decimal(at, static_cast<size_t>(last - at));
  } else if (begins_with(at, "inf")) {
    value = HUGE_VAL;
    last = at + (begins_with(at, "infinity") ? 8 : 3);
  } else if (begins_with(at, "nan")) {
    value = NAN;
    last = at + 3;
  } else {
    last = text;
  }
  if (end != nullptr) {
    *end = const_cast<char *>(last);
  }
  return negative && last > text ? -value : value;
}

float strtof(const char *text, char **end) { return static_cast<float>(strtod(text, end)); }
long double strtold(const char *text, char **end) { return strtod(text, end); }
double strtod_l(const char *text, char **end, locale_t /*any*/) { return strtod(text, end); }
float strtof_l(const char *text, char **end, locale_t /*any*/) { return strtof(text, end); }
long double strtold_l(const char *text, char **end, locale_t /*any*/) { return strtod(text, end); }

} // extern "C"
