// PyTorch's search for the range with the smallest squared error.
// It exists because "histogram" is the observer that most quantized PyTorch models were calibrated with.
// It gives PyTorch's numbers to the bit, its habits included: it clips little, and looks for 256 levels whatever
// the codes are.
#pragma once

#include "monoquant/quant/observers/histogram.h"

namespace monoquant::quant {

/// HistogramObserver._non_linear_param_search of PyTorch 2.14: cuts 1e-5 of the values after the other, on the side
/// where that saves more bins, until the error grows. Unobserved where the histogram is empty; NaN where the width
/// of its range overflows f32.
ObservedRange search_range(const Histogram &histogram);

} // namespace monoquant::quant
