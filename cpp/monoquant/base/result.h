// Errors as values: Result<T> is a T or an Error.
// It exists because the core is built without exceptions and every failure must reach the user in words.
// An Error always says what was expected, what was found and where; its code is mirrored in js/api/errors.ts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace monoquant {

enum class ErrorCode : uint8_t {
  kUnsupportedFormat, // not a file that this engine reads
  kUnsupportedLayout, // codes in a layout that this engine does not read
  kAlreadyQuantized,  // codes where plain numbers are wanted
  kMalformedFile,     // the format is known, but the file breaks its rules
  kLimitExceeded,     // a named limit of this engine
  kFileTruncated,     // the file ends before what its header promises
  kInvalidOptions,    // options that contradict each other or the file
  kNothingToQuantize, // every tensor would be copied
  kNonFiniteWeights,  // NaN or infinity where the caller wants an error
  kVerificationFailed,
  kInternal, // a promise between the engine and its host was broken
};

/// The name of a code as users and TypeScript see it, for instance "malformed-file".
std::string_view error_code_name(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;            // one sentence
  std::string suggestion;         // what to do about it; may be empty
  std::string tensor;             // the tensor it is about; may be empty
  std::optional<uint64_t> offset; // where in the file, in bytes
};

/// The error of a host, or of a part of the engine, that did not keep to what a call expects.
Error broken_promise(std::string message);

/// A value or an Error. Check has_value() before value().
template <typename T> class [[nodiscard]] Result {
public:
  Result(T value) : state_(std::move(value)) {}     // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::move(error)) {} // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T &value() { return *std::get_if<0>(&state_); }
  const T &value() const { return *std::get_if<0>(&state_); }
  Error &error() { return *std::get_if<1>(&state_); }
  [[nodiscard]] const Error &error() const { return *std::get_if<1>(&state_); }

private:
  std::variant<T, Error> state_;
};

/// Success without a value, or an Error.
template <> class [[nodiscard]] Result<void> {
public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {} // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool has_value() const { return !error_.has_value(); }
  explicit operator bool() const { return has_value(); }
  Error &error() { return *error_; }
  [[nodiscard]] const Error &error() const { return *error_; }

private:
  std::optional<Error> error_;
};

} // namespace monoquant
