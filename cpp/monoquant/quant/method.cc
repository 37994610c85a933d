#include "monoquant/quant/method.h"

#include <array>
#include <bit>
#include <vector>

#include "monoquant/quant/affine.h"
#include "monoquant/quant/codebook.h"
#include "monoquant/quant/kernels/kernels.h"
#include "monoquant/quant/search.h"

namespace monoquant::quant {
namespace {

/// With biases: from the extremes, or searched. Values of scopes are floats where they are searched.
void choose_affine(const ScopeValues &scopes, const Scheme &scheme, const QparamsArrays &chosen,
                   bool searches) {
  std::vector<float> scratch(scopes.values.dtype == Dtype::kF32 ? 0 : scopes.size);
  for (size_t i = 0; i < scopes.count(); ++i) {
    const Values scope = scopes.values.part(i * scopes.size, scopes.size);
    const auto floats = decode_values(scope.dtype, scope.bytes, scratch);
    const auto weights = scopes.importance.empty()
                             ? scopes.importance
                             : scopes.importance.subspan(i * scopes.size, scopes.size);
    const Affine affine =
        searches ? search_affine(floats, weights, scheme) : affine_by_range(floats, scheme);
    chosen.set(i, affine.qparams());
  }
}

/// Round to nearest: from the extremes of the values.
void choose_by_range(const ScopeValues &scopes, const Scheme &scheme, const QparamsArrays &chosen) {
  if (scheme.has_bias) {
    return choose_affine(scopes, scheme, chosen, false);
  }
  const size_t count = scopes.count();
  if (!scheme.has_kernels()) {
    for (size_t i = 0; i < count; ++i) {
      const auto magnitude = std::bit_cast<float>(scopes.magnitudes[i]);
      chosen.set(i, {codebook_scale(magnitude, scheme, chosen.outer), 0});
    }
    return;
  }
  if (scheme.symmetric) {
    for (size_t i = 0; i < count; ++i) {
      chosen.scales[i] = symmetric_scale(std::bit_cast<float>(scopes.magnitudes[i]), scheme);
      chosen.zero_points[i] = 0;
    }
    for (size_t i = 0; scheme.scale_dtype != Dtype::kF32 && i < count; ++i) {
      chosen.scales[i] = round_scale(chosen.scales[i], scheme.scale_dtype);
    }
    return;
  }
  const SourceKernels &source = kernels().of(scopes.values.dtype);
  constexpr size_t kAtOnce = 64;
  Range ranges[kAtOnce];
  for (size_t begin = 0; begin < count; begin += kAtOnce) {
    const size_t some = std::min(kAtOnce, count - begin);
    source.ranges(scopes.values.bytes.data() + begin * scopes.size * source.element_bytes,
                  scopes.size, some, ranges);
    for (size_t i = 0; i < some; ++i) {
      chosen.set(begin + i, choose_qparams(ranges[i], scheme));
    }
  }
}

/// Searched for the smallest squared error.
void choose_by_error(const ScopeValues &scopes, const Scheme &scheme, const QparamsArrays &chosen) {
  if (scheme.has_bias) {
    return choose_affine(scopes, scheme, chosen, true);
  }
  const auto *x = reinterpret_cast<const float *>(scopes.values.bytes.data());
  const size_t size = scopes.size;
  for (size_t i = 0; i < scopes.count(); ++i) {
    const auto weights =
        scopes.importance.empty() ? scopes.importance : scopes.importance.subspan(i * size, size);
    const std::span values(x + i * size, size);
    chosen.set(i, scheme.has_kernels()
                      ? search_qparams(values, weights, scheme, kernels())
                      : Qparams{search_codebook_scale(values, weights, scheme, chosen.outer), 0});
  }
}

// In the order of Method.
constexpr std::array<MethodFacts, 3> kMethods = {{
    {false, false, false, false, choose_by_range},
    {true, true, true, false, choose_by_error},
    {true, true, true, true, choose_by_error},
}};

} // namespace

const MethodFacts &facts_of(Method method) { return kMethods[static_cast<size_t>(method)]; }

} // namespace monoquant::quant
