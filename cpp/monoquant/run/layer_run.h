// Executes one quantized layer beside the float one, on what it asks to be read.
// It exists so that the pass over a file knows nothing of layers: it reads what is wanted until nothing is.
// Linear layers and convolutions go band by band; recurrent ones hold their matrices (kMostRecurrentBytes).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "monoquant/base/json_writer.h"
#include "monoquant/base/result.h"
#include "monoquant/execute/linear_run.h"
#include "monoquant/run/element_reader.h"
#include "monoquant/run/layer_inputs.h"
#include "monoquant/run/layer_specs.h"

namespace monoquant::run {

class LayerRun {
public:
  /// Both outlive this. `data`: the catalog of captured inputs, where the layer has any.
  LayerRun(const LayerSpec &layer, const catalog::Catalog *data);

  /// What is to be read next; nothing when the layer is over. Errors: kInternal alone. What a layer cannot be
  /// executed for is in its result.
  Result<std::optional<ElementRange>> next();
  /// Takes what was asked for, and may keep its memory.
  Result<void> take(Elements &elements);

  /// Weights of the file that were executed, or need not be any more.
  [[nodiscard]] uint64_t elements_done() const { return elements_done_; }

  /// LayerSpec of js/engine/wasm.ts, when the layer is over.
  void write(JsonWriter &json) const;

private:
  enum class Step : uint8_t {
    kScale,
    kZeroPoint,
    kInputs,
    kBias,
    kReferenceBias,
    kWeights,
    kReference,
    kDone
  };
  /// Some rows of a matrix, or all.
  struct Band {
    std::vector<float> reference;
    Elements coded;
    std::vector<float> bias;           // of all rows
    std::vector<float> reference_bias; // likewise
  };

  [[nodiscard]] const LayerMatrix &matrix() const { return layer_.matrices[matrix_]; }
  [[nodiscard]] bool is_recurrent() const { return layer_.form >= LayerForm::kLstm; }
  [[nodiscard]] bool has_reference() const;
  [[nodiscard]] uint64_t band_end() const;
  [[nodiscard]] ElementRange weights(bool of_reference) const;
  Result<void> begin_run();
  Result<void> execute_band();
  Result<void> execute_recurrent();
  Result<void> finish(const Result<execute::RunResult> &result);
  /// The layer is over; internal errors are those of the caller.
  Result<void> give_up(const Error &error, std::string &where);
  void write_outcome(JsonWriter &json) const;

  const LayerSpec &layer_;
  LayerInputs source_;
  execute::ActivationRule rule_;
  Step step_ = Step::kScale;
  size_t matrix_ = 0;
  uint64_t row_ = 0;                      // where the band at work begins
  std::vector<Band> bands_;               // one a matrix
  std::optional<execute::Inputs> inputs_; // of recurrent layers
  std::optional<execute::LinearRun> run_;
  uint64_t elements_done_ = 0;

  // What came out: one of these.
  execute::RunResult result_;
  std::string left_out_;
  std::string failure_;
};

} // namespace monoquant::run
