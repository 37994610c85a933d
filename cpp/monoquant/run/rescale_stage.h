// Reads the weights of layers that are to trade magnitudes with their inputs, and chooses how much.
// It exists because that follows from the weights: plans are made of metadata alone.
// Each weight is read once; some of its rows are kept, and tell what each choice would lose.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "monoquant/calibration/calibration.h"
#include "monoquant/calibration/layers.h"
#include "monoquant/parallel/parallel_for.h"
#include "monoquant/plan/plan.h"
#include "monoquant/plan/rescaling.h"
#include "monoquant/quant/rescaling.h"
#include "monoquant/run/stage.h"
#include "monoquant/run/tensor_reader.h"

namespace monoquant::run {

/// How factors are chosen.
struct RescaleChoice {
  enum class Kind : uint8_t {
    kFixed, // SmoothQuant with one alpha for all
    kAuto,  // with the one that loses least, or none
    kAwq,   // for weights alone
  };
  Kind kind = Kind::kAuto;
  double alpha = 0.5;
};

class RescaleStage final : public Stage {
public:
  /// `plan`: without any rescaling; it says how weights and inputs are stored. It and the workers must outlive the stage.
  RescaleStage(const plan::Plan &plan, parallel::Workers &workers,
               calibration::Calibration calibration, std::vector<plan::Rescale> pairs,
               RescaleChoice choice, size_t block_bytes);

  std::optional<ByteRange> next(size_t slot) override;
  Result<void> process(size_t slot) override;
  [[nodiscard]] std::span<const Write> writes(size_t /*slot*/) const override { return {}; }
  [[nodiscard]] std::string_view tensor() const override;
  [[nodiscard]] uint64_t total_bytes() const override { return total_bytes_; }
  /// { rescales, left }: the pairs with their factors, and the numbers of those that stay, each with the reason.
  void write_result(JsonWriter &json) const override;

private:
  /// What is known of a pair's inputs, for each row that is divided and for each column that reads it.
  struct Inputs {
    std::vector<double> widths;     // of ranges, or the like; rows
    std::vector<double> magnitudes; // means of them, about; rows
    std::vector<double> squares;    // means; columns
    const calibration::ModuleStatistics *statistics = nullptr;
  };
  struct Left {
    size_t pair = 0;
    std::string reason;
  };

  void skip(std::string reason);
  std::string begin_pair();
  std::string find_inputs();
  void begin_balance();
  void take_rows(std::span<const float> values);
  void end_pair();
  [[nodiscard]] std::vector<double> factors_of(double strength) const;
  [[nodiscard]] double loss_of(const std::vector<double> &factors) const;
  [[nodiscard]] double input_noise(const std::vector<double> &columns) const;
  [[nodiscard]] std::vector<double> columns_of(const std::vector<double> &rows) const;
  [[nodiscard]] bool needs_powers_of_two() const;
  [[nodiscard]] const plan::Rescale &pair() const { return pairs_[pair_]; }
  [[nodiscard]] const catalog::Tensor &balance() const {
    return plan_.catalog->tensors[pair().balances[balance_]];
  }

  const plan::Plan &plan_;
  parallel::Workers &workers_;
  const calibration::Calibration calibration_;
  calibration::SharedInputs shared_;
  std::vector<plan::Rescale> pairs_;
  const RescaleChoice choice_;
  TensorReader reader_;
  uint64_t total_bytes_ = 0;

  // The pair and the balance at work.
  size_t pair_ = 0;
  size_t balance_ = 0;
  bool has_begun_ = false;
  uint64_t row_ = 0;       // that is read next
  uint64_t part_rows_ = 0; // of the part that is read
  size_t length_ = 0;      // of the read under way
  Inputs inputs_;
  std::vector<double> largest_; // weight of each column
  quant::ColumnShares shares_;
  std::vector<std::vector<float>> kept_; // some rows of each balance
  std::vector<plan::Rescale> chosen_;
  std::vector<Left> left_;
};

} // namespace monoquant::run
