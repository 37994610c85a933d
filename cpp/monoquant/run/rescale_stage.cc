#include "monoquant/run/rescale_stage.h"

#include <algorithm>
#include <cmath>

#include "monoquant/base/text.h"

namespace monoquant::run {
namespace {

constexpr uint64_t kKeptRows = 256;           // of each weight
constexpr uint64_t kKeptValues = 1ULL << 22U; // of all weights of a pair
constexpr uint64_t kPartValues = 1ULL << 18U;
/// What is gained by less is left.
constexpr double kWorthwhile = 0.98;
constexpr double kAlphas[] = {0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9};
constexpr size_t kRatios = 20;

uint64_t most_tensor_bytes(const catalog::Catalog &catalog, std::span<const plan::Rescale> pairs) {
  uint64_t bytes = 1;
  for (const plan::Rescale &pair : pairs) {
    for (const size_t balance : pair.balances) {
      bytes = std::max(bytes, catalog.tensors[balance].bytes);
    }
  }
  return std::max(bytes, catalog.file_bytes);
}

/// Of so many rows of a weight one of this many is kept, from the first on.
uint64_t stride_of(uint64_t rows, uint64_t columns, size_t balances) {
  const uint64_t most = std::clamp<uint64_t>(kKeptValues / (columns * balances), 1, kKeptRows);
  return (rows + most - 1) / most;
}

std::string strength_text(double strength) {
  const auto hundredths = static_cast<int>(std::lround(strength * 100));
  const int whole = hundredths / 100;
  const int rest = hundredths % 100;
  return concat(whole, ".", rest < 10 ? "0" : "", rest % 10 == 0 && rest != 0 ? rest / 10 : rest);
}

} // namespace

RescaleStage::RescaleStage(const plan::Plan &plan, parallel::Workers &workers,
                           calibration::Calibration calibration, std::vector<plan::Rescale> pairs,
                           RescaleChoice choice, size_t block_bytes)
    : Stage(1, block_bytes, most_tensor_bytes(*plan.catalog, pairs)), plan_(plan),
      workers_(workers), calibration_(std::move(calibration)), shared_(*plan.catalog),
      pairs_(std::move(pairs)), choice_(choice), reader_(*plan.catalog, this->block_bytes(), 0) {
  for (const plan::Rescale &pair : pairs_) {
    for (const size_t balance : pair.balances) {
      total_bytes_ += plan.catalog->tensors[balance].bytes;
    }
  }
}

std::optional<ByteRange> RescaleStage::next(size_t /*slot*/) {
  while (pair_ < pairs_.size()) {
    if (!has_begun_) {
      if (std::string reason = begin_pair(); !reason.empty()) {
        skip(std::move(reason));
        continue;
      }
      has_begun_ = true;
      begin_balance();
    }
    if (part_rows_ == 0) {
      const uint64_t columns = balance().shape.back();
      part_rows_ =
          std::min(balance().shape.front() - row_, std::max<uint64_t>(1, kPartValues / columns));
      reader_.begin(balance(), row_ * columns, (row_ + part_rows_) * columns);
    }
    const ByteRange read = reader_.next().value_or(ByteRange{});
    length_ = read.length;
    return read;
  }
  return std::nullopt;
}

Result<void> RescaleStage::process(size_t slot) {
  if (length_ > 0) {
    return reader_.fill(input(slot).first(length_));
  }
  const catalog::Tensor &tensor = balance();
  add_done(part_rows_ * tensor.shape.back() * (dtype_bits(tensor.dtype) / 8));
  const std::span<const float> values = reader_.values();
  if (std::any_of(values.begin(), values.end(),
                  [](float value) { return !std::isfinite(value); })) {
    skip(concat(tensor.name, " has values that are not finite"));
    return {};
  }
  take_rows(values);
  row_ += part_rows_;
  part_rows_ = 0;
  if (row_ == tensor.shape.front()) {
    if (++balance_ < pair().balances.size()) {
      begin_balance();
    } else {
      end_pair();
    }
  }
  return {};
}

std::string_view RescaleStage::tensor() const {
  return pair_ < pairs_.size() ? std::string_view(plan_.catalog->tensors[pair().producer].name)
                               : std::string_view();
}

void RescaleStage::skip(std::string reason) {
  left_.push_back({pair_, std::move(reason)});
  ++pair_;
  has_begun_ = false;
  part_rows_ = 0;
}

/// Why it stays as it is; "" if all is there to choose by.
std::string RescaleStage::begin_pair() {
  const std::vector<catalog::Tensor> &tensors = plan_.catalog->tensors;
  const plan::Rescale &rescale = pair();
  const uint64_t columns = tensors[rescale.balances.front()].shape.empty()
                               ? 0
                               : tensors[rescale.balances.front()].shape.back();
  if (columns % rescale.repeats != 0 || !plan::fits(plan_, rescale, columns / rescale.repeats) ||
      columns > kPartElements) {
    return "the shapes of its tensors do not go together";
  }
  if (std::string reason = plan::why_kept(plan_, rescale); !reason.empty()) {
    return reason;
  }
  const bool has_codes =
      std::any_of(rescale.balances.begin(), rescale.balances.end(),
                  [&](size_t balance) { return plan_.tensors[balance].quantize() != nullptr; });
  if (choice_.kind != RescaleChoice::Kind::kFixed && !has_codes) {
    return "none of the layers behind it is quantized";
  }
  for (const size_t balance : rescale.balances) {
    const plan::Quantize *quantize = plan_.tensors[balance].quantize();
    if (quantize != nullptr && quantize->stored.scheme.rotation != 0) {
      return "the format rotates its columns";
    }
  }
  balance_ = 0;
  kept_.assign(rescale.balances.size(), {});
  const auto width = static_cast<size_t>(columns);
  largest_.assign(width, 0);
  const plan::Quantize *first = plan_.tensors[rescale.balances.front()].quantize();
  const bool has_groups = first != nullptr && first->stored.scheme.cuts_rows();
  const uint64_t group = has_groups ? first->stored.scheme.group_size : columns;
  shares_ = quant::ColumnShares(width, static_cast<size_t>(group == 0 ? columns : group));
  return find_inputs();
}

std::string RescaleStage::find_inputs() {
  const plan::Rescale &rescale = pair();
  const auto has_data = [&](std::string_view name) { return calibration_.find(name) != nullptr; };
  inputs_ = {};
  for (const size_t balance : rescale.balances) {
    const std::string_view module = catalog::module_name(plan_.catalog->tensors[balance].name);
    if (inputs_.statistics == nullptr) {
      inputs_.statistics = calibration_.find(shared_.whose(module, has_data));
    }
  }
  const size_t columns = largest_.size();
  const calibration::ModuleStatistics *statistics = inputs_.statistics;
  if (statistics == nullptr || statistics->squares.size() != columns ||
      statistics->per_channel == 0) {
    return "the calibration does not say how large its inputs are";
  }
  const size_t rows = columns / static_cast<size_t>(rescale.repeats);
  inputs_.widths.assign(rows, 0);
  inputs_.magnitudes.assign(rows, 0);
  for (size_t column = 0; column < columns; ++column) {
    const double square = statistics->second_moment(column);
    const double width = statistics->lows.size() == columns
                             ? static_cast<double>(statistics->highs[column]) -
                                   static_cast<double>(statistics->lows[column])
                             : std::sqrt(square);
    const size_t row = rescale.row_of(column);
    inputs_.squares.push_back(square);
    inputs_.widths[row] = std::max(inputs_.widths[row], width);
    inputs_.magnitudes[row] = std::max(inputs_.magnitudes[row], std::sqrt(square));
  }
  return {};
}

void RescaleStage::begin_balance() {
  row_ = 0;
  part_rows_ = 0;
  const uint64_t rows = balance().shape.front();
  const uint64_t columns = balance().shape.back();
  const uint64_t stride = stride_of(rows, columns, pair().balances.size());
  // Taken at once: see CalibrateStage.
  kept_[balance_].reserve(static_cast<size_t>((rows + stride - 1) / stride * columns));
}

void RescaleStage::take_rows(std::span<const float> values) {
  const size_t columns = largest_.size();
  const uint64_t stride = stride_of(balance().shape.front(), columns, pair().balances.size());
  for (uint64_t i = 0; i < part_rows_; ++i) {
    const auto row = values.subspan(static_cast<size_t>(i) * columns, columns);
    for (size_t column = 0; column < columns; ++column) {
      largest_[column] = std::max(largest_[column], static_cast<double>(std::fabs(row[column])));
    }
    if (choice_.kind == RescaleChoice::Kind::kAwq) {
      shares_.add(row);
    }
    if ((row_ + i) % stride == 0) {
      kept_[balance_].insert(kept_[balance_].end(), row.begin(), row.end());
    }
  }
}

/// With factors that floats cannot be multiplied with exactly, floats of 16 bits would be rounded once more.
bool RescaleStage::needs_powers_of_two() const {
  const auto is_rounded = [&](size_t index) {
    return plan_.catalog->tensors[index].dtype != Dtype::kF32 &&
           plan_.tensors[index].quantize() == nullptr;
  };
  const plan::Rescale &rescale = pair();
  return is_rounded(rescale.producer) || (rescale.bias && is_rounded(*rescale.bias)) ||
         std::any_of(rescale.balances.begin(), rescale.balances.end(), is_rounded);
}

/// By alpha, or by the ratio.
std::vector<double> RescaleStage::factors_of(double strength) const {
  const size_t rows = inputs_.widths.size();
  std::vector<double> weights(rows);
  std::vector<double> factors;
  if (choice_.kind == RescaleChoice::Kind::kAwq) {
    const std::vector<double> shares = shares_.means();
    for (size_t column = 0; column < shares.size(); ++column) {
      weights[pair().row_of(column)] += shares[column] / static_cast<double>(pair().repeats);
    }
    factors = quant::awq_factors(inputs_.magnitudes, weights, strength);
  } else {
    for (size_t column = 0; column < largest_.size(); ++column) {
      double &weight = weights[pair().row_of(column)];
      weight = std::max(weight, 2 * largest_[column]);
    }
    factors = quant::smoothing_factors(inputs_.widths, weights, strength);
  }
  if (needs_powers_of_two()) {
    quant::round_to_powers_of_two(factors);
  }
  return factors;
}

std::vector<double> RescaleStage::columns_of(const std::vector<double> &rows) const {
  std::vector<double> columns(largest_.size());
  for (size_t column = 0; column < columns.size(); ++column) {
    columns[column] = rows[pair().row_of(column)];
  }
  return columns;
}

/// Mean square of the error of each input that becomes a code of 8 bits; 0 where inputs stay as they are.
double RescaleStage::input_noise(const std::vector<double> &columns) const {
  const plan::TensorPlan *coded = nullptr;
  for (const size_t balance : pair().balances) {
    const plan::TensorPlan &entry = plan_.tensors[balance];
    if (entry.quantize() != nullptr && !entry.quantize()->stored.weights_only &&
        entry.quantize()->stored.scheme.has_kernels()) {
      coded = &entry;
    }
  }
  if (coded == nullptr) {
    return 0;
  }
  constexpr double kSteps = 255;
  const calibration::ModuleStatistics &statistics = *inputs_.statistics;
  if (coded->input && statistics.lows.size() == columns.size()) { // one scale for all
    double low = 0;
    double high = 0;
    for (size_t i = 0; i < columns.size(); ++i) {
      low = std::min(low, static_cast<double>(statistics.lows[i]) / columns[i]);
      high = std::max(high, static_cast<double>(statistics.highs[i]) / columns[i]);
    }
    const double width = coded->input->symmetric ? 2 * std::max(-low, high) : high - low;
    return width * width / (kSteps * kSteps) / 12;
  }
  std::vector<double> squares(columns.size());
  for (size_t i = 0; i < squares.size(); ++i) {
    squares[i] = inputs_.squares[i] / (columns[i] * columns[i]);
  }
  return 4 * quant::largest_square(squares) / (kSteps * kSteps) / 12;
}

/// What the rows that were kept lose of their outputs with these factors, all rows counted.
double RescaleStage::loss_of(const std::vector<double> &factors) const {
  const std::vector<double> columns = columns_of(factors);
  const size_t width = columns.size();
  double largest = 0;
  std::vector<double> squares(width);
  for (size_t i = 0; i < width; ++i) {
    squares[i] = inputs_.squares[i] / (columns[i] * columns[i]);
    largest = std::max(largest, squares[i]);
  }
  std::vector<float> importance(width);
  for (size_t i = 0; i < width && largest > 0; ++i) {
    importance[i] = static_cast<float>(squares[i] / largest);
  }
  const double noise = input_noise(columns);
  double loss = 0;
  for (size_t balance = 0; balance < kept_.size(); ++balance) {
    const size_t tensor = pair().balances[balance];
    const plan::Quantize *quantize = plan_.tensors[tensor].quantize();
    if (quantize == nullptr) {
      continue;
    }
    const std::vector<float> &rows = kept_[balance];
    const size_t count = rows.size() / width;
    std::vector<double> costs(count);
    workers_.run(count, [&](size_t index, size_t /*worker*/) {
      std::vector<float> row(width);
      double square = 0;
      for (size_t i = 0; i < width; ++i) {
        row[i] = static_cast<float>(static_cast<double>(rows[index * width + i]) * columns[i]);
        square += static_cast<double>(row[i]) * static_cast<double>(row[i]);
      }
      costs[index] =
          largest * quant::rounding_cost(row, quantize->stored.scheme, importance) + noise * square;
    });
    double sum = 0;
    for (const double cost : costs) {
      sum += cost;
    }
    loss += sum * static_cast<double>(plan_.catalog->tensors[tensor].shape.front()) /
            static_cast<double>(std::max<size_t>(1, count));
  }
  return loss;
}

void RescaleStage::end_pair() {
  const bool is_awq = choice_.kind == RescaleChoice::Kind::kAwq;
  std::vector<double> strengths;
  if (choice_.kind == RescaleChoice::Kind::kFixed) {
    strengths = {choice_.alpha};
  } else if (is_awq) {
    for (size_t i = 0; i < kRatios; ++i) {
      strengths.push_back(static_cast<double>(i) / static_cast<double>(kRatios));
    }
  } else {
    strengths.assign(std::begin(kAlphas), std::end(kAlphas));
  }
  plan::Rescale chosen = pair();
  const bool compares = choice_.kind != RescaleChoice::Kind::kFixed;
  const std::vector<double> ones(inputs_.widths.size(), 1.0);
  double best = compares ? kWorthwhile * loss_of(ones) : 0;
  for (const double strength : strengths) {
    std::vector<double> factors = factors_of(strength);
    const double loss = compares ? loss_of(factors) : -1;
    if (loss < best) {
      best = loss;
      chosen.factors = std::move(factors);
      chosen.how = concat(is_awq ? "AWQ " : "SmoothQuant ", strength_text(strength));
    }
  }
  if (chosen.factors.empty()) {
    return skip("nothing is gained");
  }
  chosen_.push_back(std::move(chosen));
  ++pair_;
  has_begun_ = false;
}

void RescaleStage::write_result(JsonWriter &json) const {
  json.begin_object();
  json.key("rescales").begin_array();
  for (const plan::Rescale &rescale : chosen_) {
    json.begin_object();
    json.member("producer", rescale.producer);
    if (rescale.bias) {
      json.member("bias", *rescale.bias);
    }
    json.member("firstRow", rescale.first_row);
    json.member("balances", rescale.balances);
    json.member("head", rescale.head);
    json.member("repeats", rescale.repeats);
    json.member("how", rescale.how);
    json.member("factors", rescale.factors);
    json.end();
  }
  json.end();
  json.key("left").begin_array();
  for (const Left &left : left_) {
    json.begin_object();
    json.member("pair", left.pair);
    json.member("reason", left.reason);
    json.end();
  }
  json.end().end();
}

} // namespace monoquant::run
