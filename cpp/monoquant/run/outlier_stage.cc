#include "monoquant/run/outlier_stage.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "monoquant/base/json_writer.h"
#include "monoquant/base/text.h"
#include "monoquant/calibration/layers.h"

namespace monoquant::run {
namespace {

void write_concentration(JsonWriter &json, const char *name, const quant::Concentration &found) {
  json.key(name).begin_object();
  json.member("members", found.members);
  json.member("largest", found.largest);
  json.member("share", found.share);
  json.key("named").begin_array();
  for (const auto &[index, share] : found.named) {
    json.row(index, share);
  }
  json.end().end();
}

bool has_place(const catalog::Tensor &tensor) {
  if (tensor.shape.empty() || tensor.elements == 0) {
    return false;
  }
  const Channels channels = channels_of(tensor);
  return channels.rows <= kMostChannels && channels.across() <= kMostChannels - channels.rows;
}

/// What is known of the inputs of each module.
class KnownInputs {
public:
  KnownInputs(const catalog::Catalog &model, const calibration::Calibration &known)
      : known_(known), shared_(model) {}

  [[nodiscard]] const calibration::ModuleStatistics *of(const catalog::Tensor &tensor) const {
    if (!calibration::takes_module_input(tensor)) {
      return nullptr;
    }
    const Channels channels = channels_of(tensor);
    const uint64_t inputs = channels.turned ? channels.rows : channels.across();
    const auto fits = [&](std::string_view module) {
      const calibration::ModuleStatistics *found = known_.find(module);
      // Groups of a convolution see channels of their own, which a weight does not tell apart.
      return found != nullptr && found->squares.size() == inputs && found->per_channel > 0;
    };
    const std::string_view module = shared_.whose(catalog::module_name(tensor.name), fits);
    return fits(module) ? known_.find(module) : nullptr;
  }

private:
  const calibration::Calibration &known_;
  calibration::SharedInputs shared_;
};

} // namespace

Channels channels_of(const catalog::Tensor &tensor) {
  Channels channels;
  const bool is_stack = tensor.is_stack();
  channels.rows = is_stack ? tensor.shape[0] * tensor.shape[1] : tensor.shape.front();
  channels.columns = channels.rows == 0 ? 0 : tensor.elements / channels.rows;
  for (size_t i = 2; !is_stack && i < tensor.shape.size(); ++i) {
    channels.inner *= std::max<uint64_t>(1, tensor.shape[i]);
  }
  channels.turned = tensor.kind == catalog::LayerKind::kConvTranspose ||
                    tensor.kind == catalog::LayerKind::kGpt2Conv1d;
  return channels;
}

OutlierStage::OutlierStage(const catalog::Catalog &file, const catalog::Catalog &reference,
                           calibration::Calibration known, size_t block_bytes)
    : Stage(1, block_bytes, std::max<uint64_t>({file.file_bytes, reference.file_bytes, 1})),
      known_(std::move(known)), reader_(file, reference, this->block_bytes()) {
  results_.begin_array();
  find_pairs(file, reference);
  begin_part();
}

void OutlierStage::find_pairs(const catalog::Catalog &file, const catalog::Catalog &reference) {
  std::map<std::string_view, const catalog::Tensor *> by_name;
  for (const catalog::Tensor &tensor : reference.tensors) {
    by_name.emplace(tensor.name, &tensor);
  }
  const KnownInputs inputs(reference, known_);
  for (const catalog::Tensor &tensor : file.tensors) {
    const auto found = by_name.find(tensor.name);
    if (!tensor.codes || tensor.tied_to || found == by_name.end() ||
        found->second->shape != tensor.shape || !dtype_is_quantizable(found->second->dtype) ||
        !has_place(*found->second)) {
      continue;
    }
    // Kinds are those of the original: a file of codes may say less.
    pairs_.push_back({&tensor, found->second, inputs.of(*found->second)});
    total_bytes_ += tensor.bytes;
  }
}

std::string_view OutlierStage::tensor() const {
  return pair_ < pairs_.size() ? std::string_view(pairs_[pair_].file->name) : std::string_view();
}

/// Begins the part from `end_` on, in the next tensor where this one has no more.
void OutlierStage::begin_part() {
  if (pair_ < pairs_.size() && end_ == pairs_[pair_].file->elements) {
    end_tensor();
    ++pair_;
    end_ = 0;
  }
  if (pair_ == pairs_.size()) {
    return;
  }
  if (end_ == 0) {
    begin_tensor();
  }
  const Pair &pair = pairs_[pair_];
  begin_ = end_;
  end_ = std::min(pair.file->elements, begin_ + kPartElements);
  reader_.begin(*pair.file, pair.reference, begin_, end_);
}

void OutlierStage::begin_tensor() {
  const Pair &pair = pairs_[pair_];
  channels_ = channels_of(*pair.reference);
  rows_.assign(static_cast<size_t>(channels_.rows), 0.0);
  across_.assign(static_cast<size_t>(channels_.across()), 0.0);
  squares_.clear();
  if (pair.inputs != nullptr) {
    for (size_t i = 0; i < pair.inputs->squares.size(); ++i) {
      squares_.push_back(pair.inputs->second_moment(i));
    }
    const bool is_known = std::all_of(squares_.begin(), squares_.end(),
                                      [](double square) { return std::isfinite(square); });
    if (!is_known) {
      squares_.clear();
    }
  }
  weights_.emplace(pair.file->elements, kWeightsEach);
  noise_ = 0;
}

std::optional<ByteRange> OutlierStage::next(size_t /*slot*/) {
  if (reader_.under_way()) {
    return std::nullopt;
  }
  while (pair_ < pairs_.size()) {
    if (const auto read = reader_.next()) {
      return read;
    }
    finish_part();
    begin_part();
  }
  return std::nullopt;
}

Result<void> OutlierStage::process(size_t slot) { return reader_.fill(input(slot)); }

void OutlierStage::finish_part() {
  const std::span<const float> after = reader_.file().values();
  const std::span<const float> before = reader_.reference().values();
  uint64_t row = begin_ / channels_.columns;
  uint64_t column = begin_ % channels_.columns;
  for (size_t i = 0; i < after.size(); ++i) {
    const auto channel = static_cast<size_t>(column / channels_.inner);
    const auto line = static_cast<size_t>(row);
    const double error = static_cast<double>(before[i]) - static_cast<double>(after[i]);
    double member = std::isfinite(error) ? error * error : 0.0;
    if (!squares_.empty()) {
      member *= squares_[channels_.turned ? line : channel];
    }
    rows_[line] += member;
    across_[channel] += member;
    noise_ += member;
    weights_->add(member);
    if (++column == channels_.columns) {
      column = 0;
      ++row;
    }
  }
  const catalog::Tensor &file = *pairs_[pair_].file;
  const uint64_t each = file.bytes / file.elements;
  add_done(end_ == file.elements ? file.bytes - begin_ * each : (end_ - begin_) * each);
}

void OutlierStage::end_tensor() {
  const Pair &pair = pairs_[pair_];
  results_.begin_object();
  results_.member("name", pair.file->name);
  results_.member("weighted", !squares_.empty());
  const auto rows = quant::concentration_of(rows_, kChannelsEach);
  const auto across = quant::concentration_of(across_, kChannelsEach);
  write_concentration(results_, "inputs", channels_.turned ? rows : across);
  write_concentration(results_, "outputs", channels_.turned ? across : rows);
  write_concentration(results_, "weights", weights_->finish(noise_));
  if (!squares_.empty()) {
    write_concentration(results_, "squares", quant::concentration_of(squares_, kChannelsEach));
  }
  results_.end();
}

void OutlierStage::write_result(JsonWriter &json) const {
  json.begin_object().key("tensors").document(concat(results_.text(), "]"));
  json.end();
}

} // namespace monoquant::run
