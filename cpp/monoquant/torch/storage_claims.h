// What a pickle says about storages: a key and a size each, and where their bytes are is not its business.
// It exists so that tensors can be rebuilt and chosen before the container is asked for any place.
// A key has one size: two that differ are a broken file.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "monoquant/base/result.h"

namespace monoquant::torch {

struct StorageClaim {
  std::string key; // empty for a literal
  uint64_t bytes = 0;
  bool is_literal = false;
  std::vector<uint8_t> literal; // the content, where the pickle itself holds it
};

inline constexpr uint64_t kMaxLiteralBytes = 16ULL
                                             << 20U; // scales that stand in pickles as numbers

class StorageClaims {
public:
  /// The claim of a key, made where it is new. Errors: kMalformedFile (another size than before).
  Result<size_t> claim(const std::string &key, uint64_t bytes);
  /// Errors: kLimitExceeded (all literals together).
  Result<size_t> claim_literal(std::vector<uint8_t> bytes);

  [[nodiscard]] const StorageClaim &at(size_t index) const { return claims_[index]; }
  [[nodiscard]] size_t size() const { return claims_.size(); }
  /// Nothing where no tensor and no reference named the key.
  [[nodiscard]] const StorageClaim *find(const std::string &key) const;

private:
  std::vector<StorageClaim> claims_;
  uint64_t literal_bytes_ = 0;
  std::map<std::string, size_t, std::less<>> by_key_;
};

/// kMalformedFile, with the sentence that all errors of checkpoints begin with.
Error malformed_checkpoint(const std::string &message, std::string tensor = {});

} // namespace monoquant::torch
