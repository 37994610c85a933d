#include "monoquant/torch/storage_claims.h"

#include "monoquant/base/text.h"

namespace monoquant::torch {

Error malformed_checkpoint(const std::string &message, std::string tensor) {
  return {ErrorCode::kMalformedFile, concat("Malformed PyTorch checkpoint: ", message, "."),
          "Download or save the checkpoint again.", std::move(tensor), std::nullopt};
}

Result<size_t> StorageClaims::claim(const std::string &key, uint64_t bytes) {
  const auto [entry, is_new] = by_key_.try_emplace(key, claims_.size());
  if (is_new) {
    claims_.push_back({key, bytes, false, {}});
  } else if (claims_[entry->second].bytes != bytes) {
    return malformed_checkpoint(concat("storage \"", key, "\" has ", bytes,
                                       " bytes in one place and ", claims_[entry->second].bytes,
                                       " in another"));
  }
  return entry->second;
}

Result<size_t> StorageClaims::claim_literal(std::vector<uint8_t> bytes) {
  const uint64_t size = bytes.size();
  literal_bytes_ += size;
  if (literal_bytes_ > kMaxLiteralBytes) {
    return Error{ErrorCode::kLimitExceeded,
                 concat("The checkpoint's pickle holds more than ", kMaxLiteralBytes,
                        " bytes of scales and zero points."),
                 "Save them as tensors.",
                 {},
                 {}};
  }
  claims_.push_back({{}, size, true, std::move(bytes)});
  return claims_.size() - 1;
}

const StorageClaim *StorageClaims::find(const std::string &key) const {
  const auto entry = by_key_.find(key);
  return entry == by_key_.end() ? nullptr : &claims_[entry->second];
}

} // namespace monoquant::torch
