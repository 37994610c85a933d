#include "monoquant/plan/options.h"

#include <algorithm>
#include <iterator>

#include "monoquant/base/json.h"
#include "monoquant/base/text.h"

namespace monoquant::plan {
namespace {

/// Reads members of one JSON object; the first wrong one is remembered as the error.
class OptionReader {
public:
  OptionReader(const Json &object, std::optional<Error> &error) : object_(object), error_(error) {}

  [[nodiscard]] bool has(const char *key) const { return object_.contains(key); }

  std::string_view text(const char *key) {
    const Json *value = find(key);
    if (value == nullptr || !value->is_string()) {
      return fail(key, "a string"), std::string_view();
    }
    return value->get_ref<const std::string &>();
  }

  int64_t integer(const char *key, int64_t lowest, int64_t highest) {
    const Json *value = find(key);
    if (value == nullptr || !value->is_number_integer() || value->get<int64_t>() < lowest ||
        value->get<int64_t>() > highest) {
      return fail(key, concat("an integer from ", lowest, " to ", highest)), lowest;
    }
    return value->get<int64_t>();
  }

  double number(const char *key, double above, double highest) {
    const Json *value = find(key);
    if (value == nullptr || !value->is_number() || !(value->get<double>() > above) ||
        value->get<double>() > highest) {
      const auto from = static_cast<int64_t>(above);
      const auto to = static_cast<int64_t>(highest);
      return fail(key, concat("a number above ", from, " and at most ", to)), highest;
    }
    return value->get<double>();
  }

  bool boolean(const char *key) {
    const Json *value = find(key);
    if (value == nullptr || !value->is_boolean()) {
      return fail(key, "true or false"), false;
    }
    return value->get<bool>();
  }

  const Json &array(const char *key) {
    static const Json kEmpty = Json::array();
    const Json *value = find(key);
    if (value == nullptr || !value->is_array()) {
      return fail(key, "an array"), kEmpty;
    }
    return *value;
  }

  std::vector<size_t> indices(const char *key, size_t count) {
    std::vector<size_t> result;
    for (const Json &item : array(key)) {
      if (!item.is_number_unsigned() || item.get<uint64_t>() >= count) {
        return fail(key, "indices of tensors"), result;
      }
      result.push_back(item.get<size_t>());
    }
    return result;
  }

  /// One of several words; `values[i]` belongs to `words[i]`.
  template <typename T, size_t N>
  T choice(const char *key, const std::string_view (&words)[N], const T (&values)[N]) {
    const std::string_view word = text(key);
    for (size_t i = 0; i < N; ++i) {
      if (words[i] == word) {
        return values[i];
      }
    }
    return fail(key, "a known word"), values[0];
  }

  /// Any value.
  const Json &value(const char *key) {
    static const Json kNothing;
    const Json *value = find(key);
    if (value == nullptr) {
      return fail(key, "a value"), kNothing;
    }
    return *value;
  }

  void fail(Error error) {
    if (!error_) {
      error_ = std::move(error);
    }
  }

  void fail(std::string_view key, std::string_view expected) {
    if (!error_) {
      error_ = Error{ErrorCode::kInvalidOptions,
                     concat("Expected ", expected, " for option ", key, "."),
                     {},
                     {},
                     {}};
    }
  }

private:
  const Json *find(const char *key) {
    const auto found = object_.find(key);
    return found == object_.end() ? nullptr : &*found;
  }

  const Json &object_;
  std::optional<Error> &error_;
};

constexpr std::string_view kSchemeWords[] = {"symmetric", "asymmetric"};
constexpr bool kSchemeValues[] = {true, false};
constexpr std::string_view kStrategyWords[] = {"channel", "tensor", "group"};
constexpr quant::Strategy kStrategyValues[] = {quant::Strategy::kChannel, quant::Strategy::kTensor,
                                               quant::Strategy::kGroup};
constexpr std::string_view kMethodWords[] = {"rtn", "mse"};
constexpr quant::Method kMethodValues[] = {quant::Method::kRtn, quant::Method::kMse};
enum class Mode : uint8_t { kDynamic, kWeightsOnly, kStatic };
constexpr std::string_view kModeWords[] = {"dynamic", "weights-only", "static"};
constexpr Mode kModeValues[] = {Mode::kDynamic, Mode::kWeightsOnly, Mode::kStatic};
constexpr std::string_view kObserverWords[] = {"auto", "minmax", "moving-average", "histogram",
                                               "percentile"};
constexpr std::optional<quant::RangeMethod> kObserverValues[] = {
    std::nullopt, quant::RangeMethod::kMinMax, quant::RangeMethod::kMovingAverage,
    quant::RangeMethod::kHistogram, quant::RangeMethod::kPercentile};
constexpr std::string_view kContainerWords[] = {"safetensors", "pt"};
constexpr Container kContainerValues[] = {Container::kSafetensors, Container::kTorchZip};
constexpr std::string_view kFloatWords[] = {"F16", "BF16"};
constexpr Dtype kFloatValues[] = {Dtype::kF16, Dtype::kBF16};
constexpr std::string_view kDequantizedWords[] = {"auto", "F32", "F16", "BF16"};
constexpr std::optional<Dtype> kDequantizedValues[] = {std::nullopt, Dtype::kF32, Dtype::kF16,
                                                       Dtype::kBF16};
constexpr std::string_view kUnfitWords[] = {"non-finite", "overflow"};
constexpr Reason kUnfitValues[] = {Reason::kNonFinite, Reason::kOverflow};
// Powers of two, so that groups fit into the parts that long rows are cut into.
constexpr int64_t kGroups[] = {16, 32, 64, 128, 256};

/// A group size, or -1 for one scale per channel.
int64_t read_group(OptionReader &reader) {
  const int64_t group = reader.integer("groupSize", -1, 256);
  if (group != -1 &&
      std::find(std::begin(kGroups), std::end(kGroups), group) == std::end(kGroups)) {
    reader.fail("groupSize", "-1, 16, 32, 64, 128 or 256");
  }
  return group;
}

const layout::Layout *read_layout(OptionReader &reader) {
  const layout::Layout *first = layout::layouts()[0];
  if (!reader.has("format")) {
    return first; // what only copies has none
  }
  const layout::Layout *named = layout::find_layout(reader.text("format"));
  return named == nullptr ? (reader.fail("format", "the name of a layout"), first) : named;
}

uint32_t read_bits(OptionReader &reader) {
  const auto bits = static_cast<uint32_t>(reader.integer("bits", 4, 16));
  if (bits != 4 && bits != 8 && bits != 16) {
    reader.fail("bits", "4, 8 or 16");
  }
  return bits;
}

Override read_override(const Json &json, size_t tensor_count, std::optional<Error> &error) {
  OptionReader reader(json, error);
  Override result;
  result.tensors = reader.indices("tensors", tensor_count);
  if (reader.has("bits")) {
    result.bits = json["bits"] == "none" ? 0 : read_bits(reader);
  }
  if (reader.has("scheme")) {
    result.symmetric = reader.choice("scheme", kSchemeWords, kSchemeValues);
  }
  if (reader.has("groupSize")) {
    result.group_size = read_group(reader);
  }
  if (reader.has("method")) {
    result.method = reader.choice("method", kMethodWords, kMethodValues);
  }
  return result;
}

Unfit read_unfit(const Json &json, size_t tensor_count, std::optional<Error> &error) {
  OptionReader reader(json, error);
  Unfit result;
  result.tensor =
      static_cast<size_t>(reader.integer("tensor", 0, static_cast<int64_t>(tensor_count) - 1));
  result.reason = reader.choice("reason", kUnfitWords, kUnfitValues);
  result.explanation = reader.text("explanation");
  return result;
}

/// How inputs are quantized, and what is known of them.
void read_inputs(OptionReader &reader, Mode mode, Options &options) {
  options.static_inputs = mode == Mode::kStatic;
  options.observer = reader.choice("observer", kObserverWords, kObserverValues);
  options.percentile = reader.number("percentile", 50, 100);
  options.symmetric_inputs = reader.choice("inputScheme", kSchemeWords, kSchemeValues);
  const Json &document = reader.value("calibration");
  if (!document.is_null()) {
    auto calibration = calibration::read_calibration(document);
    if (!calibration) {
      return reader.fail(calibration.error());
    }
    options.calibration =
        std::make_shared<const calibration::Calibration>(std::move(calibration.value()));
  } else if (options.static_inputs) {
    reader.fail(
        {ErrorCode::kInvalidOptions,
         "Expected calibration data for static activations, found none.",
         "Capture the inputs of the model's layers (README: Calibration) and name the file, or "
         "let loaders quantize activations as they come: dynamic.",
         {},
         {}});
  }
}

} // namespace

Result<Options> parse_options(std::string_view json, size_t tensor_count) {
  const Json document = parse_json(json);
  if (!document.is_object()) {
    return Error{
        ErrorCode::kInvalidOptions, "Expected the options to be a JSON object.", {}, {}, {}};
  }
  std::optional<Error> error;
  OptionReader reader(document, error);
  Options options;
  options.container = reader.choice("container", kContainerWords, kContainerValues);
  options.layout = read_layout(reader);
  options.duplicate_ties = reader.boolean("duplicateTies");
  options.copy_all = document.value("bits", Json()) == "none";
  if (reader.has("dequantizedType")) {
    options.dequantized_type =
        reader.choice("dequantizedType", kDequantizedWords, kDequantizedValues);
  }
  if (!options.copy_all) {
    options.treatment.bits = read_bits(reader);
  }
  options.treatment.symmetric = reader.choice("scheme", kSchemeWords, kSchemeValues);
  options.treatment.strategy = reader.choice("strategy", kStrategyWords, kStrategyValues);
  const int64_t group = read_group(reader);
  if (options.treatment.strategy == quant::Strategy::kGroup) {
    if (group == -1) {
      reader.fail("groupSize", "a size for the strategy group");
    }
    options.treatment.group_size = static_cast<uint64_t>(group);
  }
  options.treatment.method = reader.choice("method", kMethodWords, kMethodValues);
  const Mode mode = reader.choice("mode", kModeWords, kModeValues);
  options.weights_only = mode == Mode::kWeightsOnly;
  read_inputs(reader, mode, options);
  options.float_type = reader.choice("floatType", kFloatWords, kFloatValues);
  for (const Json &item : reader.array("layers")) {
    const auto kind = item.is_string()
                          ? catalog::layer_kind_from_name(item.get_ref<const std::string &>())
                          : std::nullopt;
    if (!kind) {
      reader.fail("layers", "known layer kinds");
      break;
    }
    options.layers.set(static_cast<size_t>(*kind));
  }
  options.default_ignore = reader.boolean("defaultIgnore");
  options.min_elements = static_cast<uint64_t>(reader.integer("minElements", 0, 1LL << 53U));
  options.ignore = reader.indices("ignore", tensor_count);
  for (const Json &item : reader.array("overrides")) {
    options.overrides.push_back(read_override(item, tensor_count, error));
  }
  for (const Json &item : reader.array("unfit")) {
    options.unfit.push_back(read_unfit(item, tensor_count, error));
  }
  if (error) {
    return *error;
  }
  return options;
}

} // namespace monoquant::plan
