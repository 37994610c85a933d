#include "monoquant/plan/rescaling.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "monoquant/base/checked.h"
#include "monoquant/base/text.h"
#include "monoquant/plan/plan.h"

namespace monoquant::plan {
namespace {

using catalog::Tensor;

Error wrong_rescale(std::string_view expected) {
  return Error{ErrorCode::kInvalidOptions,
               concat("Expected ", expected, " for rescaling layers."),
               "Rescale none.",
               {},
               {}};
}

/// Reads members of one object; what is wrong first counts.
class RescaleReader {
public:
  RescaleReader(const Json &object, size_t tensors) : object_(object), tensors_(tensors) {}

  uint64_t number(const char *key, uint64_t least, uint64_t most, uint64_t otherwise) {
    const auto found = object_.find(key);
    return found == object_.end() ? otherwise : checked(*found, least, most);
  }
  size_t tensor(const Json &value) {
    return static_cast<size_t>(checked(value, 0, tensors_ == 0 ? 0 : tensors_ - 1));
  }
  const Json &member(const char *key) {
    static const Json kNothing;
    const auto found = object_.find(key);
    return found == object_.end() ? kNothing : *found;
  }
  double factor(const Json &value) {
    const double factor = value.is_number() ? value.get<double>() : 0.0;
    is_sound_ = is_sound_ && std::isfinite(factor) && factor > 0;
    return factor;
  }
  [[nodiscard]] bool is_sound() const { return is_sound_; }
  void fail() { is_sound_ = false; }

private:
  uint64_t checked(const Json &value, uint64_t least, uint64_t most) {
    const bool is_it = value.is_number_unsigned() && value.get<uint64_t>() >= least &&
                       value.get<uint64_t>() <= most;
    is_sound_ = is_sound_ && is_it;
    return is_it ? value.get<uint64_t>() : least;
  }

  const Json &object_;
  size_t tensors_;
  bool is_sound_ = true;
};

std::optional<Rescale> read_rescale(const Json &json, size_t tensor_count) {
  constexpr uint64_t kMost = 1ULL << 32U; // rows, columns of a head, heads
  if (!json.is_object()) {
    return std::nullopt;
  }
  RescaleReader reader(json, tensor_count);
  Rescale rescale;
  rescale.producer = reader.tensor(reader.member("producer"));
  if (json.contains("bias")) {
    rescale.bias = reader.tensor(reader.member("bias"));
  }
  rescale.first_row = reader.number("firstRow", 0, kMost, 0);
  rescale.head = reader.number("head", 1, kMost, 1);
  rescale.repeats = reader.number("repeats", 1, 1ULL << 16U, 1);
  const Json &balances = reader.member("balances");
  if (!balances.is_array() || balances.empty() || tensor_count == 0) {
    return std::nullopt;
  }
  for (const Json &balance : balances) {
    rescale.balances.push_back(reader.tensor(balance));
  }
  const Json &how = reader.member("how");
  rescale.how = how.is_string() ? how.get<std::string>() : std::string();
  const Json &factors = reader.member("factors");
  for (const Json &factor : factors.is_array() ? factors : Json::array()) {
    rescale.factors.push_back(reader.factor(factor));
  }
  return reader.is_sound() ? std::optional(std::move(rescale)) : std::nullopt;
}

bool is_plain_float(Dtype dtype) {
  return dtype == Dtype::kF32 || dtype == Dtype::kF16 || dtype == Dtype::kBF16;
}

bool can_change(const TensorPlan &entry) {
  return entry.decision() == Decision::kCopy || entry.decision() == Decision::kQuantize ||
         entry.decision() == Decision::kConvert;
}

/// Has its values changed; what is copied is then written anew, as what it is.
template <typename Change>
void change_values(TensorPlan &entry, const Tensor &tensor, const Rescale &rescale,
                   const Change &set) {
  if (entry.decision() == Decision::kCopy) {
    entry.action = Convert{tensor.dtype};
  }
  ValueChange change = entry.change ? *entry.change : ValueChange{};
  set(change);
  change.rescaled = rescale.how;
  entry.change = std::make_shared<const ValueChange>(std::move(change));
}

/// Of all rows of the producer, or of its bias: those that are not divided keep 1.
std::shared_ptr<const std::vector<double>> divisors_of(const Rescale &rescale, uint64_t rows,
                                                       const ValueChange &before) {
  std::vector<double> factors(static_cast<size_t>(rows), 1.0);
  if (before.factors && before.factors->size() == factors.size()) {
    factors = *before.factors;
  }
  for (size_t i = 0; i < rescale.factors.size(); ++i) {
    factors[static_cast<size_t>(rescale.first_row) + i] /= rescale.factors[i];
  }
  return std::make_shared<const std::vector<double>>(std::move(factors));
}

class Rescaler {
public:
  explicit Rescaler(Plan &plan) : plan_(plan) {}

  void rescale(const Rescale &rescale) {
    const std::string producer(catalog::module_name(tensor(rescale.producer).name));
    for (const size_t balance : rescale.balances) {
      TensorPlan &entry = plan_.tensors[balance];
      change_values(entry, tensor(balance), rescale, [&](ValueChange &change) {
        std::vector<double> columns;
        for (size_t column = 0; column < rescale.columns(); ++column) {
          columns.push_back(rescale.factors[rescale.row_of(column)]);
        }
        change.column_factors = std::make_shared<const std::vector<double>>(std::move(columns));
      });
      entry.explanation += concat(", columns rescaled beside ", producer, " (", rescale.how, ")");
    }
    divide(rescale.producer, rescale);
    if (rescale.bias) {
      divide(*rescale.bias, rescale);
    }
  }

private:
  [[nodiscard]] const Tensor &tensor(size_t index) const { return plan_.catalog->tensors[index]; }

  void divide(size_t index, const Rescale &rescale) {
    const Tensor &divided = tensor(index);
    const uint64_t rows = divided.shape.front();
    TensorPlan &entry = plan_.tensors[index];
    const std::string first(catalog::module_name(tensor(rescale.balances.front()).name));
    const bool is_layer = divided.shape.size() > 1;
    change_values(entry, divided, rescale, [&](ValueChange &change) {
      change.factors = divisors_of(rescale, rows, change);
      change.plane = divided.elements / rows;
    });
    entry.explanation += concat(is_layer ? ", rows" : ",", " divided by what columns of ", first,
                                rescale.balances.size() > 1 ? " and others" : "",
                                " are multiplied with (", rescale.how, ")");
  }

  Plan &plan_;
};

} // namespace

Result<std::vector<Rescale>> read_rescales(const Json &list, size_t tensor_count) {
  std::vector<Rescale> rescales;
  for (const Json &item : list.is_array() ? list : Json::array()) {
    auto rescale = read_rescale(item, tensor_count);
    if (!rescale) {
      return wrong_rescale("tensors of the catalog, and finite factors above zero");
    }
    rescales.push_back(std::move(*rescale));
  }
  return rescales;
}

bool fits(const Plan &plan, const Rescale &rescale, uint64_t rows) {
  const std::vector<Tensor> &tensors = plan.catalog->tensors;
  const auto is_one = [&](size_t index) {
    return !tensors[index].shape.empty() && tensors[index].elements > 0 &&
           is_plain_float(tensors[index].dtype) && !tensors[index].codes;
  };
  const auto columns = checked_mul(rows, rescale.repeats);
  const bool divides_heads = rescale.repeats == 1 || rows % rescale.head == 0;
  if (rows == 0 || !columns || !divides_heads || !is_one(rescale.producer)) {
    return false;
  }
  const uint64_t all = tensors[rescale.producer].shape.front();
  if (rescale.first_row > all || rows > all - rescale.first_row) {
    return false;
  }
  if (rescale.bias && (!is_one(*rescale.bias) || tensors[*rescale.bias].shape.size() != 1 ||
                       tensors[*rescale.bias].shape.front() != all)) {
    return false;
  }
  return std::all_of(rescale.balances.begin(), rescale.balances.end(), [&](size_t index) {
    return is_one(index) && tensors[index].shape.size() == 2 &&
           tensors[index].shape.back() == *columns && index != rescale.producer;
  });
}

std::string why_kept(const Plan &plan, const Rescale &rescale) {
  std::vector<size_t> all = rescale.balances;
  all.push_back(rescale.producer);
  if (rescale.bias) {
    all.push_back(*rescale.bias);
  }
  for (const size_t index : all) {
    const TensorPlan &entry = plan.tensors[index];
    const std::string &name = plan.catalog->tensors[index].name;
    if (entry.reason == Reason::kNonFinite || entry.reason == Reason::kOverflow) {
      return concat(name, " has values that cannot be stored otherwise");
    }
    if (!can_change(entry)) {
      return concat(name, " is not written by itself");
    }
    const Quantize *quantize = entry.quantize();
    if (quantize != nullptr &&
        (quantize->stored.blocks || quantize->stored.matrices != 1 ||
         quantize->stored.columns != plan.catalog->tensors[index].shape.back())) {
      return concat(name, " is stored with other rows than it has");
    }
  }
  return {};
}

Result<void> plan_rescaling(Plan &plan, const Options &options) {
  Rescaler rescaler(plan);
  std::vector<bool> is_balanced(plan.tensors.size());
  for (const Rescale &rescale : options.rescales) {
    if (!fits(plan, rescale, rescale.factors.size())) {
      return wrong_rescale("layers whose shapes go together");
    }
    for (const size_t balance : rescale.balances) {
      if (is_balanced[balance]) {
        return wrong_rescale("each weight once behind something that divides");
      }
      is_balanced[balance] = true;
    }
  }
  for (const Rescale &rescale : options.rescales) {
    if (why_kept(plan, rescale).empty()) {
      rescaler.rescale(rescale);
    }
  }
  return {};
}

} // namespace monoquant::plan
