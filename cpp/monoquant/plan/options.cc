#include "monoquant/plan/options.h"

#include <algorithm>
#include <iterator>

#include "monoquant/base/json.h"
#include "monoquant/base/limits.h"
#include "monoquant/base/text.h"
#include "monoquant/base/words.h"

namespace monoquant::plan {
namespace {

/// By Method; the last one stands for whichever the data allow.
constexpr std::string_view kWantedMethodWords[] = {"rtn", "mse", "gptq", "auto"};
static_assert(std::equal(std::begin(quant::kMethodWords), std::end(quant::kMethodWords),
                         std::begin(kWantedMethodWords)));

/// Reads members of one JSON object; the first wrong one is remembered as the error.
class OptionReader {
public:
  OptionReader(const Json &object, std::optional<Error> &error) : object_(object), error_(error) {}

  [[nodiscard]] bool has(const char *key) const { return object_.contains(key); }

  /// The member, whatever it is; null where there is none.
  const Json &value(const char *key) {
    static const Json kNothing;
    const auto found = object_.find(key);
    if (found == object_.end()) {
      return kNothing;
    }
    ++known_;
    return *found;
  }

  /// The index of one of several words.
  size_t word(const char *key, Words words) {
    const Json &value = this->value(key);
    const std::string *text = value.get_ptr<const std::string *>();
    if (const auto index = index_of(words, text == nullptr ? "" : *text)) {
      return *index;
    }
    return fail(key, text == nullptr ? "a word" : concat("a known word, not \"", *text, "\",")), 0;
  }

  int64_t integer(const char *key, int64_t lowest, int64_t highest) {
    const Json &value = this->value(key);
    if (!value.is_number_integer() || value.get<int64_t>() < lowest ||
        value.get<int64_t>() > highest) {
      return fail(key, concat("an integer from ", lowest, " to ", highest)), lowest;
    }
    return value.get<int64_t>();
  }

  /// Empty where there is none.
  const Json &array(const char *key) {
    static const Json kEmpty = Json::array();
    if (has(key)) {
      const Json &value = this->value(key);
      return value.is_array() ? value : (fail(key, "an array"), kEmpty);
    }
    return kEmpty;
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

  /// One of the words of an enum, in its order. What is absent stays as it was, here and in the others.
  template <typename T> void read(const char *key, T &field, Words words) {
    if (has(key)) {
      field = static_cast<T>(word(key, words));
    }
  }

  template <typename T> void read(const char *key, std::optional<T> &field, Words words) {
    if (has(key)) {
      read(key, field.emplace(), words);
    }
  }

  /// A method by its name, or "auto".
  void read(const char *key, WantedMethod &field) {
    if (has(key)) {
      const size_t method = word(key, kWantedMethodWords);
      field = method < std::size(quant::kMethodWords) ? WantedMethod(quant::Method(method))
                                                      : WantedMethod();
    }
  }

  void read(const char *key, std::optional<PruneMethod> &field) {
    if (has(key)) {
      const size_t method = word(key, kPruneWords);
      constexpr size_t kAuto = std::size(kPruneWords) - 1;
      field = method < kAuto ? std::optional(static_cast<PruneMethod>(method)) : std::nullopt;
    }
  }

  void read(const char *key, std::optional<WantedMethod> &field) {
    if (has(key)) {
      read(key, field.emplace());
    }
  }

  /// A layout by its name, or a mixture of the types of GGUF files.
  void read(const char *key, const layout::Layout *&field,
            std::optional<llama_cpp::Mixture> &mixture) {
    if (has(key)) {
      const Json &value = this->value(key);
      const std::string name = value.is_string() ? value.get<std::string>() : std::string();
      mixture = llama_cpp::mixture_from_name(name);
      if (mixture) {
        return void(field = layout::find_layout("gguf"));
      }
      const layout::Layout *found = layout::find_layout(name);
      found != nullptr && found->is_written()
          ? void(field = found)
          : fail(key, concat("the name of a layout, not \"", name, "\","));
    }
  }

  void read(const char *key, bool &field) {
    if (has(key)) {
      const Json &value = this->value(key);
      value.is_boolean() ? void(field = value.get<bool>()) : fail(key, "true or false");
    }
  }

  void read(const char *key, uint64_t &field, int64_t lowest, int64_t highest) {
    if (has(key)) {
      field = static_cast<uint64_t>(integer(key, lowest, highest));
    }
  }

  /// A number above the one and up to the other.
  void read(const char *key, double &field, int64_t above, int64_t highest) {
    if (!has(key)) {
      return;
    }
    const Json &value = this->value(key);
    const double number = value.is_number() ? value.get<double>() : 0;
    if (!(number > static_cast<double>(above)) || number > static_cast<double>(highest)) {
      return fail(key, concat("a number above ", above, " and at most ", highest));
    }
    field = number;
  }

  void fail(Error error) {
    if (!error_) {
      error_ = std::move(error);
    }
  }

  void fail(std::string_view key, std::string_view expected) {
    fail(Error{ErrorCode::kInvalidOptions,
               concat("Expected ", expected, " for option ", key, "."),
               {},
               {},
               {}});
  }

  /// Every member must have been asked for: an option that nobody reads would do nothing, unseen.
  void end(std::string_view what) {
    if (known_ != object_.size()) {
      fail(what, "known names only");
    }
  }

private:
  const Json &object_;
  std::optional<Error> &error_;
  size_t known_ = 0;
};

constexpr std::string_view kFloatWords[] = {"F16", "BF16"};
constexpr Dtype kFloats[] = {Dtype::kF16, Dtype::kBF16};
constexpr std::string_view kWantedFloatWords[] = {"F16", "BF16", "F32", "auto"};
constexpr std::optional<Dtype> kWantedFloats[] = {Dtype::kF16, Dtype::kBF16, Dtype::kF32,
                                                  std::nullopt};
constexpr std::string_view kUnfitWords[] = {"non-finite", "overflow"};
constexpr Reason kUnfit[] = {Reason::kNonFinite, Reason::kOverflow};
// Powers of two, so that groups fit into the parts that long rows are cut into.
constexpr int64_t kGroups[] = {-1, 16, 32, 64, 128, 256};

/// A group size, or -1 for one scale per channel.
int64_t read_group(OptionReader &reader) {
  const int64_t group = reader.integer("groupSize", -1, 256);
  if (std::find(std::begin(kGroups), std::end(kGroups), group) == std::end(kGroups)) {
    reader.fail("groupSize", "-1, 16, 32, 64, 128 or 256");
  }
  return group;
}

/// 0 where they are "none".
uint32_t read_bits(OptionReader &reader) {
  const Json &value = reader.value("bits");
  if (value == "none") {
    return 0;
  }
  for (const uint32_t bits : {2U, 3U, 4U, 5U, 6U, 7U, 8U, 16U}) {
    if (value.is_number_integer() && value == bits) {
      return bits;
    }
  }
  return reader.fail("bits", "2 to 8, 16 or none"), 0;
}

Override read_override(const Json &json, size_t tensor_count, std::optional<Error> &error) {
  OptionReader reader(json, error);
  Override result;
  if (!reader.has("tensors")) {
    reader.fail("overrides", "tensors");
  }
  result.tensors = reader.indices("tensors", tensor_count);
  if (reader.has("bits")) {
    result.bits = read_bits(reader);
  }
  if (reader.has("groupSize")) {
    result.group_size = read_group(reader);
  }
  read_choices(reader, result);
  reader.end("overrides");
  return result;
}

Unfit read_unfit(const Json &json, size_t tensor_count, std::optional<Error> &error) {
  OptionReader reader(json, error);
  Unfit result;
  result.tensor =
      static_cast<size_t>(reader.integer("tensor", 0, static_cast<int64_t>(tensor_count) - 1));
  result.reason = kUnfit[reader.word("reason", kUnfitWords)];
  const Json &explanation = reader.value("explanation");
  explanation.is_string() ? void(result.explanation = explanation.get<std::string>())
                          : reader.fail("explanation", "a string");
  reader.end("unfit");
  return result;
}

/// Null: none.
void read_pruning(OptionReader &reader, Options &options) {
  constexpr double kAll = 100;
  const Json &prune = reader.value("prune");
  if (prune.is_null()) {
    return;
  }
  options.prune = prune.is_number() ? prune.get<double>() : 0;
  if (!(options.prune > 0) || !(options.prune < kAll)) {
    reader.fail("prune", "a number above 0 and below 100");
  }
}

std::vector<double> read_values(OptionReader &reader, const char *key) {
  std::vector<double> values;
  for (const Json &item : reader.array(key)) {
    if (!item.is_number()) {
      return reader.fail(key, "numbers"), values;
    }
    values.push_back(item.get<double>());
  }
  return values;
}

/// BatchNorms, whose tensors and values the host has read.
Fold read_fold(const Json &json, size_t tensor_count, std::optional<Error> &error) {
  OptionReader reader(json, error);
  const auto index = [&](const char *key) {
    return static_cast<size_t>(reader.integer(key, 0, static_cast<int64_t>(tensor_count) - 1));
  };
  const auto index_if_any = [&](const char *key) {
    return reader.has(key) ? std::optional(index(key)) : std::nullopt;
  };
  Fold result;
  result.layer = index("layer");
  result.bias = index_if_any("bias");
  result.gamma = index("gamma");
  result.beta = index("beta");
  result.mean = index("mean");
  result.variance = index("variance");
  result.count = index_if_any("count");
  const Json &epsilon = reader.value("epsilon");
  epsilon.is_number() ? void(result.epsilon = epsilon.get<double>())
                      : reader.fail("epsilon", "a number");
  const Json &transposed = reader.value("isTransposed");
  transposed.is_boolean() ? void(result.is_transposed = transposed.get<bool>())
                          : reader.fail("isTransposed", "true or false");
  result.bias_values = read_values(reader, "biasValues");
  result.gamma_values = read_values(reader, "gammaValues");
  result.beta_values = read_values(reader, "betaValues");
  result.mean_values = read_values(reader, "meanValues");
  result.variance_values = read_values(reader, "varianceValues");
  reader.end("folds");
  return result;
}

/// Layers whose inputs and weights trade magnitudes, with factors that were chosen before.
void read_rescales_into(OptionReader &reader, size_t tensor_count, Options &options) {
  auto rescales = read_rescales(reader.array("rescales"), tensor_count);
  if (!rescales) {
    return reader.fail(rescales.error());
  }
  options.rescales = std::move(rescales.value());
}

/// How weights are quantized where nothing else is said of them.
void read_treatment(OptionReader &reader, Options &options) {
  if (reader.has("bits")) {
    const uint32_t bits = read_bits(reader);
    options.copy_all = bits == 0;
    options.treatment.bits = bits == 0 ? options.treatment.bits : bits;
  }
  const int64_t group = reader.has("groupSize") ? read_group(reader) : -1;
  if (options.treatment.strategy == quant::Strategy::kGroup) {
    if (group == -1) {
      reader.fail("groupSize", "a size for the strategy group");
    }
    options.treatment.group_size = static_cast<uint64_t>(group);
  }
}

/// What is known of inputs, and what follows from it.
void read_inputs(OptionReader &reader, Options &options) {
  if (reader.has("observer")) {
    const size_t observer = reader.word("observer", quant::kObserverWords);
    if (observer < quant::kRangeMethodCount) {
      options.observer = static_cast<quant::RangeMethod>(observer);
    }
  }
  const Json &document = reader.value("calibration");
  if (!document.is_null()) {
    auto calibration = calibration::read_calibration(document);
    if (!calibration) {
      return reader.fail(calibration.error());
    }
    options.calibration =
        std::make_shared<const calibration::Calibration>(std::move(calibration.value()));
  } else if (options.static_inputs()) {
    reader.fail(
        {ErrorCode::kInvalidOptions,
         "Expected calibration data for static activations, found none.",
         "Capture the inputs of the model's layers (README: Calibration) and name the file, or "
         "let loaders quantize activations as they come: dynamic.",
         {},
         {}});
  }
}

/// Which tensors are meant, by kind and by index.
void read_tensors(OptionReader &reader, size_t tensor_count, Options &options) {
  options.ignore = reader.indices("ignore", tensor_count);
  for (const Json &item : reader.array("layers")) {
    const auto kind = item.is_string()
                          ? catalog::layer_kind_from_name(item.get_ref<const std::string &>())
                          : std::nullopt;
    if (!kind) {
      return reader.fail("layers", "known layer kinds");
    }
    options.layers.set(static_cast<size_t>(*kind));
  }
}

/// Ascending offsets in the source, at most as many as files may be.
void read_file_ends(OptionReader &reader, Options &options) {
  for (const Json &item : reader.array("fileEnds")) {
    const bool is_next =
        item.is_number_unsigned() && options.file_ends.size() + 1 < kMaxFiles &&
        (options.file_ends.empty() || item.get<uint64_t>() >= options.file_ends.back());
    if (!is_next) {
      return reader.fail("fileEnds", concat("less than ", kMaxFiles, " ascending offsets"));
    }
    options.file_ends.push_back(item.get<uint64_t>());
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
  read_choices(reader, options);
  read_treatment(reader, options);
  read_inputs(reader, options);
  read_tensors(reader, tensor_count, options);
  read_file_ends(reader, options);
  read_pruning(reader, options);
  if (reader.has("floatType")) {
    options.float_type = kFloats[reader.word("floatType", kFloatWords)];
  }
  if (reader.has("dequantizedType")) {
    options.dequantized_type = kWantedFloats[reader.word("dequantizedType", kWantedFloatWords)];
  }
  if (reader.has("scaleType")) {
    options.scale_type = kWantedFloats[reader.word("scaleType", kWantedFloatWords)];
  }
  for (const Json &item : reader.array("overrides")) {
    options.overrides.push_back(read_override(item, tensor_count, error));
  }
  for (const Json &item : reader.array("folds")) {
    options.folds.push_back(read_fold(item, tensor_count, error));
  }
  read_rescales_into(reader, tensor_count, options);
  for (const Json &item : reader.array("unfit")) {
    options.unfit.push_back(read_unfit(item, tensor_count, error));
  }
  reader.end("options");
  if (error) {
    return *error;
  }
  return options;
}

} // namespace monoquant::plan
