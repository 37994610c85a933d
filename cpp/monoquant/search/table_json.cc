#include "monoquant/search/table_json.h"

#include <charconv>

#include "monoquant/base/json.h"
#include "monoquant/base/text.h"
#include "monoquant/base/words.h"

namespace monoquant::search {
namespace {

constexpr uint32_t kMostPopulation = 1U << 20U;

/// Reads one document; what is wrong first is remembered.
class TableReader {
public:
  Result<MeasuredTable> read(const Json &document) {
    if (!document.is_object()) {
      return wrong("a table as an object of JSON");
    }
    const uint64_t fixed_bytes =
        document.contains("fixedBytes") ? bytes(document["fixedBytes"], "fixedBytes") : uint64_t{0};
    std::vector<std::vector<Option>> sets;
    for (const Json &set : list(document, "sets")) {
      sets.push_back(read_set(set));
    }
    std::vector<Choice> presets;
    if (document.contains("presets")) {
      for (const Json &preset : list(document, "presets")) {
        presets.push_back(read_choice(preset));
      }
    }
    if (!wrong_.empty()) {
      return wrong(wrong_);
    }
    auto table = Table::make(sets, fixed_bytes);
    if (!table) {
      return table.error();
    }
    for (size_t i = 0; i < presets.size(); ++i) {
      if (!table.value().holds(presets[i])) {
        return wrong(concat("an option of every set in preset ", i));
      }
    }
    return MeasuredTable{std::move(table.value()), std::move(presets)};
  }

private:
  static Error wrong(std::string_view expected) {
    return {.code = ErrorCode::kInvalidOptions,
            .message = concat("Expected ", expected, "."),
            .suggestion = {},
            .tensor = {},
            .offset = {}};
  }
  void fail(std::string expected) {
    if (wrong_.empty()) {
      wrong_ = std::move(expected);
    }
  }

  /// The member that is a list; an empty one where it is none.
  const Json &list(const Json &object, const char *key) {
    static const Json kNothing = Json::array();
    const auto found = object.is_object() ? object.find(key) : object.end();
    if (!object.is_object() || found == object.end() || !found->is_array()) {
      fail(concat("a list as \"", key, "\" of a table"));
      return kNothing;
    }
    return *found;
  }

  uint64_t bytes(const Json &value, std::string_view what) {
    if (!value.is_number_unsigned() || value.get<uint64_t>() > kMostBytes) {
      fail(concat("a whole number of bytes as \"", what, "\" of a table"));
      return 0;
    }
    return value.get<uint64_t>();
  }

  /// Absent is 0 where it may be.
  double loss(const Json &object, const char *key, bool is_optional) {
    const auto found = object.find(key);
    if (is_optional && (found == object.end() || found->is_null())) {
      return 0;
    }
    const bool is_number = found != object.end() && found->is_number();
    const double number = is_number ? found->get<double>() : -1;
    if (!(number >= 0 && number <= kMostLoss)) {
      fail(concat("a number of at least 0 as \"", key, "\" of a table"));
      return 0;
    }
    return number;
  }

  std::vector<Option> read_set(const Json &set) {
    std::vector<Option> options;
    const double prior = set.is_object() && set.contains("prior") ? loss(set, "prior", false) : 1;
    for (const Json &entry : list(set, "options")) {
      if (!entry.is_object() || !entry.contains("bytes")) {
        fail("an object with bytes as an option of a table");
        return options;
      }
      options.push_back({bytes(entry["bytes"], "bytes"), loss(entry, "error", false) * prior,
                         loss(entry, "worst", false), loss(entry, "ms", true)});
    }
    return options;
  }

  Choice read_choice(const Json &preset) {
    Choice choice;
    for (const Json &option : list(preset, "choice")) {
      if (!option.is_number_unsigned() || option.get<uint64_t>() >= kMostOptions) {
        fail("indices of options as the choice of a preset");
        return choice;
      }
      choice.push_back(option.get<uint16_t>());
    }
    return choice;
  }

  std::string wrong_;
};

Error wrong_options(std::string_view expected) {
  return {.code = ErrorCode::kInvalidOptions,
          .message = concat("Expected ", expected, "."),
          .suggestion = {},
          .tensor = {},
          .offset = {}};
}

std::optional<uint64_t> number_in(const Json &value) {
  if (value.is_number_unsigned()) {
    return value.get<uint64_t>();
  }
  if (!value.is_string()) {
    return std::nullopt;
  }
  const auto &text = value.get_ref<const std::string &>();
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number)
                                                                  : std::nullopt;
}

} // namespace

Result<MeasuredTable> read_table(std::string_view json) {
  return TableReader().read(parse_json(json));
}

Result<SearchOptions> read_search_options(std::string_view json) {
  const Json document = parse_json(json);
  if (!document.is_object()) {
    return wrong_options("options of a search as an object of JSON");
  }
  SearchOptions options;
  for (const auto &[key, value] : document.items()) {
    if (key == "population") {
      if (!value.is_number_unsigned() || value.get<uint64_t>() > kMostPopulation) {
        return wrong_options(concat("a whole number up to ", kMostPopulation, " as population"));
      }
      options.population = value.get<uint32_t>();
    } else if (key == "seed") {
      const auto seed = number_in(value);
      if (!seed) {
        return wrong_options("a whole number of up to 64 bits as seed");
      }
      options.seed = *seed;
    } else if (key == "objectives") {
      options.objectives.clear();
      for (const Json &name : value.is_array() ? value : Json::array()) {
        const auto found = name.is_string()
                               ? index_of(kObjectiveWords, name.get_ref<const std::string &>())
                               : std::nullopt;
        if (!found) {
          return wrong_options("error, worst, bytes or time as objectives");
        }
        options.objectives.push_back(static_cast<Objective>(*found));
      }
    } else {
      return wrong_options(
          concat("population, seed or objectives of a search, found \"", key, "\""));
    }
  }
  return options;
}

} // namespace monoquant::search
