// exp, the logistic function and tanh in f64.
// They exist because those of C libraries differ in last bits between machines, and results here must not.
// Only additions, multiplications, divisions and one rounding of IEEE 754: equal to the bit everywhere.
#pragma once

namespace monoquant::execute {

/// e^x within 2^-51 of its size; 0 below -708 (where f64 leaves its normal numbers), infinite above 709.
double exponential(double x);

/// 1 / (1 + e^-x) within 2^-50 of its size.
double logistic(double x);

/// Within 2^-49 of its size, near 0 too.
double hyperbolic_tangent(double x);

} // namespace monoquant::execute
