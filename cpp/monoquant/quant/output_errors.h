// What quantizing weights does to what their layer computes, as far as the mean squares of its inputs say.
// It exists because an error in a weight matters as much as its input is large: SQNR of weights knows nothing of that.
// Inputs are taken for independent of one another; second moments (ErrorFeedback) know more.
#pragma once

#include <span>

#include "monoquant/quant/error_sums.h"
#include "monoquant/quant/qparams.h"
#include "monoquant/quant/scheme.h"
#include "monoquant/quant/values.h"

namespace monoquant::quant {

/// Of `count` scopes of `size` values each. `importance`: of each value; qparams: with which each gets its nearest code.
OutputErrors output_errors(const Values &values, size_t size, size_t count, const Scheme &scheme,
                           const QparamsArrays &qparams, std::span<const float> importance);

/// How far that moves the mean of an output: the sum of each value's error times the mean of its input.
double mean_error(const Values &values, size_t size, size_t count, const Scheme &scheme,
                  const QparamsArrays &qparams, std::span<const float> means);

} // namespace monoquant::quant
