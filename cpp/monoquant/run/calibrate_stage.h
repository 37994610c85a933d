// Reads captured inputs, or statistics of some, and adds them to a calibration.
// It exists to stream: a batch is read once where it fits into a block and twice otherwise, whatever its size.
// Results do not depend on blocks, on the file's container, nor on how batches are spread over files.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monoquant/calibration/channel_sums.h"
#include "monoquant/calibration/given_statistics.h"
#include "monoquant/calibration/match.h"
#include "monoquant/catalog/catalog.h"
#include "monoquant/run/source_reader.h"
#include "monoquant/run/stage.h"

namespace monoquant::run {

class CalibrateStage final : public Stage {
public:
  /// `so_far`: what earlier files gave. `data` must outlive the stage. That nothing in the file fits the model is an
  /// error of the first `process`.
  CalibrateStage(const catalog::Catalog &model, const catalog::Catalog &data,
                 calibration::Calibration so_far, size_t slots, size_t block_bytes);

  /// The name of the file of the data, where a file of llama-imatrix is to be known by it.
  void set_data_name(std::string name) {
    if (calibration_.imatrix) {
      calibration_.imatrix->file = std::move(name);
    }
  }

  std::optional<ByteRange> next(size_t slot) override;
  /// Errors: kInvalidOptions (see calibration::match), kMalformedFile (data with another checksum).
  Result<void> process(size_t slot) override;
  [[nodiscard]] std::span<const Write> writes(size_t /*slot*/) const override { return {}; }
  [[nodiscard]] std::string_view tensor() const override;
  [[nodiscard]] uint64_t total_bytes() const override { return total_bytes_; }
  /// { calibration, problems }: complete once everything was processed.
  void write_result(JsonWriter &json) const override;

  [[nodiscard]] const calibration::Calibration &calibration() const { return calibration_; }
  [[nodiscard]] const calibration::Problems &problems() const { return problems_; }

private:
  /// One batch of one module, or one statistic of it.
  struct Job {
    size_t module = 0; // index in names_
    const catalog::Tensor *tensor = nullptr;
    uint64_t begin = 0; // bytes of the tensor
    uint64_t end = 0;
    calibration::BatchShape shape;
    std::optional<calibration::Statistic> statistic;
    bool last_of_module = false;

    [[nodiscard]] uint64_t bytes() const { return end - begin; }
  };
  enum class Step : uint8_t {
    kCheck, // only tells the error, if there is one
    kRange, // of a batch, or a part of what it is put together from
  };
  struct Slot {
    Step step = Step::kCheck;
    size_t job = 0;
    uint32_t pass = 0;
    uint64_t begin = 0; // bytes of the tensor
  };
  /// What is read next.
  struct Cursor {
    size_t job = 0;
    uint32_t pass = 0;
    uint64_t position = 0; // bytes of the tensor
  };

  [[nodiscard]] uint64_t range_bytes(const catalog::Tensor &tensor) const;
  [[nodiscard]] bool is_one_range(const Job &job) const {
    return job.bytes() <= range_bytes(*job.tensor);
  }
  void add_jobs(const calibration::ModuleBatches &module);
  void begin_module(const Job &job);
  void begin_batch(const Job &job);
  Result<void> take(const Slot &slot, std::span<const uint8_t> bytes);
  void look(const Job &job, std::span<const uint8_t> bytes, uint64_t position);
  void count(const Job &job, std::span<const uint8_t> bytes);
  template <typename Visit>
  void visit_values(const Job &job, std::span<const uint8_t> bytes, const Visit &visit);
  void end_batch(const Job &job);
  void end_module(const Job &job);
  calibration::ChannelSums channel_sums();

  std::optional<Error> error_;
  calibration::Calibration calibration_;
  calibration::Problems problems_;
  const catalog::Catalog &model_;
  const catalog::Catalog &data_;
  std::vector<std::string> names_; // of modules
  std::vector<Job> jobs_;
  uint64_t total_bytes_ = 0;
  SourceReader reader_;
  bool owes_check_ = true;
  Cursor cursor_;
  size_t under_way_ = 0; // steps handed out and not processed yet
  std::vector<Slot> slots_;
  std::vector<float> scratch_;
  std::vector<double> unwanted_; // sums that are not kept

  // The module and the batch at work.
  size_t job_ = 0;
  quant::TensorObserver observer_;
  bool module_begun_ = false;
  bool has_nan_ = false;
  bool wants_second_pass_ = false; // known when the first one is over
  uint32_t crc32_ = 0;             // of the batch, as far as it was read
  calibration::ModuleStatistics *statistics_ = nullptr;
  calibration::GivenStatistics given_; // for it
};

} // namespace monoquant::run
