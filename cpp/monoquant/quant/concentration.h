// How much of a sum its largest members make: of errors by channel, and by single weight.
// It exists because outliers are told by that: an even error has 1 % of it in 1 % of the channels.
// Always: equal members are told in the order in which they came, so that the answer does not depend on the host.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace monoquant::quant {

/// The largest members are named up to so many.
inline constexpr size_t kMostNamed = 4;

struct Concentration {
  uint64_t members = 0; // all of them
  uint64_t largest = 0; // how many the share is of
  double share = 0;     // of the sum, that the largest have; 0 if the sum is
  struct Named {
    uint64_t index = 0;
    double share = 0;
  };
  std::vector<Named> named; // from the largest; none that is 0
};

/// Of members that are all known, none negative: the largest is one for each `each`, at least one.
Concentration concentration_of(std::span<const double> members, uint64_t each);

/// The same of members that come one after the other and are too many to keep. At most kMostKept are the largest.
class LargestMembers {
public:
  static constexpr uint64_t kMostKept = uint64_t{1} << 16U;

  LargestMembers(uint64_t members, uint64_t each);

  /// The next one, not negative.
  void add(double member) {
    const uint64_t index = next_++;
    if (member > least_) {
      keep(member, index);
    }
  }
  /// `sum`: of all members.
  [[nodiscard]] Concentration finish(double sum);

private:
  struct Member {
    double value = 0;
    uint64_t index = 0;
  };

  void keep(double member, uint64_t index);
  void cut();

  uint64_t members_;
  size_t largest_;
  uint64_t next_ = 0;
  double least_ = 0; // no smaller one, nor a later one of the same size, is among the largest
  std::vector<Member> kept_;
};

} // namespace monoquant::quant
