// BatchNorm layers that become a part of the layer before them.
// It exists so that a convolution and its normalization are stored as the one affine map that they are: what the model
// computes stays the same.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "monoquant/base/result.h"

namespace monoquant::plan {

struct Options;
struct Plan;

/// One layer and the BatchNorm behind it, by indices of tensors in the catalog, with what these hold. The host has made
/// sure that the one is fed with the other's output and nothing else is.
struct Fold {
  size_t layer = 0;           // its weight
  std::optional<size_t> bias; // of the layer, if it has one
  size_t gamma = 0;           // the BatchNorm's weight
  size_t beta = 0;            // its bias
  size_t mean = 0;
  size_t variance = 0;
  std::optional<size_t> count; // num_batches_tracked
  double epsilon = 0;
  bool is_transposed = false; // channels that come out are the second dimension of the weight
  // Values of the tensors of the same names, one a channel; of `bias` none if there is no such tensor.
  std::vector<double> bias_values = {};
  std::vector<double> gamma_values = {};
  std::vector<double> beta_values = {};
  std::vector<double> mean_values = {};
  std::vector<double> variance_values = {};
};

//   y = gamma * (conv(x) + bias - mean) / sqrt(variance + epsilon) + beta
//     = conv'(x) + beta'          conv' has weight * a, a = gamma / sqrt(variance + epsilon); no bias
//                                 beta' = beta + (bias - mean) * a
//
// The model still has a BatchNorm there, which has to become the identity plus beta': mean 0, variance 1, and as its
// weight sqrt(1 + epsilon), so that F.batch_norm returns its input to the bit. If the model is to have none
// (`drops_norms`), beta' is the bias of the layer.

/// Changes the plans of these tensors. Before pruning, which sees the weights as they will be. Errors: kInvalidOptions.
Result<void> plan_folding(Plan &plan, const Options &options);

} // namespace monoquant::plan
