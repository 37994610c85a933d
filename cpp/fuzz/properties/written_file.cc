#include "properties/written_file.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "file.h"
#include "monoquant/base/bytes.h"
#include "monoquant/base/json.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/joining.h"
#include "monoquant/run/compare_stage.h"
#include "monoquant/run/execute_stage.h"
#include "support/memory_host.h"

namespace monoquant::fuzz {
namespace {

using plan::Decision;
using plan::Output;
using test::FileTensor;

catalog::Catalog open(const Bytes &file, bool joined) {
  catalog::Opening opening;
  opening.choice.key = ""; // everything in it was written here
  opening.join_quantized = joined;
  auto catalog = test::inspect(file, std::move(opening));
  require(catalog.has_value(), "what was written is opened",
          catalog ? "" : catalog.error().message);
  return std::move(catalog.value());
}

/// The model as it would be opened to be validated.
catalog::Catalog open_model(const Model &model) {
  catalog::Catalog catalog = model.catalog;
  ByteWindow window(model.file.size());
  window.add(0, model.file);
  layout::join_quantized(catalog, window);
  catalog::classify(catalog.tensors);
  return catalog;
}

/// Where the tensors of a file lie, which the engine must write one after the other.
FileTensor taken_out(const Bytes &file, const catalog::Tensor &tensor) {
  require(!tensor.is_assembled(), "a written tensor is a plain run of bytes", tensor.name);
  require(tensor.offset <= file.size() && tensor.bytes <= file.size() - tensor.offset);
  const auto begin = file.begin() + static_cast<std::ptrdiff_t>(tensor.offset);
  return {tensor.name, tensor.dtype, tensor.shape,
          Bytes(begin, begin + static_cast<std::ptrdiff_t>(tensor.bytes))};
}

std::span<const float> importance_of(const plan::TensorPlan &entry) {
  const auto &importance = entry.quantize()->importance;
  return importance == nullptr ? std::span<const float>() : *importance;
}

bool is_of_input(const Output &output) {
  return output.name.ends_with("input_scale") || output.name.ends_with("input_zero_point");
}

FileTensor input_tensor(const Output &output, const plan::InputPlan &input) {
  if (output.name.ends_with("scale")) {
    return test::make_tensor(output.name, Dtype::kF32, {1},
                             {static_cast<double>(input.params.scale)});
  }
  return {output.name, Dtype::kI8, {1}, {static_cast<uint8_t>(input.params.zero_point)}};
}

/// Drives a stage over the file and the model, and gives its result.
Json result_of(run::Stage &stage, const Bytes &file, const Bytes &model) {
  const auto done = test::drive(
      stage,
      [&](const run::ByteRange &read, std::span<uint8_t> into) {
        const Bytes &from = read.source == 0 ? file : model;
        require(read.offset <= from.size() && into.size() <= from.size() - read.offset,
                "reads lie in the file");
        std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(read.offset), into.size(),
                    into.begin());
      },
      [](uint64_t, std::span<const uint8_t>) { require(false, "nothing is to be written"); });
  require(done.has_value(), "a file that was written is read", done ? "" : done.error().message);
  Json result = parse_json(stage.result_json());
  require(result.is_object(), "results are JSON");
  return result;
}

} // namespace

WrittenFile::WrittenFile(const Model &model, const plan::Plan &plan, const Bytes &file)
    : model_(model), plan_(plan), file_(file), opened_(open(file, true)),
      source_(open_model(model)) {
  for (const catalog::Tensor &tensor : opened_.tensors) {
    by_name_.emplace(tensor.name, &tensor);
  }
  // What a model calls like them is taken for them.
  for (const catalog::Tensor &tensor : opened_.input_parameters) {
    by_name_.emplace(tensor.name, &tensor);
  }
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    const plan::TensorPlan &entry = plan.tensors[i];
    if (entry.decision() == Decision::kQuantize && !entry.quantize()->stored.scheme.has_bias) {
      const bool is_stack = plan.catalog->tensors[i].kind == catalog::LayerKind::kExperts;
      const FileTensor &tensor = model.tensors[i];
      codes_.emplace(i, test::reference_codes(
                            test::values_of(tensor), test::as_matrices(tensor.shape, is_stack),
                            entry.quantize()->stored.scheme, importance_of(entry)));
    }
  }
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    if (is_quantized(i)) {
      quantized_.insert(model.tensors[i].name);
    }
  }
  for (const catalog::Tensor &tensor : opened_.tensors) {
    if (tensor.codes && !quantized_.contains(tensor.name)) {
      taken_for_codes_.insert(tensor.name);
    }
  }
}

const plan::TensorPlan &WrittenFile::decided(size_t index) const {
  const plan::TensorPlan &entry = plan_.tensors[index];
  return entry.decision() == Decision::kTie ? plan_.tensors[*plan_.catalog->tensors[index].tied_to]
                                            : entry;
}

std::map<std::string, FileTensor> WrittenFile::expected_of(size_t index) const {
  const plan::TensorPlan &entry = decided(index);
  const FileTensor &tensor = model_.tensors[index];
  std::map<std::string, FileTensor> expected;
  switch (entry.decision()) {
  case Decision::kCopy:
  case Decision::kCorrect: // of its values check_bias knows more
    expected[tensor.name] = tensor;
    break;
  case Decision::kConvert:
    expected[tensor.name] = test::reference_float(tensor, entry.convert()->to);
    break;
  case Decision::kQuantize:
    expected = test::reference_outputs(
        tensor, plan_.catalog->tensors[entry.source].kind == catalog::LayerKind::kExperts,
        entry.quantize()->stored, codes_.at(entry.source));
    break;
  default:
    break;
  }
  for (const Output &output : plan::outputs(plan_, index)) {
    if (plan_.tensors[index].input && is_of_input(output)) {
      expected[output.name] = input_tensor(output, *plan_.tensors[index].input);
    }
  }
  return expected;
}

void WrittenFile::check_outputs() const {
  const catalog::Catalog plain = open(file_, false);
  std::map<std::string, const catalog::Tensor *> found;
  for (const catalog::Tensor &tensor : plain.tensors) {
    found.emplace(tensor.name, &tensor);
  }
  size_t count = 0;
  for (size_t i = 0; i < plan_.tensors.size(); ++i) {
    const auto expected = expected_of(i);
    require(expected.size() == plan::outputs(plan_, i).size(), "a plan has all outputs of a tensor",
            model_.tensors[i].name);
    for (const auto &[name, tensor] : expected) {
      const auto written = found.find(name);
      require(written != found.end(), "what was planned is written", name);
      const FileTensor taken = taken_out(file_, *written->second);
      require(taken.dtype == tensor.dtype, "a tensor has its dtype", name);
      require(taken.shape == tensor.shape, "a tensor has its shape", name);
      if (plan_.tensors[i].decision() == Decision::kCorrect) {
        check_bias(i, taken);
      } else {
        require(taken.bytes == tensor.bytes, "a tensor has its bytes", name);
      }
      ++count;
    }
    for (const Output &output : plan::outputs(plan_, i)) {
      require(expected.contains(output.name), "a plan has no other outputs", output.name);
      require(found.at(output.name)->offset == output.offset, "an output lies where it was planned",
              output.name);
    }
  }
  require(count == plain.tensors.size(), "nothing else is written");
}

void WrittenFile::check_bias(size_t index, const FileTensor &written) const {
  const size_t weight = std::get<plan::Correct>(plan_.tensors[index].action).weight;
  const auto codes = codes_.find(weight);
  if (codes == codes_.end()) {
    return; // codes that the reference does not know
  }
  const plan::BiasCorrection &correction = *plan_.tensors[weight].quantize()->correction;
  const std::vector<float> weights = test::values_of(model_.tensors[weight]);
  const std::vector<float> from = test::values_of(model_.tensors[index]);
  const std::vector<float> to = test::values_of(written);
  const size_t columns = weights.size() / from.size();
  for (size_t row = 0; row < from.size(); ++row) {
    double moved = static_cast<double>(from[row]);
    double size = std::fabs(moved);
    for (size_t j = 0; j < columns; ++j) {
      const size_t at = row * columns + j;
      const auto group = static_cast<size_t>(row / correction.rows_per_group);
      const auto mean = static_cast<double>((*correction.means)[group * columns + j]);
      moved += (static_cast<double>(weights[at]) - codes->second.stored(at)) * mean;
      size += std::fabs(static_cast<double>(weights[at]) * mean);
    }
    constexpr double kDigits = 0x1p-7; // BF16 has no more
    const bool stays = to[row] == from[row] || (std::isnan(to[row]) && std::isnan(from[row]));
    require(stays || std::fabs(static_cast<double>(to[row]) - moved) <= kDigits * size + 1e-7,
            "a bias takes back what codes do to the mean", written.name);
  }
}

void WrittenFile::check_codes(size_t index, const catalog::Tensor &found) const {
  const plan::TensorPlan &entry = decided(index);
  const quant::Scheme &scheme = entry.quantize()->stored.scheme;
  require(found.codes != nullptr, "what was quantized is recognised", found.name);
  const catalog::Codes &codes = *found.codes;
  require(codes.bits == scheme.bits, "codes have the planned bits", found.name);
  require(codes.packed == entry.quantize()->stored.weights_only, "codes are packed as planned",
          found.name);
  require(!codes.is_unsigned, "codes are signed", found.name);
  require(codes.zero_point.has_value() == !scheme.symmetric, "zero points are where planned",
          found.name);
  require(codes.scale.dtype == scheme.scale_dtype, "scales have the planned dtype", found.name);
  require(codes.elements == model_.catalog.tensors[index].elements);
  require(codes.scope == codes_.at(entry.source).scope_size, "scales serve what was planned",
          found.name);
}

void WrittenFile::check_format() const {
  for (size_t i = 0; i < plan_.tensors.size(); ++i) {
    const std::string &name = model_.tensors[i].name;
    if (plan_.tensors[i].decision() != Decision::kQuantize) {
      continue;
    }
    const auto found = by_name_.find(name);
    require(found != by_name_.end() && found->second->codes, "what was quantized is recognised",
            name);
    require(found->second->shape == model_.tensors[i].shape, "a tensor keeps its shape", name);
    require(found->second->codes->bits == decided(i).quantize()->stored.scheme.bits,
            "codes have the planned bits", name);
  }
  check_values();
}

void WrittenFile::check_inputs() const {
  std::map<std::string, const catalog::Tensor *> found;
  std::set<std::string> own;
  for (const FileTensor &tensor : model_.tensors) {
    own.insert(tensor.name);
  }
  for (const catalog::Tensor &parameter : opened_.input_parameters) {
    if (!own.contains(parameter.name)) {
      found.emplace(parameter.name, &parameter);
    }
  }
  size_t planned = 0;
  for (const plan::TensorPlan &entry : plan_.tensors) {
    for (const Output &output : plan::outputs(plan_, entry.source)) {
      if (entry.input && is_of_input(output)) {
        require(found.contains(output.name), "scales of inputs are recognised", output.name);
        ++planned;
      }
    }
  }
  require(found.size() == planned, "no other scales of inputs are");
}

/// What a model has that looks like codes and their parts is taken for them in a file whose tensors are plain.
bool WrittenFile::is_taken_for_codes(std::string_view name) const {
  return std::any_of(taken_for_codes_.begin(), taken_for_codes_.end(),
                     [&](const std::string &codes) { return name.starts_with(codes); });
}

/// What is wrong with the model itself may be wrong with what came of it, too.
void WrittenFile::check_problems() const {
  std::set<std::string> excused(taken_for_codes_);
  for (const catalog::Problem &problem : layout::check_layout(source_)) {
    excused.insert(problem.tensor);
  }
  for (const catalog::Tensor &tensor : source_.tensors) {
    // Codes of somebody else's, or what will look like them, but for parts that do not fit.
    const bool is_like_codes = dtype_bits(tensor.dtype) == 8 && !quantized_.contains(tensor.name);
    if (tensor.codes || is_like_codes) {
      excused.insert(tensor.name);
    }
  }
  std::set<std::string> kept;
  for (const catalog::Tensor &tensor : opened_.tensors) {
    kept.insert(tensor.name);
  }
  for (const catalog::Tensor &tensor : source_.tensors) {
    // What the container cannot hold is missing, whatever else looked like a part of it.
    for (const std::string_view part : layout::layouts()[0]->part_suffixes) {
      if (!kept.contains(tensor.name)) {
        excused.insert(concat(tensor.name, part));
      }
    }
  }
  if (codes_.empty()) {
    return; // the metadata are the model's own
  }
  for (const catalog::Problem &problem : layout::check_layout(opened_)) {
    require(excused.contains(problem.tensor), "what was written is valid", problem.message);
  }
}

/// As `validate --reference` does.
void WrittenFile::check_compared() const {
  std::set<std::string> references; // without what was a scale of the model's codes
  for (const catalog::Tensor &tensor : source_.tensors) {
    references.insert(tensor.name);
  }
  run::CompareStage stage(opened_, &source_, 1);
  const Json result = result_of(stage, file_, model_.file);
  for (const Json &tensor : result["tensors"]) {
    const auto &name = tensor["name"].get_ref<const std::string &>();
    if (!quantized_.contains(name) || !references.contains(name)) {
      continue;
    }
    const Json &codes = tensor["codes"];
    require(tensor["compared"] == true, "a quantized tensor is compared", name);
    require(codes["badScales"] == 0 && codes["badZeroPoints"] == 0 && codes["badCodes"] == 0,
            "codes are valid", name);
    require(codes["misrounded"] == 0 && tensor["notFinite"] == 0, "codes are the nearest", name);
    const auto found =
        std::find_if(plan_.tensors.begin(), plan_.tensors.end(),
                     [&](const auto &entry) { return model_.tensors[entry.source].name == name; });
    require(codes["negativeScales"] == 0 ||
                decided(found->source).quantize()->stored.scheme.signed_scales,
            "scales are positive", name);
  }
}

void WrittenFile::check_opened() const {
  std::set<std::string> plain; // of the model
  for (const catalog::Tensor &tensor : source_.tensors) {
    if (!tensor.codes) {
      plain.insert(tensor.name);
    }
  }
  for (const catalog::Problem &problem : source_.problems) {
    plain.erase(problem.tensor);
  }
  for (size_t i = 0; i < plan_.tensors.size(); ++i) {
    const plan::TensorPlan &entry = decided(i);
    const catalog::Tensor &tensor = model_.catalog.tensors[i];
    if (entry.decision() == Decision::kDrop ||
        (entry.decision() != Decision::kQuantize &&
         (!plain.contains(tensor.name) || is_taken_for_codes(tensor.name)))) {
      continue;
    }
    const auto found = by_name_.find(tensor.name);
    require(found != by_name_.end(), "nothing is lost", tensor.name);
    require(found->second->shape == tensor.shape, "a tensor keeps its shape", tensor.name);
    if (entry.decision() == Decision::kQuantize) {
      check_codes(i, *found->second);
    } else {
      require(!found->second->codes, "what was not quantized is no codes", tensor.name);
    }
    if (plan_.tensors[i].decision() == Decision::kTie) {
      const auto &owner = model_.catalog.tensors[*tensor.tied_to];
      if (!plain.contains(owner.name) || is_taken_for_codes(owner.name)) {
        continue; // it belongs to codes, which are seen under another name
      }
      require(by_name_.contains(owner.name) &&
                  by_name_.at(owner.name)->offset == found->second->offset,
              "ties stay ties", tensor.name);
    }
  }
  check_inputs();
  check_problems();
  check_compared();
}

void WrittenFile::check_values() const {
  Json options = test::default_options();
  options["bits"] = "none";
  options["dequantizedType"] = "F32";
  options["duplicateTies"] = true;
  // The one name that a safetensors file cannot hold, but for notes and parts of codes.
  const bool fits =
      std::none_of(opened_.tensors.begin(), opened_.tensors.end(),
                   [](const catalog::Tensor &tensor) { return tensor.name == "__metadata__"; });
  options["container"] = fits && plan_.records.empty() ? "safetensors" : "pt";
  test::MemoryRun run(test::plan_for(opened_, options), file_);
  require(run.unfit().empty() && run.seal().has_value(), "what was written is dequantized");
  const catalog::Catalog catalog = open(run.output(), false);
  std::map<std::string, const catalog::Tensor *> found;
  for (const catalog::Tensor &tensor : catalog.tensors) {
    found.emplace(tensor.name, &tensor);
  }
  for (size_t i = 0; i < plan_.tensors.size(); ++i) {
    const std::string &name = model_.tensors[i].name;
    if (!is_quantized(i)) {
      continue; // check_outputs has seen it
    }
    require(found.contains(name), "what was quantized is dequantized", name);
    const FileTensor tensor = taken_out(run.output(), *found.at(name));
    require(tensor.dtype == Dtype::kF32 && tensor.shape == model_.tensors[i].shape,
            "a dequantized tensor has its shape", name);
    if (!codes_.contains(decided(i).source)) {
      continue; // biases: cpp/tests/run/mlx_layout_test.cc
    }
    const test::ReferenceCodes &codes = codes_.at(decided(i).source);
    for (size_t at = 0; at < codes.codes.size(); ++at) {
      const size_t scope = at / codes.scope_size;
      const float expected =
          static_cast<float>(codes.codes[at] - codes.zero_points[scope]) * codes.scales[scope];
      require(load_le<float>(tensor.bytes.data() + at * 4) == expected,
              "values are those of the codes", name);
    }
  }
}

void WrittenFile::check_trial() const {
  run::ExecuteStage stage(opened_, nullptr, nullptr, 1);
  std::map<std::string, int> seen;
  const Json result = result_of(stage, file_, model_.file);
  for (const Json &layer : result["layers"]) {
    for (const Json &name : layer["tensors"]) {
      ++seen[name.get<std::string>()];
    }
  }
  for (const catalog::Tensor &tensor : opened_.tensors) {
    require(!tensor.codes || tensor.tied_to || seen[tensor.name] == 1,
            "a quantized tensor that owns its bytes is in one layer", tensor.name);
  }
}

} // namespace monoquant::fuzz
