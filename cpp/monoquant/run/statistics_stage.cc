#include "monoquant/run/statistics_stage.h"

#include <algorithm>

#include "monoquant/base/bytes.h"
#include "monoquant/base/text.h"
#include "monoquant/calibration/layers.h"
#include "monoquant/calibration/statistic.h"

namespace monoquant::run {
namespace {

using calibration::Lacks;
using calibration::ModuleStatistics;
using calibration::Statistic;

std::string name_of(std::string_view module, Statistic statistic) {
  const auto *entry = std::find_if(
      calibration::kStatisticNames.begin(), calibration::kStatisticNames.end(),
      [&](const calibration::StatisticName &row) { return row.statistic == statistic; });
  return concat(module, entry->suffix);
}

std::vector<double> doubles_of(const std::vector<float> &values) {
  return {values.begin(), values.end()};
}

std::vector<uint64_t> moments_shape(uint64_t width) {
  const quant::DiagonalBlocks blocks = quant::blocks_of(static_cast<size_t>(width));
  return blocks.count() == 1 ? std::vector<uint64_t>{width, width}
                             : std::vector<uint64_t>{blocks.count(), blocks.block, blocks.block};
}

} // namespace

StatisticsStage::StatisticsStage(const catalog::Catalog &model,
                                 calibration::Calibration calibration, bool outer,
                                 size_t block_bytes)
    : Stage(1, block_bytes, UINT64_MAX), model_(model), calibration_(std::move(calibration)),
      outer_(outer), reader_(model, 1, this->block_bytes(), 0) {}

Result<uint64_t> StatisticsStage::begin() {
  const auto layers = calibration::layers_of(model_);
  size_t room = 0;
  for (const auto &entry : calibration_.modules) {
    const std::string &module = entry.first;
    const ModuleStatistics &statistics = entry.second;
    const Lacks &lacks = statistics.lacks;
    const auto add = [&](Statistic statistic, Dtype dtype, std::vector<uint64_t> shape) {
      add_entry(name_of(module, statistic), dtype, std::move(shape));
    };
    if (!lacks.sums) {
      add(Statistic::kSum, Dtype::kF64, {statistics.sums.size()});
    }
    if (!lacks.squares) {
      add(Statistic::kSquares, Dtype::kF64, {statistics.squares.size()});
    }
    if (!lacks.counts) {
      add(Statistic::kCounts, Dtype::kF64, {1});
    }
    if (!lacks.range && statistics.observer.min_max.is_observed()) {
      const uint64_t ends = std::max<uint64_t>(1, statistics.lows.size());
      add(Statistic::kMin, Dtype::kF32, {ends});
      add(Statistic::kMax, Dtype::kF32, {ends});
    }
    jobs_.push_back({&module, &statistics, 0});
    const auto layer = layers.find(module);
    if (outer_ && !lacks.outer && layer != layers.end() && !layer->second.is_convolution) {
      const uint64_t width = layer->second.width;
      add(Statistic::kOuter, Dtype::kF32, moments_shape(width));
      jobs_.push_back({&module, &statistics, width});
      total_bytes_ += reader_.bytes_of(concat(module, ".weight"));
      room = std::max(room, MomentReader::most_bytes(width));
    }
  }
  auto laid_out = container::layout_safetensors({}, entries_);
  if (!laid_out) {
    return laid_out.error();
  }
  file_ = std::move(laid_out.value());
  for (size_t i = 0; i < entries_.size(); ++i) {
    places_.emplace(entries_[i].name, i);
  }
  // Taken once and given back, so that the heap is large enough from here on: see CalibrateStage.
  const Buffer taken(room + 1);
  taken.data()[0] = 0;
  return file_.file_bytes;
}

void StatisticsStage::add_entry(const std::string &name, Dtype dtype, std::vector<uint64_t> shape) {
  uint64_t elements = 1;
  for (const uint64_t extent : shape) {
    elements *= extent; // of layers whose sizes were checked
  }
  entries_.push_back({name, dtype, std::move(shape), 0, elements * dtype_bits(dtype) / 8});
}

std::optional<ByteRange> StatisticsStage::next(size_t slot) {
  writes_.clear(); // what was handed out is written by now
  bytes_.clear();
  moments_ = {};
  length_ = 0;
  if (owes_header_) {
    owes_header_ = false;
    step_ = Step::kHeader;
    return ByteRange{0, 0};
  }
  if (job_ == jobs_.size()) {
    return std::nullopt;
  }
  const Job &job = jobs_[job_];
  if (job.width == 0) {
    step_ = Step::kModule;
    return ByteRange{0, 0};
  }
  step_ = Step::kInputs;
  if (!is_requested_) {
    is_requested_ = true;
    reader_.request(concat(*job.module, ".weight"), job.width);
  }
  const auto read = reader_.next(slot);
  length_ = read ? read->length : 0;
  return read;
}

Result<void> StatisticsStage::process(size_t slot) {
  if (step_ == Step::kHeader) {
    writes_.push_back(
        {0, {reinterpret_cast<const uint8_t *>(file_.header.data()), file_.header.size()}});
    return {};
  }
  if (step_ == Step::kModule) {
    put_module(jobs_[job_++]);
    return {};
  }
  auto taken = reader_.take(slot, input(slot).first(length_));
  if (!taken) {
    return taken.error();
  }
  add_done(std::min<uint64_t>(length_, total_bytes_ - done_bytes()));
  if (taken.value()) {
    put_moments(*jobs_[job_++].module, std::move(*taken.value()));
    is_requested_ = false;
  }
  return {};
}

void StatisticsStage::put(const std::string &name, Dtype dtype, std::span<const double> values) {
  const auto place = places_.find(name);
  if (place == places_.end()) {
    return;
  }
  std::vector<uint8_t> bytes(values.size() * dtype_bits(dtype) / 8);
  for (size_t i = 0; i < values.size(); ++i) {
    if (dtype == Dtype::kF64) {
      store_le(&bytes[i * sizeof(double)], values[i]);
    } else {
      store_le(&bytes[i * sizeof(float)], static_cast<float>(values[i]));
    }
  }
  bytes_.push_back(std::move(bytes));
  writes_.push_back({entries_[place->second].offset, bytes_.back()});
}

void StatisticsStage::put_module(const Job &job) {
  const ModuleStatistics &statistics = *job.statistics;
  const auto put_one = [&](Statistic statistic, Dtype dtype, double value) {
    put(name_of(*job.module, statistic), dtype, std::span(&value, 1));
  };
  put(name_of(*job.module, Statistic::kSum), Dtype::kF64, statistics.sums);
  put(name_of(*job.module, Statistic::kSquares), Dtype::kF64, statistics.squares);
  put_one(Statistic::kCounts, Dtype::kF64, static_cast<double>(statistics.per_channel));
  if (!statistics.lows.empty()) {
    put(name_of(*job.module, Statistic::kMin), Dtype::kF32, doubles_of(statistics.lows));
    put(name_of(*job.module, Statistic::kMax), Dtype::kF32, doubles_of(statistics.highs));
    return;
  }
  const quant::ObservedRange &range = statistics.observer.min_max;
  put_one(Statistic::kMin, Dtype::kF32, static_cast<double>(range.min));
  put_one(Statistic::kMax, Dtype::kF32, static_cast<double>(range.max));
}

/// Whole blocks lie in the file as they do in memory; the last one may have to be filled up.
void StatisticsStage::put_moments(const std::string &module, quant::SecondMoments moments) {
  moments_ = std::move(moments);
  const uint64_t offset = entries_[places_.find(name_of(module, Statistic::kOuter))->second].offset;
  const quant::DiagonalBlocks &blocks = moments_.blocks;
  const size_t last = blocks.count() - 1;
  const bool is_filled = last == 0 || blocks.columns(last) == blocks.block;
  const size_t whole = is_filled ? moments_.values.size() : blocks.begin(last);
  const auto *first = reinterpret_cast<const uint8_t *>(moments_.values.data());
  writes_.push_back({offset, {first, whole * sizeof(float)}});
  if (is_filled) {
    return;
  }
  const size_t n = blocks.columns(last);
  std::vector<uint8_t> block(blocks.block * blocks.block * sizeof(float));
  for (size_t i = 0; i < n; ++i) {
    const auto row = moments_.of(last).subspan(i * n, n);
    std::copy_n(reinterpret_cast<const uint8_t *>(row.data()), row.size_bytes(),
                block.begin() + static_cast<ptrdiff_t>(i * blocks.block * sizeof(float)));
  }
  bytes_.push_back(std::move(block));
  writes_.push_back({offset + whole * sizeof(float), bytes_.back()});
}

std::string_view StatisticsStage::tensor() const {
  return jobs_.empty() ? std::string_view() : *jobs_[std::min(job_, jobs_.size() - 1)].module;
}

} // namespace monoquant::run
