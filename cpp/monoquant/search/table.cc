#include "monoquant/search/table.h"

#include <algorithm>

#include "monoquant/base/text.h"

namespace monoquant::search {
namespace {

constexpr uint32_t kMostTableOptions = 1U << 24U;

Error bad_table(std::string message) {
  return {.code = ErrorCode::kInvalidOptions,
          .message = std::move(message),
          .suggestion = {},
          .tensor = {},
          .offset = {}};
}

/// False also for what is no number.
bool is_loss(double value) { return value >= 0 && value <= kMostLoss; }

Result<void> check_set(size_t index, const std::vector<Option> &options) {
  if (options.empty() || options.size() > kMostOptions) {
    return bad_table(concat("Expected 1 to ", kMostOptions, " options of set ", index, ", found ",
                            options.size(), "."));
  }
  for (size_t i = 0; i < options.size(); ++i) {
    const Option &option = options[i];
    if (!is_loss(option.error) || !is_loss(option.worst) || !is_loss(option.time)) {
      return bad_table(concat("Expected errors and times of at least 0 and at most 1e100, found "
                              "something else at option ",
                              i, " of set ", index, "."));
    }
  }
  return {};
}

} // namespace

Result<Table> Table::make(const std::vector<std::vector<Option>> &sets, uint64_t fixed_bytes) {
  const auto too_large = [] {
    return bad_table(
        concat("Expected files of at most ", kMostBytes, " bytes, found options of more."));
  };
  if (fixed_bytes > kMostBytes) {
    return too_large();
  }
  Table table;
  table.fixed_bytes_ = fixed_bytes;
  uint64_t most = fixed_bytes;
  for (size_t i = 0; i < sets.size(); ++i) {
    const auto checked = check_set(i, sets[i]);
    if (!checked) {
      return checked.error();
    }
    if (sets[i].size() > kMostTableOptions - table.options_.size()) {
      return bad_table(concat("Expected at most ", kMostTableOptions, " options in all."));
    }
    table.options_.insert(table.options_.end(), sets[i].begin(), sets[i].end());
    table.begins_.push_back(static_cast<uint32_t>(table.options_.size()));
    uint64_t largest = 0;
    for (const Option &option : sets[i]) {
      largest = std::max(largest, option.bytes);
    }
    if (largest > kMostBytes - most) {
      return too_large();
    }
    most += largest;
  }
  return table;
}

Score Table::score(std::span<const uint16_t> choice) const {
  Score sum;
  sum.bytes = fixed_bytes_;
  for (uint32_t set = 0; set < sets(); ++set) {
    const Option &chosen = option(set, choice[set]);
    sum.bytes += chosen.bytes;
    sum.error += chosen.error;
    sum.worst = std::max(sum.worst, chosen.worst);
    sum.time += chosen.time;
  }
  return sum;
}

bool Table::holds(std::span<const uint16_t> choice) const {
  if (choice.size() != sets()) {
    return false;
  }
  for (uint32_t set = 0; set < sets(); ++set) {
    if (choice[set] >= options(set).size()) {
      return false;
    }
  }
  return true;
}

} // namespace monoquant::search
