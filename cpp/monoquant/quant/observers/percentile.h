// A range that leaves out the same share of the values at both ends.
// It exists because PyTorch's search hardly clips, and rare outliers cost most at few levels.
// Ours, with no counterpart in PyTorch; computed in f64 from the histogram that its observer keeps.
#pragma once

#include "monoquant/base/result.h"
#include "monoquant/quant/observers/histogram.h"

namespace monoquant::quant {

/// `percentile` of the values are not above max, and as many are not below min; more than 50, at most 100.
///
/// With T values in all and tail = T * (100 - percentile) / 100, values spread evenly over their bin:
///   min = the point below which `tail` values lie      max = the point above which `tail` values lie
///   from below: in the first bin b with c[0] + … + c[b] > tail, at b + (tail - (c[0] + … + c[b-1])) / c[b] bins
///   from above: the same from the other end
/// So 99.99 leaves out one value in 10,000 at each end, and 100 nothing. Unobserved where the histogram is empty.
Result<ObservedRange> percentile_range(const Histogram &histogram, double percentile);

} // namespace monoquant::quant
