#include "monoquant/execute/run_result.h"

#include <algorithm>

namespace monoquant::execute {

RunResult OutputSums::result(uint64_t samples, uint64_t outputs) const {
  RunResult result;
  result.samples = samples;
  result.outputs = outputs;
  result.peak = peak_;
  result.undefined = undefined_;
  result.not_finite = not_finite_;
  if (compared_ == 0) {
    result.sqnr_db = std::numeric_limits<double>::quiet_NaN();
    result.cosine = result.sqnr_db;
  } else if (not_finite_ != 0) {
    result.sqnr_db = -std::numeric_limits<double>::infinity();
    result.cosine = 0;
  } else {
    result.sqnr_db = quant::sqnr_db({signal_, noise_, 0});
    if (noise_ == 0) {
      result.cosine = 1; // which the quotient need not be, to the last bit
    } else if (signal_ != 0 && executed_ != 0) {
      // Two roots: the product of the sums may overflow. Rounding may leave the quotient a bit above 1.
      result.cosine = std::clamp(dot_ / (std::sqrt(signal_) * std::sqrt(executed_)), -1.0, 1.0);
    }
  }
  return result;
}

} // namespace monoquant::execute
