// The bytes of a pickle, read from the front.
// It exists because every length in a pickle is a claim: each is held against what there is before it is used.
// Once it has failed or wants more bytes, every read gives nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "monoquant/base/bytes.h"
#include "monoquant/base/result.h"
#include "monoquant/torch/pickle.h"

namespace monoquant::torch {

class PickleSource {
public:
  PickleSource(std::span<const uint8_t> bytes, bool is_whole, uint64_t origin)
      : bytes_(bytes), is_whole_(is_whole), origin_(origin) {}

  [[nodiscard]] size_t position() const { return position_; }
  [[nodiscard]] bool wants_more() const { return wants_more_; }
  [[nodiscard]] const std::optional<Error> &error() const { return error_; }
  [[nodiscard]] bool is_good() const { return !wants_more_ && !error_; }

  /// Marks the opcode that errors from now on are about.
  void begin_opcode() { opcode_ = position_; }

  /// The next `length` bytes.
  std::optional<std::string_view> take(uint64_t length);
  /// The bytes up to the next newline, which is passed over.
  std::optional<std::string_view> line();
  /// True where there are `length` more bytes; they are not taken.
  bool has(uint64_t length);

  template <typename T> std::optional<T> number() {
    const auto bytes = take(sizeof(T));
    if (!bytes) {
      return std::nullopt;
    }
    return load_le<T>(reinterpret_cast<const uint8_t *>(bytes->data()));
  }

  /// What follows its own length, a number of type T.
  template <typename T> std::optional<std::string_view> sized() {
    const auto length = number<T>();
    return length ? take(*length) : std::nullopt;
  }

  /// Ends reading with an error about the current opcode; always false. `what`: "expected …, found …".
  bool malformed(std::string_view what);
  bool exceeded(std::string_view what);

private:
  void run_out(std::string_view what);

  std::span<const uint8_t> bytes_;
  bool is_whole_;
  uint64_t origin_;
  size_t position_ = 0;
  size_t opcode_ = 0;
  bool wants_more_ = false;
  std::optional<Error> error_;
};

} // namespace monoquant::torch
