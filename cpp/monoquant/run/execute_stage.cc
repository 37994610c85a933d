#include "monoquant/run/execute_stage.h"

#include <algorithm>

#include "monoquant/base/json_writer.h"
#include "monoquant/base/text.h"

namespace monoquant::run {
namespace {

uint64_t largest(std::initializer_list<const catalog::Catalog *> catalogs) {
  uint64_t bytes = 1;
  for (const catalog::Catalog *catalog : catalogs) {
    bytes = std::max(bytes, catalog == nullptr ? 0 : catalog->file_bytes);
  }
  return bytes;
}

uint64_t elements(const LayerSpec &layer) {
  uint64_t sum = 0;
  for (const LayerMatrix &matrix : layer.matrices) {
    sum += matrix.weight->elements;
  }
  return sum;
}

} // namespace

ExecuteStage::ExecuteStage(const catalog::Catalog &file, const catalog::Catalog *reference,
                           const catalog::Catalog *data, size_t block_bytes)
    : Stage(1, block_bytes, largest({&file, reference, data})), data_(data),
      reader_({&file, reference, data}, this->block_bytes()) {
  results_.begin_array();
  std::vector<calibration::ModuleBatches> captured;
  if (data != nullptr) {
    auto matched = calibration::match(file, *data, {});
    if (!matched) {
      begun_ = matched.error();
      read_ = ByteRange{0, 0};
      return;
    }
    problems_ = std::move(matched.value().problems);
    captured = std::move(matched.value().modules);
  }
  layers_ = trial_layers(file, reference, captured);
  for (const LayerSpec &layer : layers_) {
    total_bytes_ += elements(layer) * sizeof(float);
  }
  begin_layer();
  begun_ = go_on();
  if (!begun_) {
    read_ = ByteRange{0, 0};
  }
}

std::string_view ExecuteStage::tensor() const {
  return layer_ < layers_.size() ? std::string_view(layers_[layer_].name()) : std::string_view();
}

void ExecuteStage::begin_layer() {
  trial_.reset();
  layer_done_ = 0;
  if (layer_ < layers_.size()) {
    trial_.emplace(layers_[layer_], data_);
  }
}

void ExecuteStage::add_work(uint64_t elements) {
  add_done((elements - layer_done_) * sizeof(float));
  layer_done_ = elements;
}

void ExecuteStage::end_layer() {
  add_work(elements(layers_[layer_]));
  trial_->write(results_);
  ++layer_;
  begin_layer();
}

/// Computes until bytes are wanted.
Result<void> ExecuteStage::go_on() {
  read_.reset();
  while (trial_) {
    if (is_reading_) {
      read_ = reader_.next();
      if (read_) {
        return {};
      }
      is_reading_ = false;
      if (auto taken = trial_->take(reader_.elements()); !taken) {
        return taken;
      }
      add_work(trial_->elements_done());
    }
    auto range = trial_->next();
    if (!range) {
      return range.error();
    }
    if (range.value()) {
      reader_.begin(*range.value());
      is_reading_ = true;
    } else {
      end_layer();
    }
  }
  return {};
}

std::optional<ByteRange> ExecuteStage::next(size_t /*slot*/) {
  if (under_way_ || !read_) {
    return std::nullopt;
  }
  under_way_ = true;
  return read_;
}

Result<void> ExecuteStage::process(size_t slot) {
  under_way_ = false;
  if (!begun_) {
    return begun_;
  }
  if (auto filled = reader_.fill(input(slot).first(read_->length)); !filled) {
    return filled;
  }
  return go_on();
}

void ExecuteStage::write_result(JsonWriter &json) const {
  json.begin_object().key("layers").document(concat(results_.text(), "]"));
  json.key("problems");
  calibration::write_problems(json, problems_);
  json.end();
}

} // namespace monoquant::run
