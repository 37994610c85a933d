#include "monoquant/base/dtype.h"

#include <array>
#include <cstddef>

namespace monoquant {
namespace {

struct DtypeRow {
  std::string_view name;
  uint32_t bits;
  bool quantizable;
};

constexpr std::array<DtypeRow, kDtypeCount> kRows = {{
    {"BOOL", 8, false},        {"F4", 4, false},          {"F6_E2M3", 6, false},
    {"F6_E3M2", 6, false},     {"U8", 8, false},          {"I8", 8, false},
    {"F8_E5M2", 8, true},      {"F8_E4M3", 8, true},      {"F8_E8M0", 8, false},
    {"F8_E4M3FNUZ", 8, false}, {"F8_E5M2FNUZ", 8, false}, {"I16", 16, false},
    {"U16", 16, false},        {"F16", 16, true},         {"BF16", 16, true},
    {"I32", 32, false},        {"U32", 32, false},        {"F32", 32, true},
    {"C64", 64, false},        {"F64", 64, true},         {"I64", 64, false},
    {"U64", 64, false},        {"C32", 32, false},        {"C128", 128, false},
}};

const DtypeRow &row(Dtype dtype) { return kRows[static_cast<size_t>(dtype)]; }

} // namespace

std::string_view dtype_name(Dtype dtype) { return row(dtype).name; }

std::optional<Dtype> dtype_from_name(std::string_view name) {
  for (size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].name == name) {
      return static_cast<Dtype>(i);
    }
  }
  return std::nullopt;
}

uint32_t dtype_bits(Dtype dtype) { return row(dtype).bits; }

bool dtype_is_quantizable(Dtype dtype) { return row(dtype).quantizable; }

} // namespace monoquant
