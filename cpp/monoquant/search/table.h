// What was measured of a model: what each set of tensors costs and loses with each of its options.
// It exists so that choosing is apart from measuring: whoever chooses sees numbers only.
// Tensors that a runtime fuses into one layer are one set, because one decision holds for all of them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "monoquant/base/result.h"

namespace monoquant::search {

/// One way to store a set.
struct Option {
  uint64_t bytes = 0; // in the file, of all members
  double error = 0;   // noise / signal, summed over the members, times the prior of their place
  double worst = 0;   // the largest noise / signal of a member
  double time = 0;    // milliseconds; 0 if it was not measured
};

/// An option of every set, by its index among the options of that set.
using Choice = std::vector<uint16_t>;

/// What a choice costs and loses.
struct Score {
  uint64_t bytes = 0; // of the whole file
  double error = 0;
  double worst = 0;
  double time = 0;
};

/// Limits: options of one set; bytes of a file, which JavaScript keeps exactly; any number of a table.
inline constexpr uint32_t kMostOptions = 4096;
inline constexpr uint64_t kMostBytes = 1ULL << 53U;
inline constexpr double kMostLoss = 1e100;

/// Sets and their options. Every sum over any choice is finite and at most kMostBytes.
class Table {
public:
  /// `fixed_bytes`: what no choice changes. Errors: kInvalidOptions for a set without options or with more than
  /// kMostOptions, losses that are no numbers from 0 to kMostLoss, and files of more than kMostBytes.
  static Result<Table> make(const std::vector<std::vector<Option>> &sets, uint64_t fixed_bytes);

  [[nodiscard]] uint32_t sets() const { return static_cast<uint32_t>(begins_.size() - 1); }
  [[nodiscard]] std::span<const Option> options(uint32_t set) const {
    return std::span(options_).subspan(begins_[set], begins_[set + 1] - begins_[set]);
  }
  [[nodiscard]] const Option &option(uint32_t set, uint32_t option) const {
    return options_[begins_[set] + option];
  }
  /// Of all options in a row, the first one of a set.
  [[nodiscard]] uint32_t begin(uint32_t set) const { return begins_[set]; }
  [[nodiscard]] std::span<const Option> all_options() const { return options_; }
  [[nodiscard]] uint64_t fixed_bytes() const { return fixed_bytes_; }

  /// Sums run from the first set to the last, so a choice has one score.
  [[nodiscard]] Score score(std::span<const uint16_t> choice) const;
  /// Whether it names an option of every set.
  [[nodiscard]] bool holds(std::span<const uint16_t> choice) const;

private:
  Table() = default;

  uint64_t fixed_bytes_ = 0;
  std::vector<Option> options_;
  std::vector<uint32_t> begins_ = {0};
};

} // namespace monoquant::search
