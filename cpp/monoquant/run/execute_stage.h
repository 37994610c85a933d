// Executes the quantized layers of a file, beside those of a reference where there is one.
// It exists to say what quantization does to outputs, as the runtimes that load the file will compute them.
// Three files are read, none is written; results do not depend on the host's blocks.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monoquant/calibration/match.h"
#include "monoquant/run/element_reader.h"
#include "monoquant/run/layer_run.h"
#include "monoquant/run/layer_specs.h"
#include "monoquant/run/stage.h"

namespace monoquant::run {

/// One slot, so that no block is under way while memory is taken: parts of weights and samples come and go with
/// their layers.
///
/// Memory beside the readers' (36 MiB a file at most, and the scales of a part): a layer's samples and their copies
/// (16 + 24 MiB) and a band of its rows (5 MiB, or a row), or a recurrent layer's matrices (64 MiB); while inputs are
/// taken, 64 MiB of images.
class ExecuteStage final : public Stage {
public:
  /// All catalogs must outlive the stage; those of the file and the reference with quantized tensors joined. Reads of
  /// source 0 are of the file, of 1 of the reference, of 2 of captured inputs; both may be missing. That nothing among
  /// the inputs fits the file is an error of the first `process`.
  ExecuteStage(const catalog::Catalog &file, const catalog::Catalog *reference,
               const catalog::Catalog *data, size_t block_bytes);

  std::optional<ByteRange> next(size_t slot) override;
  /// Errors: kInvalidOptions (see calibration::match), kMalformedFile (compressed data that are broken).
  Result<void> process(size_t slot) override;
  [[nodiscard]] std::span<const Write> writes(size_t /*slot*/) const override { return {}; }
  [[nodiscard]] std::string_view tensor() const override;
  [[nodiscard]] uint64_t total_bytes() const override { return total_bytes_; }
  /// js/engine/wasm.ts' TrialResult.
  void write_result(JsonWriter &json) const override;

private:
  void begin_layer();
  void end_layer();
  void add_work(uint64_t elements);
  Result<void> go_on();

  const catalog::Catalog *data_;
  calibration::Problems problems_; // of the captured inputs
  std::vector<LayerSpec> layers_;
  ElementReader reader_;
  uint64_t total_bytes_ = 0;

  size_t layer_ = 0; // at work
  std::optional<LayerRun> trial_;
  bool is_reading_ = false;       // a stretch
  uint64_t layer_done_ = 0;       // elements
  std::optional<ByteRange> read_; // wanted next
  bool under_way_ = false;
  Result<void> begun_; // told by the first `process`
  JsonWriter results_; // a list of the layers that are over, not ended
};

} // namespace monoquant::run
