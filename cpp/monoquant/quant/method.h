// How the scales of codes are chosen: rows and what is known of their inputs in, scales and zero points out.
// Codes are then the nearest ones to their values, or make up for one another. A method says what it needs, so that plans and runs see to it.
#pragma once

#include <span>

#include "monoquant/quant/qparams.h"
#include "monoquant/quant/scheme.h"
#include "monoquant/quant/values.h"

namespace monoquant::quant {

/// What all methods are given: `magnitudes.size()` scopes of `size` values each, one after the other, all finite.
struct ScopeValues {
  Values values;
  size_t size = 0;
  std::span<const uint32_t> magnitudes; // bits of the largest one of each scope
  std::span<const float> importance =
      {}; // of each value, finite and not negative; empty: all alike

  [[nodiscard]] size_t count() const { return magnitudes.size(); }
};

struct MethodFacts {
  bool needs_floats; // F32, whatever the source stores
  bool needs_scopes; // all that shares a scale at once: at most kLongestSearch values
  bool takes_importance;
  bool needs_moments; // of the layer's inputs: codes are made by ErrorFeedback
  void (*choose)(const ScopeValues &scopes, const Scheme &scheme, const QparamsArrays &chosen);
};

const MethodFacts &facts_of(Method method);

} // namespace monoquant::quant
