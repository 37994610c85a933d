// Collects what a layer is executed on: captured inputs where there are any, else seeded ones, as large as is known.
// It exists because each form of layer takes its samples from a captured tensor in its own way.
// Only the parts of the data that samples are taken from are read, and the samples do not depend on blocks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monoquant/base/result.h"
#include "monoquant/execute/inputs.h"
#include "monoquant/execute/linear_run.h"
#include "monoquant/run/element_reader.h"
#include "monoquant/run/layer_specs.h"

namespace monoquant::run {

/// Steps of a sequence, and sequences, of a recurrent layer.
inline constexpr size_t kMostSteps = 16;
inline constexpr size_t kMostSequences = 4;
/// Batches of images that patches are cut out of, and values that are read of each (64 MiB).
inline constexpr size_t kMostImageBatches = 8;
inline constexpr uint64_t kMostImageValues = uint64_t{16} << 20U;

class LayerInputs {
public:
  /// `data`: the catalog of the captured inputs; nothing where the layer has none. Both outlive this.
  LayerInputs(const LayerSpec &layer, const catalog::Catalog *data);

  /// What is to be read next; nothing when no more is wanted.
  std::optional<ElementRange> next();
  Result<void> take(const Elements &elements);

  /// When all is read: the samples, at least one. An error where the layer is too wide, or its shape contradicts
  /// itself or the data.
  Result<execute::Inputs> finish();

  /// Of linear layers and convolutions: the matrix. Ask behind `finish`.
  [[nodiscard]] const execute::LinearShape &shape() const { return shape_; }
  /// Of recurrent layers: sequences, one after the other.
  [[nodiscard]] size_t sequences() const { return sequences_; }
  /// "captured", "statistics" (seeded, each column as large as its squares say) or "seeded".
  [[nodiscard]] std::string_view kind() const { return kind_; }

private:
  Result<void> begin();
  [[nodiscard]] const catalog::Tensor &captured() const {
    return data_->tensors[layer_.batches[batch_].tensor];
  }
  [[nodiscard]] bool is_recurrent() const {
    return layer_.form == LayerForm::kLstm || layer_.form == LayerForm::kGru;
  }
  [[nodiscard]] bool uses_statistics() const;
  std::optional<ElementRange> next_statistic() const;
  std::optional<ElementRange> next_rows();
  std::optional<ElementRange> next_images();
  std::optional<ElementRange> next_sequence();
  Result<void> take_images(std::span<const float> values);

  const LayerSpec &layer_;
  const catalog::Catalog *data_;
  execute::LinearShape shape_;
  std::optional<execute::Inputs> inputs_;
  std::optional<Error> error_;
  size_t batch_ = 0; // at work
  size_t tries_ = 0; // sequences that were read
  uint64_t position_ = 0;
  uint64_t images_ = 0; // that are read of the batch
  uint64_t channels_ = 0;
  size_t steps_ = 0; // of each sequence
  size_t sequences_ = 0;
  std::string_view kind_ = "seeded";
  // Of statistics:
  std::vector<float> squares_;
  float counts_ = 1;
};

} // namespace monoquant::run
