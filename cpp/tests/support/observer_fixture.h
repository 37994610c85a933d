// The weight that PyTorch quantized for us, with its scales, zero points and codes.
// It exists because "the same as PyTorch to the bit" is a promise, and three test files hold us to parts of it.
// Unsigned zero points and codes are shifted to signed ones: the engine knows no others.
#pragma once

#include <string>
#include <vector>

#include "monoquant/quant/scheme.h"

namespace monoquant::test {

inline constexpr size_t kObservedRows = 64;
inline constexpr size_t kObservedColumns = 256;

struct Observed {
  std::string name; // as in the fixture, for instance "pc_sym_qint8"
  quant::Scheme scheme;
  size_t scope_size = 0; // weights that share a scale
  std::vector<float> scales;
  std::vector<int32_t> zero_points;
  std::vector<int32_t> codes;
};

const std::vector<float> &observed_weight();
/// Every scheme of the fixture that the engine has too.
const std::vector<Observed> &observed_schemes();

} // namespace monoquant::test
