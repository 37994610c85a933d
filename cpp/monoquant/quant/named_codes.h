// Kinds of codes by the names that people know them by: what of a scheme each of them fixes.
// It exists so that options, plans and layouts mean the same by "MXFP4". The names are those of js/api/schemes.ts.
#pragma once

#include <cstdint>
#include <string_view>

#include "monoquant/quant/scheme.h"

namespace monoquant::quant {

/// A kind of codes; what it does not fix, layouts and other options say.
struct NamedCodes {
  std::string_view name; // what people are told
  Codebook codebook = Codebook::kIntegers;
  uint32_t bits = 0;       // 0: any
  uint64_t group_size = 0; // 0: any
  Dtype scale_dtype = Dtype::kF32;
  Outer outer = Outer::kNone;
  uint32_t rotation = 0;
};

/// By the words of the option; the first is what kernels make.
inline constexpr std::string_view kCodesWords[] = {"integers", "FP8", "NVFP4", "MXFP4",
                                                   "MXFP8",    "NF4", "FP4",   "INT8_CONVROT"};
enum class CodesKind : uint8_t {
  kIntegers,
  kFp8,
  kNvfp4,
  kMxfp4,
  kMxfp8,
  kNf4,
  kFp4,
  kConvrot,
};

constexpr NamedCodes named_codes(CodesKind kind) {
  switch (kind) {
  case CodesKind::kFp8:
    return {"FP8", Codebook::kF8E4M3, 8};
  case CodesKind::kNvfp4:
    return {"NVFP4", Codebook::kF4E2M1, 4, 16, Dtype::kF8E4M3, Outer::kDivisor};
  case CodesKind::kMxfp4:
    return {"MXFP4", Codebook::kF4E2M1, 4, 32, Dtype::kF8E8M0};
  case CodesKind::kMxfp8:
    return {"MXFP8", Codebook::kF8E4M3, 8, 32, Dtype::kF8E8M0};
  case CodesKind::kNf4:
    return {"NF4", Codebook::kNf4, 4, 64};
  case CodesKind::kFp4:
    return {"FP4", Codebook::kFp4, 4, 64};
  case CodesKind::kConvrot:
    return {"INT8 ConvRot", Codebook::kEvenIntegers, 8, 0, Dtype::kF32, Outer::kNone, 256};
  default:
    return {};
  }
}

/// Makes the scheme one of such codes. What they fix counts more than what was there.
constexpr void use_codes(Scheme &scheme, CodesKind kind) {
  const NamedCodes codes = named_codes(kind);
  scheme.codebook = codes.codebook;
  if (kind == CodesKind::kIntegers) {
    return;
  }
  scheme.bits = codes.bits;
  scheme.outer = codes.outer;
  scheme.rotation = codes.rotation;
  scheme.scale_dtype = codes.scale_dtype;
  if (codes.group_size != 0) {
    scheme.strategy = Strategy::kGroup;
    scheme.group_size = codes.group_size;
  }
  if (scheme.strategy == Strategy::kBlock) { // the only ones that loaders know
    scheme.block_rows = 128;
    scheme.group_size = 128;
  }
}

/// Of codes that are there: what people are told they are.
constexpr std::string_view codes_name(const Scheme &scheme) {
  for (const CodesKind kind : {CodesKind::kFp8, CodesKind::kNvfp4, CodesKind::kMxfp4,
                               CodesKind::kMxfp8, CodesKind::kNf4, CodesKind::kFp4}) {
    const NamedCodes codes = named_codes(kind);
    const bool has_own_scales = codes.group_size == 0 || codes.scale_dtype == scheme.scale_dtype;
    if (codes.codebook == scheme.codebook && has_own_scales && codes.outer == scheme.outer &&
        (codes.group_size == 0 || codes.group_size == scheme.group_size)) {
      if (kind != CodesKind::kFp8 || scheme.scale_dtype != Dtype::kF8E8M0) {
        return codes.name;
      }
    }
  }
  return scheme.rotation != 0 ? named_codes(CodesKind::kConvrot).name : "INT8";
}

} // namespace monoquant::quant
