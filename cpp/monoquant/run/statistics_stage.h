// Writes what is known of the inputs of a model's layers into a file of tensors, as calibration/statistic.h names them.
// It exists so that inputs of gigabytes become a file that can be kept, passed on and added to others.
// Layer by layer, so that memory is that of the widest one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monoquant/calibration/calibration.h"
#include "monoquant/container/safetensors.h"
#include "monoquant/run/moment_reader.h"
#include "monoquant/run/stage.h"

namespace monoquant::run {

/// Has one slot.
class StatisticsStage final : public Stage {
public:
  /// `calibration`: what all the data have given. `outer`: whether second moments are wanted, too, for which the data
  /// are read again.
  StatisticsStage(const catalog::Catalog &model, calibration::Calibration calibration, bool outer,
                  size_t block_bytes);

  /// One more file of the data, which must outlive this. Errors: those of calibration::match.
  Result<void> add_inputs(const catalog::Catalog &data) { return reader_.add(data); }
  /// Decides what is written, when all the data are there: the size of the file. Errors: kLimitExceeded.
  Result<uint64_t> begin();

  std::optional<ByteRange> next(size_t slot) override;
  Result<void> process(size_t slot) override;
  [[nodiscard]] std::span<const Write> writes(size_t /*slot*/) const override { return writes_; }
  [[nodiscard]] std::string_view tensor() const override;
  [[nodiscard]] uint64_t total_bytes() const override { return total_bytes_; }
  void write_result(JsonWriter &json) const override { json.begin_object().end(); }

private:
  /// The statistics of a module, or its second moments.
  struct Job {
    const std::string *module = nullptr;
    const calibration::ModuleStatistics *statistics = nullptr;
    uint64_t width = 0; // of second moments
  };
  enum class Step : uint8_t { kHeader, kModule, kInputs };

  void add_entry(const std::string &name, Dtype dtype, std::vector<uint64_t> shape);
  void put(const std::string &name, Dtype dtype, std::span<const double> values);
  void put_module(const Job &job);
  void put_moments(const std::string &module, quant::SecondMoments moments);

  const catalog::Catalog &model_;
  calibration::Calibration calibration_;
  bool outer_;
  MomentReader reader_;
  std::vector<Job> jobs_;
  std::vector<container::SafetensorsEntry> entries_;
  std::map<std::string_view, size_t> places_; // of entries, by their names
  container::SafetensorsLayout file_;
  uint64_t total_bytes_ = 0;

  Step step_ = Step::kHeader;
  size_t job_ = 0;
  bool owes_header_ = true;
  bool is_requested_ = false;               // the moments of the job at work
  size_t length_ = 0;                       // of the read under way
  std::vector<std::vector<uint8_t>> bytes_; // that are being written
  quant::SecondMoments moments_;
  std::vector<Write> writes_;
};

} // namespace monoquant::run
