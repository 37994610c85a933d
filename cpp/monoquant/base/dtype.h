// The element types of the safetensors format, and those that only PyTorch has.
// One table says a type's name, its width and whether its values can be quantized.
// The order of the enumeration is the order of the format's own writer: it sorts tensors by it, descending.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace monoquant {

// Order and names: safetensors 0.8, `enum Dtype`.
enum class Dtype : uint8_t {
  kBool,
  kF4,
  kF6E2M3,
  kF6E3M2,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kF8E8M0,
  kF8E4M3Fnuz,
  kF8E5M2Fnuz,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kC64,
  kF64,
  kI64,
  kU64,
  // Not in safetensors: pairs of F16 and of F64.
  kC32,
  kC128,
};
inline constexpr int kDtypeCount = 24;
inline constexpr int kSafetensorsDtypeCount = 22; // those in front

/// False for the types that safetensors cannot hold.
constexpr bool dtype_is_in_safetensors(Dtype dtype) {
  return static_cast<int>(dtype) < kSafetensorsDtypeCount;
}

std::string_view dtype_name(Dtype dtype);
std::optional<Dtype> dtype_from_name(std::string_view name);

/// Width of one element in bits; 4 and 6 for the packed types.
uint32_t dtype_bits(Dtype dtype);

/// True for the types whose values can be quantized: F64, F32, F16, BF16, F8_E4M3, F8_E5M2.
bool dtype_is_quantizable(Dtype dtype);

} // namespace monoquant
