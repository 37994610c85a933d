// Compares the SIMD kernels with the scalar ones where it matters: in WebAssembly. Run with Node.
// It exists because the native tests see the SIMD kernels only through a translation of WebAssembly's SIMD.
// Exit code 1 and a message at the first difference.
#include <cstdio>
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

} // namespace

int main() {
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
