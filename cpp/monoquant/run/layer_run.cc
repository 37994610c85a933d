#include "monoquant/run/layer_run.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "monoquant/base/text.h"
#include "monoquant/base/words.h"
#include "monoquant/execute/recurrent_run.h"

namespace monoquant::run {
namespace {

execute::CodedRows coded_rows(const Elements &elements) {
  return {elements.codes, elements.scales, elements.zero_points};
}

bool is_zero_point(const catalog::Tensor &tensor) {
  return tensor.elements == 1 && tensor.dtype == Dtype::kI8 && !tensor.codes;
}

} // namespace

LayerRun::LayerRun(const LayerSpec &layer, const catalog::Catalog *data)
    : layer_(layer), source_(layer, data), rule_{layer.mode, 1.0F, 0},
      bands_(layer.matrices.size()), left_out_(layer.left_out) {
  if (!left_out_.empty()) {
    step_ = Step::kDone;
  } else if (layer.mode != execute::ActivationMode::kStatic) {
    step_ = Step::kInputs;
  } else if (layer.input_zero_point != nullptr && !is_zero_point(*layer.input_zero_point)) {
    failure_ = concat("Expected one zero point (I8) in ", layer.input_zero_point->name, ", found ",
                      shape_text(layer.input_zero_point->shape), " of ",
                      dtype_name(layer.input_zero_point->dtype), ".");
    step_ = Step::kDone;
  }
}

bool LayerRun::has_reference() const {
  return std::all_of(layer_.matrices.begin(), layer_.matrices.end(), [](const LayerMatrix &m) {
    return m.reference != nullptr || !m.weight->codes;
  });
}

uint64_t LayerRun::band_end() const {
  const uint64_t rows =
      is_recurrent() ? matrix().rows : std::max<uint64_t>(1, kPartElements / matrix().columns);
  return std::min(matrix().rows, row_ + rows);
}

ElementRange LayerRun::weights(bool of_reference) const {
  const LayerMatrix &of = matrix();
  const uint64_t begin = row_ * of.columns;
  const uint64_t end = band_end() * of.columns;
  if (of_reference) {
    return {1, of.reference, begin, end};
  }
  return {0, of.weight, begin, end, of.reference == nullptr, of.weight->codes ? of.group() : 0};
}

Result<std::optional<ElementRange>> LayerRun::next() {
  while (step_ != Step::kDone) {
    if (step_ == Step::kScale) {
      return std::optional(ElementRange{0, layer_.input_scale, 0, 1});
    }
    if (step_ == Step::kZeroPoint) {
      if (layer_.input_zero_point != nullptr) {
        return std::optional(ElementRange{0, layer_.input_zero_point, 0, 1});
      }
      step_ = Step::kInputs;
    } else if (step_ == Step::kInputs) {
      if (auto range = source_.next()) {
        return range;
      }
      if (auto begun = begin_run(); !begun) {
        return begun.error();
      }
    } else if (step_ == Step::kBias) {
      if (matrix().bias != nullptr) {
        return std::optional(ElementRange{0, matrix().bias, 0, matrix().rows});
      }
      step_ = Step::kWeights;
    } else if (step_ == Step::kReferenceBias) {
      return std::optional(ElementRange{1, matrix().reference_bias, 0, matrix().rows});
    } else if (step_ == Step::kWeights &&
               (matrix().weight->codes || matrix().reference == nullptr)) {
      return std::optional(weights(false));
    } else {
      step_ = Step::kReference;
      return std::optional(weights(true));
    }
  }
  return std::optional<ElementRange>();
}

Result<void> LayerRun::take(Elements &elements) {
  Band &band = bands_[matrix_];
  switch (step_) {
  case Step::kScale:
    rule_.scale = elements.values[0];
    step_ = Step::kZeroPoint;
    return {};
  case Step::kZeroPoint:
    rule_.zero_point = static_cast<int32_t>(elements.values[0]); // of I8
    step_ = Step::kInputs;
    return {};
  case Step::kInputs:
    if (auto taken = source_.take(elements); !taken) {
      return give_up(taken.error(), left_out_);
    }
    return {};
  case Step::kBias:
    std::swap(band.bias, elements.values);
    step_ = matrix().reference_bias == nullptr ? Step::kWeights : Step::kReferenceBias;
    return {};
  case Step::kReferenceBias:
    std::swap(band.reference_bias, elements.values);
    step_ = Step::kWeights;
    return {};
  case Step::kWeights:
    std::swap(band.coded, elements);
    if (matrix().reference != nullptr) {
      step_ = Step::kReference;
      return {};
    }
    std::swap(band.reference, band.coded.values);
    return execute_band();
  case Step::kReference:
    std::swap(band.reference, elements.values);
    return execute_band();
  case Step::kDone:
    break;
  }
  return {};
}

Result<void> LayerRun::begin_run() {
  if (auto checked = execute::check_activation_rule(rule_); !checked) {
    return give_up(checked.error(), failure_);
  }
  auto inputs = source_.finish();
  if (!inputs) {
    return give_up(inputs.error(), left_out_);
  }
  if (is_recurrent()) {
    inputs_ = std::move(inputs.value());
  } else {
    auto run = execute::LinearRun::begin(inputs.value(), source_.shape(), rule_);
    if (!run) {
      return give_up(run.error(), left_out_);
    }
    run_ = std::move(run.value());
  }
  step_ = Step::kBias;
  return {};
}

Result<void> LayerRun::execute_band() {
  const uint64_t end = band_end();
  elements_done_ += (end - row_) * matrix().columns;
  if (is_recurrent()) {
    if (++matrix_ < layer_.matrices.size()) {
      step_ = Step::kBias;
      return {};
    }
    return execute_recurrent();
  }
  const Band &band = bands_[matrix_];
  execute::LinearRows rows{band.reference, coded_rows(band.coded), {}};
  const auto of_rows = [&](const std::vector<float> &bias) {
    return bias.empty() ? std::span<const float>()
                        : std::span(bias).subspan(static_cast<size_t>(row_),
                                                  static_cast<size_t>(end - row_));
  };
  rows.bias = of_rows(band.bias);
  rows.reference_bias = of_rows(band.reference_bias);
  if (auto added = run_->add_rows(rows); !added) {
    return give_up(added.error(), left_out_);
  }
  row_ = end;
  step_ = Step::kWeights;
  return row_ == matrix().rows ? finish(run_->finish()) : Result<void>();
}

Result<void> LayerRun::execute_recurrent() {
  execute::RecurrentLayer layer;
  layer.kind = layer_.form == LayerForm::kLstm ? execute::CellKind::kLstm : execute::CellKind::kGru;
  layer.inputs = layer_.matrices[0].columns;
  layer.hidden = layer_.matrices[1].columns;
  for (size_t i = 0; i < 2; ++i) {
    execute::GateWeights &gates = i == 0 ? layer.input : layer.state;
    gates.reference = bands_[i].reference;
    gates.coded = coded_rows(bands_[i].coded);
    gates.group_size = layer_.matrices[i].group();
    gates.bias = bands_[i].bias;
  }
  return finish(execute::run_recurrent(layer, *inputs_, source_.sequences(), rule_));
}

Result<void> LayerRun::finish(const Result<execute::RunResult> &result) {
  if (!result) {
    return give_up(result.error(), left_out_);
  }
  step_ = Step::kDone;
  result_ = result.value();
  if (result_.not_finite > 0) {
    failure_ = concat("Expected finite outputs, found ", result_.not_finite, " that are not.");
  } else if (result_.undefined > 0 && !has_reference()) {
    failure_ = concat("Expected finite outputs, found ", result_.undefined,
                      " that are not, of its values as floats.");
  } else if (std::isnan(result_.sqnr_db) && result_.undefined > 0) {
    left_out_ = "No output of the reference is finite.";
  } else if (std::isnan(result_.sqnr_db) || result_.sqnr_db <= quant::kLowestSqnrDb) {
    failure_ = "Expected outputs near those of the reference, found none of them.";
  }
  return {};
}

Result<void> LayerRun::give_up(const Error &error, std::string &where) {
  step_ = Step::kDone;
  if (error.code == ErrorCode::kInternal) {
    return error;
  }
  where = error.message;
  return {};
}

void LayerRun::write(JsonWriter &json) const {
  json.begin_object().key("tensors").begin_array();
  for (const LayerMatrix &matrix : layer_.matrices) {
    if (matrix.weight->codes) {
      json.value(matrix.weight->name);
    }
  }
  json.end();
  if (left_out_.empty()) {
    write_outcome(json);
  } else {
    json.member("leftOut", left_out_);
  }
  json.end();
}

void LayerRun::write_outcome(JsonWriter &json) const {
  json.member("form", trial_form_name(layer_.form));
  json.member("mode", word_of(execute::kActivationWords, layer_.mode));
  if (!layer_.note.empty()) {
    json.member("note", layer_.note);
  }
  if (!failure_.empty()) {
    json.member("failure", failure_);
    return;
  }
  json.member("inputs", source_.kind());
  json.member("samples", result_.samples);
  json.member("outputs", result_.outputs);
  json.member("reference", has_reference());
  json.member("sqnrDb", result_.sqnr_db);
  json.member("cosine", result_.cosine);
  json.member("peak", result_.peak);
}

} // namespace monoquant::run
