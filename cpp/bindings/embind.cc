// The engine's face to JavaScript, the only source that knows Emscripten.
// It exists to translate: bytes cross as views, everything else as numbers or JSON text.
// Views are valid until the next call. The TypeScript side of this file is js/engine/wasm.ts.
#include <emscripten/bind.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "monoquant/base/json.h"
#include "monoquant/base/json_writer.h"
#include "monoquant/calibration/calibration.h"
#include "monoquant/catalog/catalog_json.h"
#include "monoquant/catalog/families.h"
#include "monoquant/container/deflate.h"
#include "monoquant/layout/foreign.h"
#include "monoquant/layout/inspector.h"
#include "monoquant/layout/joining.h"
#include "monoquant/parallel/parallel_for.h"
#include "monoquant/plan/plan.h"
#include "monoquant/run/calibrate_stage.h"
#include "monoquant/run/compare_stage.h"
#include "monoquant/run/distribution_stage.h"
#include "monoquant/run/encode_stage.h"
#include "monoquant/run/execute_stage.h"
#include "monoquant/run/outlier_stage.h"
#include "monoquant/run/recheck_stage.h"
#include "monoquant/run/rescale_stage.h"
#include "monoquant/run/seal_stage.h"
#include "monoquant/run/statistics_stage.h"
#include "monoquant/run/tensor_stage.h"
#include "monoquant/run/verify_stage.h"
#include "monoquant/search/search_json.h"
#include "monoquant/search/table_json.h"

namespace monoquant::bindings {
namespace {

using emscripten::typed_memory_view;
using emscripten::val;

val view(std::span<const uint8_t> bytes) {
  return val(typed_memory_view(bytes.size(), bytes.data()));
}

/// A document that is never whole in the engine's memory.
class JsonText final : JsonWriter::Sink {
public:
  JsonWriter json{*this};

  val take() {
    json.finish();
    return text_;
  }

private:
  void take(std::string_view piece) override {
    text_ = text_.call<val>("concat", val(std::string(piece)));
  }

  val text_{""};
};

std::string error_text(const std::optional<Error> &error) {
  return error ? error_json(*error) : std::string();
}

/// The threads of this module. One per module instance, because threads are costly to start.
std::unique_ptr<parallel::Workers> &workers() {
  static std::unique_ptr<parallel::Workers> instance = std::make_unique<parallel::Workers>(1);
  return instance;
}

catalog::ModelClass read_model_class(const Json &json) {
  catalog::ModelClass model;
  for (const Json &name : json["architectures"]) {
    model.architectures.push_back(name.get<std::string>());
  }
  model.model_type = json["modelType"].get<std::string>();
  if (json["tiesEmbeddings"].is_boolean()) {
    model.ties_embeddings = json["tiesEmbeddings"].get<bool>();
  }
  return model;
}

/// Reads js/engine/wasm.ts' OpenOptions, which TypeScript has checked.
catalog::Opening read_opening(const std::string &json) {
  const Json document = parse_json(json);
  catalog::Opening opening;
  if (document.is_object()) {
    if (document.contains("key") && document["key"].is_string()) {
      opening.choice.key = document["key"].get<std::string>();
    }
    opening.strip_prefix = document.value("stripPrefix", std::string());
    opening.accepts_arrays = document.value("acceptsArrays", false);
    opening.join_quantized = document.value("joinQuantized", false);
    const auto refuses = document.value("refuses", std::string());
    opening.refuses = refuses == "unsound"   ? catalog::Refuses::kUnsound
                      : refuses == "unknown" ? catalog::Refuses::kUnknown
                                             : catalog::Refuses::kNothing;
    opening.quantization_config = document.value("quantizationConfig", std::string());
    for (const Json &end : document.value("fileEnds", Json::array())) {
      opening.file_ends.push_back(end.get<uint64_t>());
    }
    if (document.contains("modelClass")) {
      opening.model = read_model_class(document["modelClass"]);
    }
  }
  return opening;
}

class Inspector {
public:
  Inspector(double file_size, const std::string &options)
      : inspector_(static_cast<uint64_t>(file_size), read_opening(options)) {}

  bool step() {
    auto need = inspector_.step();
    if (!need) {
      error_ = need.error();
      return false;
    }
    if (!need.value()) {
      return false;
    }
    need_ = *need.value();
    input_.resize(static_cast<size_t>(need_.length));
    return true;
  }
  double need_offset() const { return static_cast<double>(need_.offset); }
  val input() const { return view(input_); }
  void filled() { inspector_.add(need_.offset, std::move(input_)); }
  /// `json`: { leftOut: indices, renamed: [[index, name]] }. False: ask for the error.
  bool select(const std::string &json) {
    const Json choice = parse_json(json);
    std::vector<std::pair<size_t, std::string>> renamed;
    for (const Json &row : choice["renamed"]) {
      renamed.emplace_back(row[0].get<size_t>(), row[1].get<std::string>());
    }
    const auto selected = inspector_.select(choice["leftOut"].get<std::vector<size_t>>(), renamed);
    if (!selected) {
      error_ = selected.error();
    }
    return selected.has_value();
  }
  std::string error() const { return error_text(error_); }
  val catalog_json() const {
    JsonText text;
    catalog::write_catalog(text.json, catalog());
    return text.take();
  }
  std::string problems_json() const {
    return catalog::problems_json(layout::check_layout(catalog()));
  }
  std::string families_json() const {
    JsonWriter json;
    json.value(catalog::shared_schemes(catalog()));
    return json.take();
  }

  const catalog::Catalog &catalog() const { return inspector_.catalog(); }
  std::shared_ptr<const catalog::Catalog> share() const { return inspector_.share(); }

private:
  layout::Inspector inspector_;
  Need need_;
  std::vector<uint8_t> input_;
  std::optional<Error> error_;
};

/// What stands beside the weights: `add` a file, and fill its bytes before the next call.
class ModelFolder {
public:
  explicit ModelFolder(const std::string &name)
      : folder_(std::make_shared<plan::ModelFolder>(name)) {}

  val add(const std::string &path, double bytes) {
    std::vector<uint8_t> &content = folder_->add(path);
    content.resize(static_cast<size_t>(bytes));
    return view(content);
  }
  std::shared_ptr<const plan::ModelFolder> share() const { return folder_; }

private:
  std::shared_ptr<plan::ModelFolder> folder_;
};

/// `folder` may be null.
class Plan {
public:
  Plan(const Inspector &inspector, const std::string &options, const ModelFolder *folder) {
    auto parsed = plan::parse_options(options, inspector.catalog().tensors.size());
    if (!parsed) {
      error_ = parsed.error();
      return;
    }
    if (folder != nullptr) {
      parsed.value().folder = folder->share();
    }
    auto made = plan::make_plan(inspector.share(), parsed.value());
    if (!made) {
      error_ = made.error();
      return;
    }
    plan_ = std::move(made.value());
  }

  std::string error() const { return error_text(error_); }
  val json() const {
    JsonText text;
    plan::write_plan(text.json, plan_);
    return text.take();
  }
  /// What is wrong with a file of the output as `output` has found it.
  std::string check(size_t file, const Inspector &output) const {
    return error_text(run::compare_structure(plan_, file, output.catalog()));
  }
  /// Headers and the like, which were written: those of many tensors are long.
  void forget_fixed() { plan_.fixed = {}; }
  size_t file_count() const { return plan_.files.size(); }
  double file_bytes(size_t file) const { return static_cast<double>(plan_.files[file].bytes); }
  const plan::Plan &plan() const { return plan_; }

private:
  plan::Plan plan_;
  std::optional<Error> error_;
};

/// Reads js/engine/wasm.ts' Share, which TypeScript has made.
run::Share read_share(const std::string &json) {
  const Json share = parse_json(json);
  const Json &part = share["part"];
  return {share["index"].get<uint64_t>(),
          share["count"].get<uint64_t>(),
          {part["index"].get<uint64_t>(), part["count"].get<uint64_t>()},
          share["sample"].get<uint64_t>()};
}

/// Any pass over a file.
class Stage {
public:
  explicit Stage(std::unique_ptr<run::Stage> stage)
      : stage_(std::move(stage)), reads_(stage_->slots()) {}

  bool next(size_t slot) {
    const auto read = stage_->next(slot);
    reads_[slot] = read.value_or(run::ByteRange{});
    return read.has_value();
  }
  double read_offset(size_t slot) const { return static_cast<double>(reads_[slot].offset); }
  uint32_t read_source(size_t slot) const { return reads_[slot].source; }
  double read_length(size_t slot) const { return static_cast<double>(reads_[slot].length); }
  val input(size_t slot) const { return view(stage_->input(slot).first(reads_[slot].length)); }
  bool process(size_t slot) { return check(stage_->process(slot)); }
  size_t write_count(size_t slot) const { return stage_->writes(slot).size(); }
  double write_offset(size_t slot, size_t index) const {
    return static_cast<double>(stage_->writes(slot)[index].offset);
  }
  val write(size_t slot, size_t index) const { return view(stage_->writes(slot)[index].bytes); }
  std::string tensor() const { return std::string(stage_->tensor()); }
  double total_bytes() const { return static_cast<double>(stage_->total_bytes()); }
  double done_bytes() const { return static_cast<double>(stage_->done_bytes()); }
  std::string error() const { return error_text(error_); }
  val result() const {
    JsonText text;
    stage_->write_result(text.json);
    return text.take();
  }

protected:
  const run::Stage &stage() const { return *stage_; }
  run::Stage &stage() { return *stage_; }
  void fail(Error error) { error_ = std::move(error); }
  bool check(const Result<void> &done) {
    if (!done) {
      fail(done.error());
    }
    return done.has_value();
  }

private:
  std::unique_ptr<run::Stage> stage_;
  std::vector<run::ByteRange> reads_;
  std::optional<Error> error_;
};

class EncodeStage : public Stage {
public:
  EncodeStage(const Plan &plan, const std::string &share, size_t slots, size_t block_bytes,
              bool reads_back)
      : Stage(std::make_unique<run::EncodeStage>(
            plan.plan(), *workers(), read_share(share), slots, block_bytes,
            reads_back ? std::optional(run::kReadBackBehind) : std::nullopt)) {}

  bool add_inputs(const Inspector &data) { return check(encode().add_inputs(data.catalog())); }
  bool take_done(const std::string &records) { return check(encode().take_done(records)); }
  void keep_records() { encode().keep_records(); }
  val take_records(bool is_over) {
    JsonText text;
    encode().write_records(text.json, is_over);
    return text.take();
  }

  const run::EncodeStage &encode() const { return static_cast<const run::EncodeStage &>(stage()); }
  run::EncodeStage &encode() { return static_cast<run::EncodeStage &>(stage()); }
};

class SealStage : public Stage {
public:
  SealStage(EncodeStage &encode, const std::string &results)
      : Stage(std::make_unique<run::SealStage>(encode.encode(), results)) {}
};

class VerifyStage : public Stage {
public:
  VerifyStage(const EncodeStage &encode, size_t slots, size_t block_bytes)
      : Stage(std::make_unique<run::VerifyStage>(encode.encode(), slots, block_bytes)) {}
};

class RecheckStage : public Stage {
public:
  RecheckStage(double output_bytes, size_t slots, size_t block_bytes)
      : Stage(std::make_unique<run::RecheckStage>(static_cast<uint64_t>(output_bytes), slots,
                                                  block_bytes)) {}

  bool add(const std::string &records) {
    return check(static_cast<run::RecheckStage &>(stage()).add(records));
  }
};

const catalog::Catalog *catalog_of(const Inspector *inspector) {
  return inspector == nullptr ? nullptr : &inspector->catalog();
}

/// `reference` may be null; both inspectors must outlive the stage.
class CompareStage : public Stage {
public:
  CompareStage(const Inspector &file, const Inspector *reference, size_t block_bytes)
      : Stage(std::make_unique<run::CompareStage>(file.catalog(), catalog_of(reference),
                                                  block_bytes)) {}
};

/// Both inspectors must outlive the stage. Ask for the error at once.
class DistributionStage : public Stage {
public:
  DistributionStage(const Inspector &file, const Inspector &reference, const std::string &tensor,
                    size_t block_bytes)
      : DistributionStage(file, reference,
                          run::pair_of(file.catalog(), reference.catalog(), tensor), block_bytes) {}

private:
  DistributionStage(const Inspector &file, const Inspector &reference,
                    const Result<run::TensorPair> &pair, size_t block_bytes)
      : Stage(std::make_unique<run::DistributionStage>(file.catalog(), reference.catalog(),
                                                       pair ? pair.value() : run::TensorPair(),
                                                       block_bytes)) {
    if (!pair) {
      fail(pair.error());
    }
  }
};

/// `calibration` is what is known of the reference's inputs, or empty. Ask for the error at once; both inspectors must
/// outlive the stage.
class OutlierStage : public Stage {
public:
  OutlierStage(const Inspector &file, const Inspector &reference, const std::string &calibration,
               size_t block_bytes)
      : OutlierStage(file, reference,
                     calibration.empty()
                         ? Result<calibration::Calibration>(calibration::Calibration())
                         : calibration::read_calibration(parse_json(calibration)),
                     block_bytes) {}

private:
  OutlierStage(const Inspector &file, const Inspector &reference,
               Result<calibration::Calibration> known, size_t block_bytes)
      : Stage(std::make_unique<run::OutlierStage>(
            file.catalog(), reference.catalog(),
            known ? std::move(known.value()) : calibration::Calibration(), block_bytes)) {
    if (!known) {
      fail(known.error());
    }
  }
};

/// Ask for the error at once: of codes that are to be values, all must be known.
class TensorStage : public Stage {
public:
  TensorStage(const Inspector &file, size_t tensor, size_t block_bytes)
      : Stage(std::make_unique<run::TensorStage>(file.catalog(), tensor, block_bytes)) {
    if (auto refused = layout::refuse_unsound(file.catalog())) {
      fail(*refused);
    }
  }
};

/// `reference` and `data` may be null; all inspectors must outlive the stage.
class ExecuteStage : public Stage {
public:
  ExecuteStage(const Inspector &file, const Inspector *reference, const Inspector *data,
               size_t block_bytes)
      : Stage(std::make_unique<run::ExecuteStage>(file.catalog(), catalog_of(reference),
                                                  catalog_of(data), block_bytes)) {}
};

/// Both inspectors must outlive the stage. `so_far` is a calibration, or empty; ask for the error at once.
class CalibrateStage : public Stage {
public:
  CalibrateStage(const Inspector &model, const Inspector &data, const std::string &so_far,
                 size_t slots, size_t block_bytes)
      : CalibrateStage(model, data, read(so_far), slots, block_bytes) {}

  void set_data_name(const std::string &name) {
    static_cast<run::CalibrateStage &>(stage()).set_data_name(name);
  }
  /// Both when everything was processed: the calibration with the data, and what is wrong with them.
  std::string calibration() const {
    return calibration::calibration_json(
        static_cast<const run::CalibrateStage &>(stage()).calibration());
  }
  std::string problems() const {
    JsonWriter json;
    calibration::write_problems(json, static_cast<const run::CalibrateStage &>(stage()).problems());
    return json.take();
  }

private:
  CalibrateStage(const Inspector &model, const Inspector &data,
                 Result<calibration::Calibration> so_far, size_t slots, size_t block_bytes)
      : Stage(std::make_unique<run::CalibrateStage>(
            model.catalog(), data.catalog(),
            so_far ? std::move(so_far.value()) : calibration::Calibration(), slots, block_bytes)) {
    if (!so_far) {
      fail(so_far.error());
    }
  }

  static Result<calibration::Calibration> read(const std::string &text) {
    if (text.empty()) {
      return calibration::Calibration();
    }
    return calibration::read_calibration(parse_json(text));
  }
};

/// Which pairs of layers, and how factors are chosen: RescaleRequest of js/engine/engine-options.ts.
struct RescaleRequest {
  run::RescaleChoice choice;
  Result<std::vector<plan::Rescale>> pairs = std::vector<plan::Rescale>();

  static RescaleRequest read(const std::string &text, size_t tensors) {
    const Json json = parse_json(text);
    RescaleRequest request;
    request.pairs = plan::read_rescales(json["pairs"], tensors);
    if (json["smooth"].is_number()) {
      request.choice = {run::RescaleChoice::Kind::kFixed, json["smooth"].get<double>()};
    } else if (json["smooth"] == "awq") {
      request.choice.kind = run::RescaleChoice::Kind::kAwq;
    }
    return request;
  }
};

/// The plan must outlive the stage. Ask for the error at once.
class RescaleStage : public Stage {
public:
  RescaleStage(const Plan &plan, const std::string &calibration, const std::string &request,
               size_t block_bytes)
      : RescaleStage(plan, calibration::read_calibration(parse_json(calibration)),
                     RescaleRequest::read(request, plan.plan().tensors.size()), block_bytes) {}

private:
  RescaleStage(const Plan &plan, Result<calibration::Calibration> calibration,
               RescaleRequest request, size_t block_bytes)
      : Stage(std::make_unique<run::RescaleStage>(
            plan.plan(), *workers(),
            calibration ? std::move(calibration.value()) : calibration::Calibration(),
            request.pairs ? std::move(request.pairs.value()) : std::vector<plan::Rescale>(),
            request.choice, block_bytes)) {
    if (!calibration || !request.pairs) {
      fail(calibration ? request.pairs.error() : calibration.error());
    }
  }
};

/// The model and the data must outlive the stage. Ask for the error at once.
class StatisticsStage : public Stage {
public:
  StatisticsStage(const Inspector &model, const std::string &calibration, bool outer,
                  size_t block_bytes)
      : StatisticsStage(model, calibration::read_calibration(parse_json(calibration)), outer,
                        block_bytes) {}

  bool add_inputs(const Inspector &data) { return check(statistics().add_inputs(data.catalog())); }
  /// Behind all `add_inputs`, before the first `next`: the size of the file; 0: see `error`.
  double begin() {
    const auto bytes = statistics().begin();
    return check(bytes ? Result<void>() : bytes.error()) ? static_cast<double>(bytes.value()) : 0;
  }

private:
  StatisticsStage(const Inspector &model, Result<calibration::Calibration> calibration, bool outer,
                  size_t block_bytes)
      : Stage(std::make_unique<run::StatisticsStage>(model.catalog(),
                                                     calibration ? std::move(calibration.value())
                                                                 : calibration::Calibration(),
                                                     outer, block_bytes)) {
    if (!calibration) {
      fail(calibration.error());
    }
  }
  run::StatisticsStage &statistics() { return static_cast<run::StatisticsStage &>(stage()); }
};

/// How much the errors of weights count by their names. `table` is one of priors, or empty for the default.
class Priors {
public:
  Priors(const std::string &names, const std::string &table) {
    auto read = search::read_prior_table(table.empty() ? "{}" : table);
    if (!read) {
      error_ = read.error();
      return;
    }
    table_ = std::move(read.value());
    names_ = parse_json(names).get<std::vector<std::string>>();
  }

  std::string error() const { return error_text(error_); }
  std::string json() const {
    JsonWriter json;
    search::write_priors(json, search::priors_of(names_, table_));
    return json.take();
  }
  /// The table itself, with all that was left out.
  std::string table() const { return search::prior_table_json(table_); }

private:
  search::PriorTable table_;
  std::vector<std::string> names_;
  std::optional<Error> error_;
};

/// Choices within budgets. Ask for the error at once, and after `allocate` has returned nothing.
class Allocator {
public:
  explicit Allocator(const std::string &table) {
    auto read = search::read_table(table);
    if (!read) {
      error_ = read.error();
      return;
    }
    measured_ = std::make_unique<search::MeasuredTable>(std::move(read.value()));
    hull_ = std::make_unique<search::Hull>(measured_->table);
  }

  std::string error() const { return error_text(error_); }
  std::string allocate(double bytes) {
    // Larger numbers than any file has bytes would not fit; none or less allows nothing.
    const double most = static_cast<double>(search::kMostBytes);
    const auto budget = bytes > 0 ? static_cast<uint64_t>(std::min(bytes, most)) : uint64_t{0};
    const auto found = hull_->allocate(budget);
    if (!found) {
      error_ = found.error();
      return {};
    }
    JsonWriter json;
    search::write_allocation(json, measured_->table, found.value());
    return json.take();
  }
  std::string curve() const {
    JsonWriter json;
    search::write_curve(json, *hull_);
    return json.take();
  }

private:
  std::unique_ptr<search::MeasuredTable> measured_;
  std::unique_ptr<search::Hull> hull_;
  std::optional<Error> error_;
};

/// A search for a front, a generation at a time. Ask for the error at once.
class FrontSearch {
public:
  FrontSearch(const std::string &table, const std::string &options) {
    auto read = search::read_table(table);
    auto wanted = search::read_search_options(options);
    if (!read || !wanted) {
      error_ = read ? wanted.error() : read.error();
      return;
    }
    measured_ = std::make_unique<search::MeasuredTable>(std::move(read.value()));
    auto made =
        search::Search::make(measured_->table, std::move(wanted.value()), measured_->presets);
    if (!made) {
      error_ = made.error();
      return;
    }
    search_ = std::make_unique<search::Search>(std::move(made.value()));
  }

  std::string error() const { return error_text(error_); }
  void step() { search_->step(); }
  std::string progress() const {
    JsonWriter json;
    search::write_progress(json, *search_);
    return json.take();
  }
  val found() const {
    JsonText text;
    search::write_found(text.json, measured_->table, *search_);
    return text.take();
  }

private:
  std::unique_ptr<search::MeasuredTable> measured_;
  std::unique_ptr<search::Search> search_;
  std::optional<Error> error_;
};

size_t set_threads(size_t threads) {
  workers() = std::make_unique<parallel::Workers>(threads);
  return workers()->count();
}

std::string version() { return MONOQUANT_VERSION; }

double combine_crc32(double first, double second, double second_bytes) {
  return container::crc32_combine(static_cast<uint32_t>(first), static_cast<uint32_t>(second),
                                  static_cast<uint64_t>(second_bytes));
}

/// Up to the end of what the allocator has ever taken: memory that is shared is all there from the beginning.
double memory_bytes() { return static_cast<double>(reinterpret_cast<uintptr_t>(sbrk(0))); }

} // namespace

EMSCRIPTEN_BINDINGS(monoquant) {
  emscripten::class_<Inspector>("Inspector")
      .constructor<double, const std::string &>()
      .function("step", &Inspector::step)
      .function("needOffset", &Inspector::need_offset)
      .function("input", &Inspector::input)
      .function("filled", &Inspector::filled)
      .function("select", &Inspector::select)
      .function("error", &Inspector::error)
      .function("catalog", &Inspector::catalog_json)
      .function("problems", &Inspector::problems_json)
      .function("families", &Inspector::families_json);
  emscripten::class_<ModelFolder>("ModelFolder")
      .constructor<const std::string &>()
      .function("add", &ModelFolder::add);
  emscripten::class_<Plan>("Plan")
      .constructor<const Inspector &, const std::string &, const ModelFolder *>(
          emscripten::allow_raw_pointers())
      .function("error", &Plan::error)
      .function("json", &Plan::json)
      .function("check", &Plan::check)
      .function("forgetFixed", &Plan::forget_fixed)
      .function("fileCount", &Plan::file_count)
      .function("fileBytes", &Plan::file_bytes);
  emscripten::class_<Stage>("Stage")
      .function("next", &Stage::next)
      .function("readSource", &Stage::read_source)
      .function("readOffset", &Stage::read_offset)
      .function("readLength", &Stage::read_length)
      .function("input", &Stage::input)
      .function("process", &Stage::process)
      .function("writeCount", &Stage::write_count)
      .function("writeOffset", &Stage::write_offset)
      .function("write", &Stage::write)
      .function("tensor", &Stage::tensor)
      .function("totalBytes", &Stage::total_bytes)
      .function("doneBytes", &Stage::done_bytes)
      .function("error", &Stage::error)
      .function("result", &Stage::result);
  emscripten::class_<EncodeStage, emscripten::base<Stage>>("EncodeStage")
      .constructor<const Plan &, const std::string &, size_t, size_t, bool>()
      .function("addInputs", &EncodeStage::add_inputs)
      .function("takeDone", &EncodeStage::take_done)
      .function("keepRecords", &EncodeStage::keep_records)
      .function("takeRecords", &EncodeStage::take_records);
  emscripten::class_<SealStage, emscripten::base<Stage>>("SealStage")
      .constructor<EncodeStage &, const std::string &>();
  emscripten::class_<VerifyStage, emscripten::base<Stage>>("VerifyStage")
      .constructor<const EncodeStage &, size_t, size_t>();
  emscripten::class_<RecheckStage, emscripten::base<Stage>>("RecheckStage")
      .constructor<double, size_t, size_t>()
      .function("add", &RecheckStage::add);
  emscripten::class_<CompareStage, emscripten::base<Stage>>("CompareStage")
      .constructor<const Inspector &, const Inspector *, size_t>(emscripten::allow_raw_pointers());
  emscripten::class_<DistributionStage, emscripten::base<Stage>>("DistributionStage")
      .constructor<const Inspector &, const Inspector &, const std::string &, size_t>();
  emscripten::class_<OutlierStage, emscripten::base<Stage>>("OutlierStage")
      .constructor<const Inspector &, const Inspector &, const std::string &, size_t>();
  emscripten::class_<TensorStage, emscripten::base<Stage>>("TensorStage")
      .constructor<const Inspector &, size_t, size_t>();
  emscripten::class_<CalibrateStage, emscripten::base<Stage>>("CalibrateStage")
      .constructor<const Inspector &, const Inspector &, const std::string &, size_t, size_t>()
      .function("setDataName", &CalibrateStage::set_data_name)
      .function("calibration", &CalibrateStage::calibration)
      .function("problems", &CalibrateStage::problems);
  emscripten::class_<RescaleStage, emscripten::base<Stage>>("RescaleStage")
      .constructor<const Plan &, const std::string &, const std::string &, size_t>();
  emscripten::class_<StatisticsStage, emscripten::base<Stage>>("StatisticsStage")
      .constructor<const Inspector &, const std::string &, bool, size_t>()
      .function("addInputs", &StatisticsStage::add_inputs)
      .function("begin", &StatisticsStage::begin);
  emscripten::class_<ExecuteStage, emscripten::base<Stage>>("TrialStage")
      .constructor<const Inspector &, const Inspector *, const Inspector *, size_t>(
          emscripten::allow_raw_pointers());
  emscripten::class_<Priors>("Priors")
      .constructor<const std::string &, const std::string &>()
      .function("error", &Priors::error)
      .function("json", &Priors::json)
      .function("table", &Priors::table);
  emscripten::class_<Allocator>("Allocator")
      .constructor<const std::string &>()
      .function("error", &Allocator::error)
      .function("allocate", &Allocator::allocate)
      .function("curve", &Allocator::curve);
  emscripten::class_<FrontSearch>("FrontSearch")
      .constructor<const std::string &, const std::string &>()
      .function("error", &FrontSearch::error)
      .function("step", &FrontSearch::step)
      .function("progress", &FrontSearch::progress)
      .function("found", &FrontSearch::found);
  emscripten::function("setThreads", &set_threads);
  emscripten::function("combineCrc32", &combine_crc32);
  emscripten::function("version", &version);
  emscripten::function("memoryBytes", &memory_bytes);
}

} // namespace monoquant::bindings
