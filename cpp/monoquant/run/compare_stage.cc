#include "monoquant/run/compare_stage.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "monoquant/base/json_writer.h"
#include "monoquant/base/text.h"

namespace monoquant::run {
namespace {

const catalog::Catalog &or_nothing(const catalog::Catalog *catalog) {
  static const catalog::Catalog kNothing;
  return catalog == nullptr ? kNothing : *catalog;
}

uint64_t largest(const catalog::Catalog &file, const catalog::Catalog &reference) {
  return std::max<uint64_t>({file.file_bytes, reference.file_bytes, 1});
}

} // namespace

CompareStage::CompareStage(const catalog::Catalog &file, const catalog::Catalog *reference,
                           size_t block_bytes)
    : Stage(1, block_bytes, largest(file, or_nothing(reference))),
      reader_(file, or_nothing(reference), this->block_bytes()) {
  std::map<std::string_view, const catalog::Tensor *> by_name;
  for (const catalog::Tensor &tensor : or_nothing(reference).tensors) {
    by_name.emplace(tensor.name, &tensor);
  }
  for (const catalog::Tensor &tensor : file.tensors) {
    Pair pair;
    pair.file = &tensor;
    const auto found = by_name.find(tensor.name);
    if (found != by_name.end() && found->second->shape == tensor.shape) {
      const catalog::Tensor &other = *found->second;
      pair.as_values = dtype_is_quantizable(tensor.dtype) && dtype_is_quantizable(other.dtype);
      pair.reference = pair.as_values || tensor.dtype == other.dtype ? &other : nullptr;
    }
    const bool has_work = pair.reference != nullptr || (tensor.codes && !tensor.tied_to);
    if (has_work && tensor.elements > 0) {
      total_bytes_ += tensor.bytes;
      pairs_.push_back(pair);
    }
  }
  begin_part();
}

std::string_view CompareStage::tensor() const {
  return pair_ < pairs_.size() ? std::string_view(pairs_[pair_].file->name) : std::string_view();
}

/// Begins the part from `end_` on, in the next tensor where this one has no more.
void CompareStage::begin_part() {
  if (pair_ < pairs_.size() && end_ == pairs_[pair_].file->elements) {
    ++pair_;
    end_ = 0;
  }
  if (pair_ == pairs_.size()) {
    return;
  }
  const Pair &pair = pairs_[pair_];
  begin_ = end_;
  end_ = std::min(pair.file->elements, begin_ + kPartElements);
  reader_.begin(*pair.file, pair.reference, begin_, end_);
}

std::optional<ByteRange> CompareStage::next(size_t /*slot*/) {
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

Result<void> CompareStage::process(size_t slot) { return reader_.fill(input(slot)); }

void CompareStage::finish_part() {
  Pair &pair = pairs_[pair_];
  if (pair.file->codes) {
    const layout::DecodeFindings &found = reader_.file().decoder().findings();
    pair.findings.bad_scales += found.bad_scales;
    pair.findings.negative_scales += found.negative_scales;
    pair.findings.bad_zero_points += found.bad_zero_points;
    pair.findings.bad_codes += found.bad_codes;
  }
  if (pair.reference != nullptr && pair.as_values) {
    const std::span<const float> values = reader_.file().values();
    const std::span<const float> expected = reader_.reference().values();
    compare_values(pair, values, expected);
    if (pair.file->codes) {
      pair.misrounded += reader_.file().decoder().misrounded(values, expected);
    }
  } else if (pair.reference != nullptr) {
    compare_bytes(pair);
  }
  add_done(end_ == pair.file->elements
               ? pair.file->bytes - begin_ * (pair.file->bytes / pair.file->elements)
               : (end_ - begin_) * (pair.file->bytes / pair.file->elements));
}

void CompareStage::compare_values(Pair &pair, std::span<const float> values,
                                  std::span<const float> expected) {
  quant::ErrorSums sums;
  for (size_t i = 0; i < values.size(); ++i) {
    const float value = values[i];
    const float wanted = expected[i];
    if (std::isfinite(value) && std::isfinite(wanted)) {
      const double error = static_cast<double>(wanted) - static_cast<double>(value);
      sums.signal += static_cast<double>(wanted) * static_cast<double>(wanted);
      sums.noise += error * error;
      sums.peak = std::max(sums.peak, static_cast<float>(std::fabs(error)));
      pair.different += value != wanted ? 1 : 0;
    } else if (value != wanted && !(std::isnan(value) && std::isnan(wanted))) {
      ++pair.different;
      ++pair.not_finite;
    }
  }
  pair.errors.add(sums);
}

void CompareStage::compare_bytes(Pair &pair) {
  const std::span<const uint8_t> found = reader_.file().bytes();
  const std::span<const uint8_t> expected = reader_.reference().bytes();
  const size_t width = std::max<size_t>(1, dtype_bits(pair.file->dtype) / 8);
  for (size_t at = 0; at < found.size(); at += width) {
    const bool same = std::equal(found.begin() + static_cast<std::ptrdiff_t>(at),
                                 found.begin() + static_cast<std::ptrdiff_t>(at + width),
                                 expected.begin() + static_cast<std::ptrdiff_t>(at));
    pair.different += same ? 0 : 1;
  }
}

void CompareStage::write_result(JsonWriter &json) const {
  json.begin_object().key("tensors").begin_array();
  for (const Pair &pair : pairs_) {
    json.begin_object();
    json.member("name", pair.file->name);
    json.member("compared", pair.reference != nullptr);
    if (pair.reference != nullptr) {
      json.member("different", pair.different);
      json.member("notFinite", pair.not_finite);
    }
    if (pair.reference != nullptr && pair.as_values) {
      json.member("signal", pair.errors.signal);
      json.member("noise", pair.errors.noise);
      json.member("peak", pair.errors.peak);
    }
    if (pair.file->codes) {
      json.key("codes").begin_object();
      json.member("badScales", pair.findings.bad_scales);
      json.member("negativeScales", pair.findings.negative_scales);
      json.member("badZeroPoints", pair.findings.bad_zero_points);
      json.member("badCodes", pair.findings.bad_codes);
      json.member("misrounded", pair.misrounded);
      json.end();
    }
    json.end();
  }
  json.end().end();
}

} // namespace monoquant::run
