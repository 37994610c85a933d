// Which quantized tensors of a file are executed, as what, and on which inputs.
// It exists apart from the executing because this is where names and kinds are understood.
// Every quantized tensor is in exactly one layer; one that is not executed says why.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "monoquant/calibration/match.h"
#include "monoquant/catalog/catalog.h"
#include "monoquant/execute/activations.h"

namespace monoquant::run {

//  kind                     executed as
//  linear, head, router     a linear layer
//  experts [e, out, in]     a linear layer of e * out rows: every expert sees the same inputs
//  rnn                      two linear layers: its sums, before tanh
//  lstm, gru                the recurrence over both matrices, where they have the shapes of one layer without a
//                           projection, take at most kMostRecurrentBytes, and are stored in one way; else two linear
//                           layers
//  conv1d, conv2d, conv3d   a linear layer over patches
//  conv-transpose, gpt2-conv1d   not: what is stored as a row is an input, and no output
//  embedding                not: rows are looked up
//  norm, bias, other        not: what computes with them is not known

/// A recurrent layer needs whole matrices in memory: codes, scales and reference values of both.
inline constexpr uint64_t kMostRecurrentBytes = uint64_t{64} << 20U;

enum class LayerForm : uint8_t { kLinear, kConvolution, kLstm, kGru };
std::string_view trial_form_name(LayerForm form);

struct LayerMatrix {
  const catalog::Tensor *weight =
      nullptr; // of the file; with codes, but for one of a recurrent pair
  const catalog::Tensor *reference =
      nullptr;                           // its original values; nothing: its own stand for them
  const catalog::Tensor *bias = nullptr; // of the file, one value a row
  const catalog::Tensor *reference_bias =
      nullptr; // the original one, of a layer that is executed alone; nothing: the same
  uint64_t rows = 0;
  uint64_t columns = 0;

  /// Columns that share a scale: every aligned run of so many does, whatever the scope.
  [[nodiscard]] uint64_t group() const;
};

struct LayerSpec {
  LayerForm form = LayerForm::kLinear;
  std::vector<LayerMatrix> matrices; // one; or of the input and of the state
  execute::ActivationMode mode = execute::ActivationMode::kDynamic;
  const catalog::Tensor *input_scale = nullptr; // of kStatic
  const catalog::Tensor *input_zero_point = nullptr;
  std::vector<calibration::Batch> batches; // captured inputs
  // If there are none: the squares of inputs, one a column, and how many they are sums of.
  std::optional<calibration::StatisticPart> squares = {};
  std::optional<calibration::StatisticPart> counts = {};
  std::string_view note;     // what is unusual about how it is executed
  std::string_view left_out; // why it is not executed

  [[nodiscard]] const std::string &name() const { return matrices[0].weight->name; }
};

/// Weights are multiplied as floats where their codes are packed; inputs are static where `X.input_scale` (F32, F16,
/// BF16 or F64, one value) stands in the file for the module X and the weight meets the module's input; else dynamic.
/// The catalogs must outlive the layers.
std::vector<LayerSpec> trial_layers(const catalog::Catalog &file, const catalog::Catalog *reference,
                                    const std::vector<calibration::ModuleBatches> &captured);

} // namespace monoquant::run
