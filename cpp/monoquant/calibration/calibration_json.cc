#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "monoquant/base/json.h"
#include "monoquant/base/json_writer.h"
#include "monoquant/base/text.h"
#include "monoquant/calibration/calibration.h"

namespace monoquant::calibration {
namespace {

constexpr std::string_view kFormat = "monoquant-calibration";
constexpr uint64_t kVersion = 1;
constexpr uint64_t kMostExact = 1ULL << 53U; // integers that JavaScript keeps

constexpr std::string_view kNan = "NaN";
constexpr std::string_view kInfinity = "Infinity";
constexpr std::string_view kNegativeInfinity = "-Infinity";

/// JSON has no such numbers: they are written as JavaScript names them.
void write_number(JsonWriter &json, float value) {
  if (std::isnan(value)) {
    json.value(kNan);
  } else if (std::isinf(value)) {
    json.value(value > 0 ? kInfinity : kNegativeInfinity);
  } else {
    json.value(value);
  }
}

struct LackName {
  std::string_view name; // Lack of js/api/calibration.ts
  bool Lacks::*lack;
};
constexpr std::array<LackName, 5> kLackNames = {{{"counts", &Lacks::counts},
                                                 {"range", &Lacks::range},
                                                 {"distribution", &Lacks::distribution},
                                                 {"squares", &Lacks::squares},
                                                 {"outer", &Lacks::outer}}};

/// null where nothing was observed.
void write_range(JsonWriter &json, const char *key, quant::ObservedRange range) {
  json.key(key);
  if (!range.is_observed()) {
    return json.value(nullptr);
  }
  json.begin_array();
  write_number(json, range.min);
  write_number(json, range.max);
  json.end();
}

void write_module(JsonWriter &json, const ModuleStatistics &module) {
  const quant::ObserverState &state = module.observer;
  json.begin_object();
  json.member("samples", module.samples);
  json.member("batches", state.batches);
  json.member("values", state.counts.values);
  json.key("infinities").row(state.counts.negative_infinities, state.counts.positive_infinities);
  write_range(json, "range", state.min_max);
  write_range(json, "movingAverage", state.moving_average);
  json.key("histogram");
  if (state.histogram.is_empty()) {
    json.value(nullptr);
  } else {
    json.begin_object();
    write_range(json, "range", state.histogram.range);
    json.member("counts", state.histogram.counts);
    json.end();
  }
  json.member("valuesPerChannel", module.per_channel);
  json.member("squares", module.squares);
  if (!module.sums.empty()) {
    json.member("sums", module.sums);
  }
  if (!module.lows.empty()) {
    json.member("lows", module.lows);
    json.member("highs", module.highs);
  }
  if (std::any_of(kLackNames.begin(), kLackNames.end(),
                  [&](const LackName &entry) { return module.lacks.*entry.lack; })) {
    json.key("lacks").begin_array();
    for (const auto &[name, lack] : kLackNames) {
      if (module.lacks.*lack) {
        json.value(name);
      }
    }
    json.end();
  }
  json.end();
}

/// Reads one document; what is wrong first is remembered.
class Reader {
public:
  /// The member of an object, or a null where it has none.
  const Json &member(const Json &object, const char *key) {
    static const Json kNothing;
    const auto found = object.find(key);
    if (found == object.end()) {
      fail(concat("\"", key, "\""), "nothing");
      return kNothing;
    }
    return *found;
  }

  /// True for an object that has `count` members: all that are asked for, and no others.
  bool object(const Json &value, size_t count, std::string_view what) {
    if (!value.is_object()) {
      return fail(concat(what, " to be an object"), "something else"), false;
    }
    if (value.size() > count) {
      return fail(concat(count, " members of ", what), concat(value.size())), false;
    }
    return true;
  }

  uint64_t count(const Json &object, const char *key) {
    return number_of(key, member(object, key));
  }

  uint64_t number_of(std::string_view what, const Json &value) {
    if (!value.is_number_unsigned() || value.get<uint64_t>() > kMostExact) {
      return fail(concat("a number of ", what), "something else"), 0;
    }
    return value.get<uint64_t>();
  }

  quant::ObservedRange range(const Json &object, const char *key) {
    const Json &value = member(object, key);
    if (value.is_null()) {
      return {};
    }
    if (!value.is_array() || value.size() != 2) {
      return fail(concat("two numbers as ", key), "something else"), quant::ObservedRange();
    }
    return {number(value[0], key), number(value[1], key)};
  }

  std::vector<float> counts(const Json &object) {
    const Json &value = member(object, "counts");
    if (!value.is_array() || value.size() != quant::kHistogramBins) {
      return fail(concat(quant::kHistogramBins, " counts"), "something else"), std::vector<float>();
    }
    std::vector<float> counts;
    for (const Json &item : value) {
      counts.push_back(item.is_number() ? number(item, "counts") : -1.0F);
      if (!(counts.back() >= 0)) {
        return fail("counts of at least 0", "something else"), counts;
      }
    }
    return counts;
  }

  /// Of channels: numbers of at least `least`, and of at least one channel unless nothing is known of them.
  std::vector<double> sums(const Json &value, std::string_view what, double least, bool is_known) {
    std::vector<double> sums;
    for (const Json &item : value.is_array() ? value : Json::array()) {
      sums.push_back(item.is_number() ? item.get<double>() : std::nan(""));
      if (!(sums.back() >= least && std::isfinite(sums.back()))) {
        return fail(concat("finite ", what), "something else"), sums;
      }
    }
    if (sums.empty() && is_known) {
      fail(concat(what, " of at least one channel"), "none");
    }
    return sums;
  }

  /// Of channels, as many as there are `channels`; none if there is no such member.
  std::vector<float> ends(const Json &object, const char *key, size_t channels) {
    std::vector<float> ends;
    const auto found = object.find(key);
    if (found == object.end()) {
      return ends;
    }
    for (const Json &item : found->is_array() ? *found : Json::array()) {
      ends.push_back(item.is_number() ? number(item, key) : std::nanf(""));
      if (!std::isfinite(ends.back())) {
        return fail(concat("finite ", key), "something else"), ends;
      }
    }
    if (ends.size() != channels) {
      fail(concat(channels, " ", key, ", one a channel"), concat(ends.size()));
    }
    return ends;
  }

  Lacks lacks(const Json &object) {
    Lacks lacks;
    const auto found = object.find("lacks");
    for (const Json &item : found == object.end() ? Json::array() : *found) {
      const auto *known = std::find_if(kLackNames.begin(), kLackNames.end(),
                                       [&](const LackName &entry) { return item == entry.name; });
      if (known == kLackNames.end()) {
        return fail("known words in \"lacks\"", "another one"), lacks;
      }
      lacks.*known->lack = true;
    }
    return lacks;
  }

  void fail(std::string_view expected, std::string_view found) {
    if (!error_) {
      error_ = Error{ErrorCode::kInvalidOptions,
                     concat("Expected ", expected, " in the calibration",
                            module_.empty() ? "" : concat(" of ", module_), ", found ", found, "."),
                     "Make it again with `monoquant calibrate`.",
                     module_,
                     {}};
    }
  }
  void fail(Error error) {
    if (!error_) {
      error_ = std::move(error);
      error_->message = concat("In the calibration of ", module_, ": ", error_->message);
      error_->tensor = module_;
    }
  }

  void set_module(std::string name) { module_ = std::move(name); }
  [[nodiscard]] const std::optional<Error> &error() const { return error_; }

private:
  float number(const Json &value, std::string_view what) {
    constexpr double kLargest = std::numeric_limits<float>::max();
    if (value.is_number() && std::fabs(value.get<double>()) <= kLargest) {
      return static_cast<float>(value.get<double>());
    }
    if (value == kNan) {
      return std::numeric_limits<float>::quiet_NaN();
    }
    if (value == kInfinity || value == kNegativeInfinity) {
      const float infinity = std::numeric_limits<float>::infinity();
      return value == kInfinity ? infinity : -infinity;
    }
    return fail(concat("numbers as ", what), "something else"), 0.0F;
  }

  std::string module_;
  std::optional<Error> error_;
};

ModuleStatistics read_module(const Json &json, Reader &reader) {
  ModuleStatistics module;
  const size_t members =
      9 + json.count("sums") + json.count("lacks") + json.count("lows") + json.count("highs");
  if (!reader.object(json, members, "its statistics")) {
    return module;
  }
  module.lacks = reader.lacks(json);
  quant::ObserverState &state = module.observer;
  module.samples = reader.count(json, "samples");
  state.batches = reader.count(json, "batches");
  state.counts.values = reader.count(json, "values");
  const Json &infinities = reader.member(json, "infinities");
  if (infinities.is_array() && infinities.size() == 2) {
    state.counts.negative_infinities = reader.number_of("infinities", infinities[0]);
    state.counts.positive_infinities = reader.number_of("infinities", infinities[1]);
  } else {
    reader.fail("two numbers of infinities", "something else");
  }
  if (state.counts.infinities() > state.counts.values) {
    reader.fail("no more infinities than values", concat(state.counts.infinities()));
  }
  state.min_max = reader.range(json, "range");
  state.moving_average = reader.range(json, "movingAverage");
  const Json &histogram = reader.member(json, "histogram");
  if (!histogram.is_null() && reader.object(histogram, 2, "the histogram")) {
    state.histogram.range = reader.range(histogram, "range");
    state.histogram.counts = reader.counts(histogram);
  }
  module.per_channel = reader.count(json, "valuesPerChannel");
  constexpr double kAny = -std::numeric_limits<double>::infinity();
  module.squares = reader.sums(reader.member(json, "squares"), "squares", 0, !module.lacks.squares);
  module.sums = reader.sums(json.value("sums", Json::array()), "sums", kAny, false);
  if (!module.sums.empty() && !module.squares.empty() &&
      module.sums.size() != module.squares.size()) {
    reader.fail(concat(module.squares.size(), " sums, one a channel"), concat(module.sums.size()));
  }
  module.lacks.sums = module.sums.empty();
  module.lows = reader.ends(json, "lows", module.channels());
  module.highs = reader.ends(json, "highs", module.channels());
  if (module.lows.size() != module.highs.size()) {
    reader.fail("lows and highs", "one of them");
  }
  module.lacks_channel_ranges = module.lows.empty();
  const uint64_t channels = module.lacks.distribution ? 0 : module.squares.size();
  if (channels != 0 && (state.counts.values % channels != 0 ||
                        state.counts.values / channels != module.per_channel)) {
    reader.fail(concat(state.counts.values, " values in ", channels, " channels"),
                concat(module.per_channel, " in each"));
  }
  if (!reader.error()) {
    if (auto restored = quant::TensorObserver::restore(state); !restored) {
      reader.fail(restored.error());
    }
  }
  return module;
}

Imatrix read_imatrix_note(const Json &json, Reader &reader) {
  Imatrix imatrix;
  if (!reader.object(json, 4, "what llama-imatrix says")) {
    return imatrix;
  }
  for (const auto &[key, text] :
       {std::pair("file", &imatrix.file), std::pair("dataset", &imatrix.dataset)}) {
    const Json &value = reader.member(json, key);
    value.is_string() ? void(*text = value.get<std::string>())
                      : reader.fail(concat("a text as ", key), "something else");
  }
  imatrix.entries = reader.count(json, "entries");
  imatrix.chunks = reader.count(json, "chunks");
  return imatrix;
}

} // namespace

std::string calibration_json(const Calibration &calibration) {
  JsonWriter json;
  json.begin_object();
  json.member("format", kFormat);
  json.member("version", kVersion);
  json.member("leftOut", calibration.left_out);
  if (const auto &imatrix = calibration.imatrix) {
    json.key("imatrix").begin_object();
    json.member("file", imatrix->file);
    json.member("dataset", imatrix->dataset);
    json.member("entries", imatrix->entries);
    json.member("chunks", imatrix->chunks);
    json.end();
  }
  json.key("modules").begin_object();
  for (const auto &[name, module] : calibration.modules) {
    json.key(name);
    write_module(json, module);
  }
  json.end().end();
  return json.take();
}

Result<Calibration> read_calibration(const Json &document) {
  Reader reader;
  Calibration calibration;
  if (!document.is_object() || document.value("format", Json()) != kFormat ||
      document.value("version", Json()) != kVersion) {
    return Error{ErrorCode::kInvalidOptions,
                 concat("Expected a calibration (", kFormat, ", version ", kVersion,
                        "), found something else."),
                 "Make one with `monoquant calibrate MODEL DATA -o calibration.json`.",
                 {},
                 {}};
  }
  // What was said when it was made may be there and is of no concern here.
  const size_t members = 4 + document.count("warnings") + document.count("imatrix");
  const Json &left_out = reader.member(document, "leftOut");
  const Json &modules = reader.member(document, "modules");
  reader.object(document, members, "it");
  if (!left_out.is_array() || !modules.is_object()) {
    reader.fail("leftOut and modules", "something else");
  }
  if (document.contains("imatrix")) {
    calibration.imatrix = read_imatrix_note(document["imatrix"], reader);
  }
  for (const Json &name : left_out.is_array() ? left_out : Json::array()) {
    if (!name.is_string()) {
      reader.fail("names in leftOut", "something else");
      break;
    }
    calibration.left_out.insert(name.get<std::string>());
  }
  if (modules.is_object()) {
    for (const auto &[name, module] : modules.items()) {
      reader.set_module(name);
      ModuleStatistics statistics = read_module(module, reader);
      if (!calibration.modules.emplace(name, std::move(statistics)).second ||
          calibration.left_out.contains(name)) {
        reader.fail("every module once", "it twice");
      }
      if (reader.error()) {
        break;
      }
    }
  }
  if (reader.error()) {
    return *reader.error();
  }
  return calibration;
}

} // namespace monoquant::calibration
