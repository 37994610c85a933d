#include "monoquant/torch/element_type.h"

#include <algorithm>
#include <array>

namespace monoquant::torch {
namespace {

struct Spelling {
  std::string_view storage; // without "Storage"; empty where PyTorch has no such class
  std::string_view name;
  std::string_view old_name;
  int64_t number; // of torch.export; 0: none
  ElementType type;
};

constexpr ElementType plain(Dtype dtype, uint32_t bytes) {
  return {dtype, bytes, 1, false, false, false};
}
constexpr ElementType quantized(Dtype dtype, uint32_t bytes, uint32_t per_byte) {
  return {dtype, bytes, per_byte, true, false, false};
}

constexpr std::array<Spelling, 28> kSpellings = {{
    {"Float", "float32", "float", 7, plain(Dtype::kF32, 4)},
    {"Half", "float16", "half", 6, plain(Dtype::kF16, 2)},
    {"BFloat16", "bfloat16", "", 13, plain(Dtype::kBF16, 2)},
    {"Double", "float64", "double", 8, plain(Dtype::kF64, 8)},
    {"Byte", "uint8", "", 1, plain(Dtype::kU8, 1)},
    {"Char", "int8", "", 2, plain(Dtype::kI8, 1)},
    {"Short", "int16", "short", 3, plain(Dtype::kI16, 2)},
    {"Int", "int32", "int", 4, plain(Dtype::kI32, 4)},
    {"Long", "int64", "long", 5, plain(Dtype::kI64, 8)},
    {"Bool", "bool", "", 12, plain(Dtype::kBool, 1)},
    {"ComplexHalf", "complex32", "chalf", 9, plain(Dtype::kC32, 4)},
    {"ComplexFloat", "complex64", "cfloat", 10, plain(Dtype::kC64, 8)},
    {"ComplexDouble", "complex128", "cdouble", 11, plain(Dtype::kC128, 16)},
    {"", "uint16", "", 28, plain(Dtype::kU16, 2)},
    {"", "uint32", "", 34, plain(Dtype::kU32, 4)},
    {"", "uint64", "", 35, plain(Dtype::kU64, 8)},
    {"", "float8_e4m3fn", "", 29, plain(Dtype::kF8E4M3, 1)},
    {"", "float8_e5m2", "", 30, plain(Dtype::kF8E5M2, 1)},
    {"", "float8_e4m3fnuz", "", 31, plain(Dtype::kF8E4M3Fnuz, 1)},
    {"", "float8_e5m2fnuz", "", 32, plain(Dtype::kF8E5M2Fnuz, 1)},
    {"", "float8_e8m0fnu", "", 33, plain(Dtype::kF8E8M0, 1)},
    {"", "float4_e2m1fn_x2", "", 0, {Dtype::kF4, 1, 1, false, true, false}},
    {"QInt8", "qint8", "", 0, quantized(Dtype::kI8, 1, 1)},
    {"QUInt8", "quint8", "", 0, quantized(Dtype::kU8, 1, 1)},
    {"QInt32", "qint32", "", 0, quantized(Dtype::kI32, 4, 1)},
    {"QUInt4x2", "quint4x2", "", 0, quantized(Dtype::kU8, 1, 2)},
    {"QUInt2x4", "quint2x4", "", 0, quantized(Dtype::kU8, 1, 4)},
    {"Untyped", "", "", 0, {Dtype::kU8, 1, 1, false, false, true}},
}};

template <typename Matches> std::optional<ElementType> find_spelling(const Matches &matches) {
  const auto *found = std::find_if(kSpellings.begin(), kSpellings.end(), matches);
  return found == kSpellings.end() ? std::nullopt : std::optional(found->type);
}

} // namespace

std::optional<ElementType> storage_class(std::string_view module, std::string_view name) {
  constexpr std::string_view kSuffix = "Storage";
  if (!module.starts_with("torch")) { // torch, torch.cuda, torch.storage, torch_npu.npu, …
    return std::nullopt;
  }
  if (!name.ends_with(kSuffix)) {
    return std::nullopt;
  }
  name.remove_suffix(kSuffix.size());
  if (name.starts_with('_')) { // torch.storage._UntypedStorage of 1.12
    name.remove_prefix(1);
  }
  if (name.empty()) {
    return std::nullopt;
  }
  return find_spelling([&](const Spelling &spelling) { return spelling.storage == name; });
}

std::optional<ElementType> torch_dtype(std::string_view name) {
  if (name.empty()) {
    return std::nullopt;
  }
  return find_spelling(
      [&](const Spelling &spelling) { return spelling.name == name || spelling.old_name == name; });
}

std::optional<ElementType> export_dtype(int64_t number) {
  if (number <= 0) {
    return std::nullopt;
  }
  return find_spelling([&](const Spelling &spelling) { return spelling.number == number; });
}

} // namespace monoquant::torch
