#include "monoquant/run/calibrate_stage.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "monoquant/base/text.h"
#include "monoquant/container/deflate.h"
#include "monoquant/quant/values.h"

namespace monoquant::run {
namespace {

constexpr size_t kValuesAtOnce = 16384; // decoded to 64 KiB, which stays in a core's cache
constexpr uint64_t kWidestFloat = 8;    // bytes of the widest float

/// What observers take from the heap while they work: a histogram a module, and some room of their own. In
/// WebAssembly a heap that grows while blocks are being read would move them away from under the reader.
constexpr size_t kObserverRoom = quant::kHistogramBins * 8;
constexpr size_t kWorkingRoom = size_t{1} << 20U;

Error damaged(const catalog::Tensor &tensor) {
  return {ErrorCode::kMalformedFile,
          concat("Expected the data of ", tensor.name,
                 " to have the checksum that the file's directory says, found another one."),
          "The file is damaged: get it again.", tensor.name, tensor.offset};
}

/// Not only that of all values.
bool tells_channel_ranges(const calibration::ModuleBatches &module) {
  const auto tells = [&](calibration::Statistic statistic) {
    return std::any_of(module.statistics.begin(), module.statistics.end(), [&](const auto &part) {
      return part.statistic == statistic && part.count == module.channels;
    });
  };
  return tells(calibration::Statistic::kMin) && tells(calibration::Statistic::kMax);
}

/// Channels without any finite value have no range.
void forget_open_ranges(calibration::ModuleStatistics &statistics) {
  const auto is_open = [](float end) { return std::isinf(end); };
  if (std::any_of(statistics.lows.begin(), statistics.lows.end(), is_open) ||
      std::any_of(statistics.highs.begin(), statistics.highs.end(), is_open)) {
    statistics.lows.clear();
    statistics.highs.clear();
    statistics.lacks_channel_ranges = true;
  }
}

/// Nothing if the data are no file of llama-imatrix, or not the first.
std::optional<calibration::Imatrix> imatrix_of(const catalog::Catalog &data,
                                               const calibration::Calibration &so_far) {
  const auto note = [&](std::string_view key) -> const std::string * {
    const auto found = std::find_if(data.metadata.begin(), data.metadata.end(),
                                    [&](const auto &entry) { return entry.first == key; });
    return found == data.metadata.end() ? nullptr : &found->second;
  };
  const bool is_of_llama = data.format == "gguf" || data.format == "imatrix";
  if (!is_of_llama || !so_far.modules.empty() || !so_far.left_out.empty()) {
    return std::nullopt;
  }
  calibration::Imatrix imatrix;
  const std::string *dataset = note(catalog::kImatrixDataset);
  imatrix.dataset = dataset == nullptr ? "" : *dataset;
  if (const std::string *chunks = note(catalog::kImatrixChunks)) {
    std::from_chars(chunks->data(), chunks->data() + chunks->size(), imatrix.chunks);
  }
  for (const catalog::Tensor &tensor : data.tensors) {
    imatrix.entries += tensor.name.ends_with(".in_sum2") ? 1U : 0U;
  }
  return imatrix;
}

} // namespace

CalibrateStage::CalibrateStage(const catalog::Catalog &model, const catalog::Catalog &data,
                               calibration::Calibration so_far, size_t slots, size_t block_bytes)
    : Stage(slots, block_bytes, most_bytes(data)), calibration_(std::move(so_far)), model_(model),
      data_(data), reader_(data, this->slots(), this->block_bytes()), slots_(this->slots()),
      scratch_(kValuesAtOnce) {
  calibration_.imatrix = imatrix_of(data, calibration_);
  auto matched = calibration::match(model, data, calibration_);
  if (!matched) {
    error_ = matched.error();
    return;
  }
  problems_ = std::move(matched.value().problems);
  for (const calibration::ModuleBatches &module : matched.value().modules) {
    add_jobs(module);
  }
  if (jobs_.empty()) {
    calibration::complete(problems_, model_, calibration_);
  }
  // Taken once and given back, so that the heap is large enough from here on.
  const Buffer room(names_.size() * kObserverRoom + kWorkingRoom);
  room.data()[0] = 0;
}

/// Batches come first, then statistics, of which the matrix is only looked at for its diagonal, if squares do not come
/// by themselves: who needs it reads it then.
void CalibrateStage::add_jobs(const calibration::ModuleBatches &module) {
  using calibration::Statistic;
  calibration::ModuleStatistics &statistics = calibration_.modules[module.module];
  calibration::Lacks &lacks = statistics.lacks;
  const size_t first = jobs_.size();
  for (const calibration::Batch &batch : module.batches) {
    const catalog::Tensor &tensor = data_.tensors[batch.tensor];
    jobs_.push_back({names_.size(), &tensor, 0, tensor.bytes, batch.shape, {}, false});
  }
  const bool needs_diagonal = !module.has(Statistic::kSquares);
  for (const calibration::StatisticPart &part : module.statistics) {
    const catalog::Tensor &tensor = data_.tensors[part.tensor];
    const uint64_t width = dtype_bits(tensor.dtype) / 8;
    if (part.statistic != Statistic::kOuter || needs_diagonal) {
      jobs_.push_back({names_.size(),
                       &tensor,
                       part.first * width,
                       (part.first + part.count) * width,
                       {1, module.channels, 1},
                       part.statistic,
                       false});
    }
  }
  if (!module.statistics.empty()) {
    lacks.distribution = true;
    lacks.range |= !module.has(Statistic::kMin) || !module.has(Statistic::kMax);
    // The older files of llama.cpp count calls, each of some hundred inputs.
    lacks.counts |= !module.has(Statistic::kCounts) || data_.format == "imatrix";
    lacks.sums |= !module.has(Statistic::kSum);
    lacks.squares |= needs_diagonal && !module.has(Statistic::kOuter);
    lacks.outer |= !module.has(Statistic::kOuter);
    statistics.lacks_channel_ranges |= !tells_channel_ranges(module);
  }
  const auto channels = static_cast<size_t>(module.channels);
  const size_t ranges = statistics.lacks_channel_ranges ? 0 : channels;
  statistics.lows.resize(ranges, std::numeric_limits<float>::infinity());
  statistics.highs.resize(ranges, -std::numeric_limits<float>::infinity());
  statistics.sums.resize(lacks.sums ? 0 : channels);
  statistics.squares.resize(lacks.squares ? 0 : channels);
  for (size_t i = first; i < jobs_.size(); ++i) {
    total_bytes_ += jobs_[i].bytes() * (jobs_[i].statistic || is_one_range(jobs_[i]) ? 1 : 2);
  }
  jobs_.back().last_of_module = true;
  names_.push_back(module.module);
}

/// How much of a tensor is looked at in one go.
uint64_t CalibrateStage::range_bytes(const catalog::Tensor &tensor) const {
  return tensor.view ? kStripBytes : block_bytes() / kWidestFloat * kWidestFloat;
}

std::optional<ByteRange> CalibrateStage::next(size_t slot_index) {
  Slot &slot = slots_[slot_index];
  if (owes_check_) {
    owes_check_ = false;
    slot.step = Step::kCheck;
    ++under_way_;
    return ByteRange{0, 0};
  }
  while (cursor_.job < jobs_.size() && cursor_.position == jobs_[cursor_.job].bytes()) {
    const Job &job = jobs_[cursor_.job];
    if (cursor_.pass == 0 && !job.statistic && !is_one_range(job)) {
      if (under_way_ > 0) {
        return std::nullopt; // the first pass says whether there is a second one
      }
      if (wants_second_pass_) {
        cursor_ = {cursor_.job, 1, 0};
        continue;
      }
    }
    cursor_ = {cursor_.job + 1, 0, 0};
  }
  if (cursor_.job == jobs_.size()) {
    return std::nullopt;
  }
  const Job &job = jobs_[cursor_.job];
  const catalog::Tensor &tensor = *job.tensor;
  const uint64_t bytes = std::min(range_bytes(tensor), job.bytes() - cursor_.position);
  const uint64_t end = cursor_.position + bytes;
  const auto read = reader_.next(slot_index, tensor, job.begin + cursor_.position, job.begin + end,
                                 job.begin + end);
  if (read) {
    slot = {Step::kRange, cursor_.job, cursor_.pass, cursor_.position};
    ++under_way_;
    if (reader_.is_last(slot_index)) {
      cursor_.position = end;
    }
  }
  return read;
}

Result<void> CalibrateStage::process(size_t slot_index) {
  const Slot &slot = slots_[slot_index];
  --under_way_;
  if (slot.step == Step::kCheck) {
    return error_ ? Result<void>(*error_) : Result<void>();
  }
  const auto range = reader_.take(slot_index, input(slot_index));
  if (!range) {
    return range.error();
  }
  return range.value() ? take(slot, *range.value()) : Result<void>();
}

Result<void> CalibrateStage::take(const Slot &slot, std::span<const uint8_t> bytes) {
  const Job &job = jobs_[slot.job];
  job_ = slot.job;
  add_done(bytes.size());
  const bool last = slot.begin + bytes.size() == job.bytes();
  if (slot.pass == 0) {
    if (slot.begin == 0) {
      begin_module(job);
      begin_batch(job);
    }
    if (job.tensor->crc32 && job.bytes() == job.tensor->bytes) {
      crc32_ = container::crc32(crc32_, bytes);
      if (last && crc32_ != *job.tensor->crc32) {
        return damaged(*job.tensor);
      }
    }
    if (job.statistic) {
      const uint64_t block = job.tensor->shape.empty() ? 1 : job.tensor->shape.back();
      const uint64_t first = slot.begin / (dtype_bits(job.tensor->dtype) / 8);
      given_.add(*job.statistic, {job.tensor->dtype, first, block}, bytes, *statistics_);
      if (last && job.last_of_module) {
        end_module(job);
      }
      return {};
    }
    look(job, bytes, slot.begin);
    if (!last) {
      return {};
    }
    wants_second_pass_ = !has_nan_ && observer_.wants_second_pass();
    if (wants_second_pass_ && !is_one_range(job)) {
      return {};
    }
    if (!is_one_range(job)) {
      add_done(job.bytes()); // the pass that is not needed
    }
  }
  if (wants_second_pass_) {
    count(job, bytes);
  }
  if (last) {
    end_batch(job);
  }
  return {};
}

void CalibrateStage::begin_module(const Job &job) {
  if (module_begun_) {
    return;
  }
  module_begun_ = true;
  has_nan_ = false;
  given_ = {};
  statistics_ = &calibration_.modules.find(names_[job.module])->second;
  // The state was checked when it was read.
  auto restored = quant::TensorObserver::restore(std::move(statistics_->observer));
  observer_ = restored ? std::move(restored.value()) : quant::TensorObserver();
}

void CalibrateStage::begin_batch(const Job &job) {
  if (!job.statistic) {
    observer_.begin_batch();
  }
  crc32_ = 0;
}

calibration::ChannelSums CalibrateStage::channel_sums() {
  const size_t channels = static_cast<size_t>(jobs_[job_].shape.channels);
  unwanted_.resize(channels);
  const auto kept = [&](std::vector<double> &sums) {
    return std::span(sums.empty() ? unwanted_ : sums);
  };
  return {kept(statistics_->sums), kept(statistics_->squares), statistics_->lows,
          statistics_->highs};
}

template <typename Visit>
void CalibrateStage::visit_values(const Job &job, std::span<const uint8_t> bytes,
                                  const Visit &visit) {
  const size_t step = kValuesAtOnce * (dtype_bits(job.tensor->dtype) / 8);
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min(step, bytes.size()));
    visit(quant::decode_values(job.tensor->dtype, part, scratch_));
    bytes = bytes.subspan(part.size());
  }
}

void CalibrateStage::look(const Job &job, std::span<const uint8_t> bytes, uint64_t position) {
  uint64_t element = position / (dtype_bits(job.tensor->dtype) / 8);
  visit_values(job, bytes, [&](std::span<const float> values) {
    observer_.look(values);
    calibration::add_to_channels(values, element, job.shape.inner, channel_sums());
    element += values.size();
  });
}

void CalibrateStage::count(const Job &job, std::span<const uint8_t> bytes) {
  visit_values(job, bytes, [&](std::span<const float> values) { observer_.count(values); });
}

void CalibrateStage::end_batch(const Job &job) {
  if (!observer_.end_batch()) {
    has_nan_ = true; // its only error: the module is of no use any more
  }
  statistics_->samples += job.shape.samples;
  statistics_->per_channel += job.tensor->elements / job.shape.channels;
  if (job.last_of_module) {
    end_module(job);
  }
}

void CalibrateStage::end_module(const Job &job) {
  const std::string &name = names_[job.module];
  if (has_nan_ || !given_.is_sound()) {
    calibration_.modules.erase(name);
    calibration_.left_out.insert(name);
  } else {
    given_.settle(observer_.state(), *statistics_);
    forget_open_ranges(*statistics_);
  }
  module_begun_ = false;
  if (job_ + 1 == jobs_.size()) {
    calibration::complete(problems_, model_, calibration_);
  }
}

std::string_view CalibrateStage::tensor() const {
  return jobs_.empty() ? std::string_view() : jobs_[job_].tensor->name;
}

void CalibrateStage::write_result(JsonWriter &json) const {
  json.begin_object();
  json.key("calibration").document(calibration::calibration_json(calibration_));
  json.key("problems");
  calibration::write_problems(json, problems_);
  json.end();
}

} // namespace monoquant::run
