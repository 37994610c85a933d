// What PyTorch's observers made of eight batches of activations, and those batches.
// It exists because "equal to PyTorch's" is a promise about every observer, scheme and range of codes.
// Batches too large for a file are made again: splitmix64 and f32 products, checked by their SHA-256.
#pragma once

#include <string>
#include <vector>

#include "monoquant/quant/observers/activation_qparams.h"
#include "monoquant/quant/observers/tensor_observer.h"

namespace monoquant::test {

/// One observer with one scheme, after all batches.
struct ObservedActivations {
  std::string name; // for instance "HistogramObserver/affine/qint8_int4_m8_7"
  quant::RangeMethod method = quant::RangeMethod::kMinMax;
  bool per_channel = false;
  float averaging_constant = 0.01F;
  quant::ActivationScheme scheme;
  bool raises = false;                      // PyTorch has no result, because of a NaN
  std::vector<quant::ObservedRange> ranges; // all values
  std::vector<quant::ObservedRange> trace;  // after each batch; often none
  std::vector<quant::ObservedRange>
      searched; // what the histogram's search found; none for other observers
  std::vector<uint32_t> scale_bits;
  std::vector<int32_t> zero_points;
};

struct ActivationFixture {
  std::string name;
  size_t channels = 0; // the last axis of the batches
  std::vector<std::vector<float>> batches;
  std::vector<ObservedActivations> observed;
  std::vector<float> histogram; // none where PyTorch raises
};

/// Names of all of them.
std::vector<std::string> activation_fixtures();
ActivationFixture read_activation_fixture(const std::string &name);

/// Both NaN, or the same bits.
bool same_float(float a, float b);
bool same_range(quant::ObservedRange a, quant::ObservedRange b);

} // namespace monoquant::test
