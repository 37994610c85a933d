#include "monoquant/base/result.h"

namespace monoquant {

std::string_view error_code_name(ErrorCode code) {
  switch (code) {
  case ErrorCode::kUnsupportedFormat:
    return "unsupported-format";
  case ErrorCode::kUnsupportedLayout:
    return "unsupported-layout";
  case ErrorCode::kAlreadyQuantized:
    return "already-quantized";
  case ErrorCode::kMalformedFile:
    return "malformed-file";
  case ErrorCode::kLimitExceeded:
    return "limit-exceeded";
  case ErrorCode::kFileTruncated:
    return "file-truncated";
  case ErrorCode::kInvalidOptions:
    return "invalid-options";
  case ErrorCode::kNothingToQuantize:
    return "nothing-to-quantize";
  case ErrorCode::kNonFiniteWeights:
    return "non-finite-weights";
  case ErrorCode::kVerificationFailed:
    return "verification-failed";
  case ErrorCode::kInternal:
    break;
  }
  return "internal";
}

Error broken_promise(std::string message) {
  return {ErrorCode::kInternal, std::move(message), {}, {}, {}};
}

} // namespace monoquant
