#include "monoquant/torch/pickle_source.h"

#include <algorithm>
#include <cstring>

#include "monoquant/base/text.h"

namespace monoquant::torch {

bool PickleSource::malformed(std::string_view what) {
  if (!error_) {
    error_ = Error{ErrorCode::kMalformedFile,
                   concat("The pickle is malformed: ", what, "."),
                   "Download or export the file again.",
                   {},
                   origin_ + opcode_};
  }
  return false;
}

bool PickleSource::exceeded(std::string_view what) {
  if (!error_) {
    error_ = Error{ErrorCode::kLimitExceeded,
                   concat("The pickle is too large: ", what, "."),
                   "Save only the model's state dict, and quantize that.",
                   {},
                   origin_ + opcode_};
  }
  return false;
}

void PickleSource::run_out(std::string_view what) {
  if (!is_whole_) {
    wants_more_ = true;
    return;
  }
  error_ = Error{ErrorCode::kFileTruncated,
                 concat("The pickle ends too early: expected ", what, ", found ",
                        bytes_.size() - position_, " bytes."),
                 "Download or copy the file again: it is incomplete.",
                 {},
                 origin_ + bytes_.size()};
}

bool PickleSource::has(uint64_t length) {
  if (!is_good()) {
    return false;
  }
  const uint64_t left = bytes_.size() - position_;
  if (length > left && is_whole_) {
    run_out(concat(length, length == 1 ? " more byte" : " more bytes"));
  } else if (length > kMaxPickleBytes - position_) {
    // Before asking for more: a claim of terabytes must not make anybody read them.
    exceeded(concat("expected at most ", kMaxPickleBytes, " bytes, found ", length, " more after ",
                    position_));
  } else if (length > left) {
    run_out({});
  }
  return is_good();
}

std::optional<std::string_view> PickleSource::take(uint64_t length) {
  if (!has(length)) {
    return std::nullopt;
  }
  const auto *begin = reinterpret_cast<const char *>(bytes_.data()) + position_;
  position_ += static_cast<size_t>(length);
  return std::string_view(begin, static_cast<size_t>(length));
}

std::optional<std::string_view> PickleSource::line() {
  if (!has(1)) {
    return std::nullopt;
  }
  const size_t most = static_cast<size_t>(std::min<uint64_t>(bytes_.size(), kMaxPickleBytes));
  const auto *begin = bytes_.data() + position_;
  const auto *end = static_cast<const uint8_t *>(std::memchr(begin, '\n', most - position_));
  if (end == nullptr) {
    if (most < bytes_.size() || most == kMaxPickleBytes) {
      exceeded(concat("expected at most ", kMaxPickleBytes, " bytes, found a line that goes on"));
    } else {
      run_out("the end of a line");
    }
    return std::nullopt;
  }
  const auto length = static_cast<size_t>(end - begin);
  position_ += length + 1;
  return std::string_view(reinterpret_cast<const char *>(begin), length);
}

} // namespace monoquant::torch
