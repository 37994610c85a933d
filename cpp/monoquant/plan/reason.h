// Why a tensor is treated as it is.
// It exists so that programs can act on a reason and people can read it.
// The names are those of Reason in js/api/types.ts.
#pragma once

#include <cstdint>
#include <string_view>

namespace monoquant::plan {

enum class Reason : uint8_t {
  kRequested,      // quantized or converted because that is what was asked for
  kOverride,       // treated by an override of its own
  kIgnored,        // an ignore pattern names it
  kOverrideNone,   // an override says to leave it alone
  kNotFloat,       // its dtype has no values that could be quantized
  kOneDimensional, // no output channels
  kSmall,          // fewer elements than the threshold
  kEmpty,          // no elements
  kNorm,
  kBias,
  kEmbedding,
  kHead,
  kRouter,
  kGpt2Conv1d,
  kLayerNotSelected, // its kind is not among the selected ones
  kUnknownKind,      // nothing says which layer computes with it
  kNameTaken,        // its scale's name belongs to another tensor
  kSibling,          // fused at run time with a tensor that is left alone
  kAlreadyNarrow,    // converting would not make it smaller
  kNonFinite,        // NaN or infinity among its values
  kOverflow,         // a value is too large for the type asked for
  kTied,             // shares its bytes with another tensor
  kNotRepresentable, // the output's container has no such dtype
  kDequantized,      // was stored as codes, comes out as values
  kNotLoadable,      // no loader of such a model takes it quantized
  kWeightNorm,       // one of two parameters that a weight is computed from
  kAdapter,          // changes a weight that is in another file
  kNoGain,           // codes and scales would take no fewer bytes
  kLeftOut,          // the output has no place for it, and needs none
  kFolded,           // a BatchNorm that is a part of the layer before it
};
inline constexpr int kReasonCount = 30;

std::string_view reason_name(Reason reason);

} // namespace monoquant::plan
