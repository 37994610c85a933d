// Compares the SIMD kernels with the scalar ones where it matters: in WebAssembly. Run with Node.
// It exists because the native tests see the SIMD kernels only through a translation of WebAssembly's SIMD.
// Numbers as text are looked at, too: there JavaScript converts them. Exit code 1 and a message at the first difference.
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "support/kernel_comparison.h"

namespace {

using monoquant::quant::scalar_kernels;
using monoquant::quant::simd_kernels;
using monoquant::test::SumsMatch;

std::string first_difference() {
  using namespace monoquant::test;
  constexpr auto kToTheBit = SumsMatch::kToTheBit;
  std::string text = compare_decoding(scalar_kernels(), *simd_kernels(), kToTheBit);
  if (text.empty()) {
    text = compare_all_halves(scalar_kernels(), *simd_kernels(), kToTheBit);
  }
  for (uint64_t seed = 0; seed < 20 && text.empty(); ++seed) {
    text = compare_measuring(scalar_kernels(), *simd_kernels(), seed);
    if (text.empty()) {
      text = compare_codes(scalar_kernels(), *simd_kernels(), seed, kToTheBit);
    }
    if (text.empty()) {
      text = compare_searching(scalar_kernels(), *simd_kernels(), seed, kToTheBit);
    }
    if (text.empty()) {
      text = compare_narrowing(scalar_kernels(), *simd_kernels(), seed, kToTheBit);
    }
  }
  return text;
}

/// Decimal numbers where rounding is hard, and what is not quite a number.
std::string wrong_number() {
  struct Row {
    const char *text;
    double value;
    size_t length;
  };
  // The values are compiled in: they are the compiler's conversion.
  constexpr Row kRows[] = {
      {"0.1", 0.1, 3},
      {"-0", -0.0, 2},
      {"+5.", 5.0, 3},
      {".5e+1", 5.0, 5},
      {"1e23", 1e23, 4},
      {"9007199254740993", 9007199254740993.0, 16},
      {"8.41e21x", 8.41e21, 7},
      {"1.7976931348623158e308", 1.7976931348623158e308, 22},
      {"2.2250738585072011e-308", 2.2250738585072011e-308, 23},
      {"5e-324", 5e-324, 6},
      {"2.4703282292062327208e-324", 0.0, 26},
      {"-1e400", -HUGE_VAL, 6},
      {"1e", 1.0, 1},
      {"1e+", 1.0, 1},
      {" \t12,5", 12.0, 4},
      {"Infinity", HUGE_VAL, 8},
      {"-inf", -HUGE_VAL, 4},
      {"0x10", 0.0, 1},
      {"-", 0.0, 0},
      {".", 0.0, 0},
      {"e5", 0.0, 0},
      {"", 0.0, 0},
  };
  for (const Row &row : kRows) {
    char *end = nullptr;
    const double value = std::strtod(row.text, &end);
    if (std::bit_cast<uint64_t>(value) != std::bit_cast<uint64_t>(row.value) ||
        end != row.text + row.length) {
      return row.text;
    }
  }
  return std::isnan(std::strtod("nan", nullptr)) ? "" : "nan";
}

} // namespace

int main() {
  const std::string number = wrong_number();
  if (!number.empty()) {
    std::fprintf(stderr, "The number \"%s\" is read as another.\n", number.c_str());
    return 1;
  }
  if (simd_kernels() == nullptr) {
    std::fprintf(stderr, "This build has no SIMD kernels.\n");
    return 1;
  }
  const std::string text = first_difference();
  if (!text.empty()) {
    std::fprintf(stderr, "SIMD and scalar kernels differ: %s\n", text.c_str());
    return 1;
  }
  std::printf("SIMD and scalar kernels give the same bits.\n");
  return 0;
}
