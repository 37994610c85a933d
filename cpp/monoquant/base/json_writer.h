// JSON text, written from front to back.
// It exists because documents are long (200,000 tensors) and only ever written: no tree is built first, and who can
// take them in pieces never has one whole in memory.
// Commas come by themselves; numbers that JSON lacks are null; bytes that are not UTF-8 are replaced by U+FFFD.
#pragma once

#include <concepts>
#include <cstdint>
#include <ranges>
#include <string>
#include <string_view>

#include "monoquant/base/result.h"

namespace monoquant {

class JsonWriter {
public:
  /// Takes what has been written so far: whole characters, and no piece of more than kPiece bytes but for long values.
  struct Sink {
    virtual void take(std::string_view piece) = 0;

  protected:
    ~Sink() = default;
  };
  static constexpr size_t kPiece = 64U << 10U;

  /// Keeps what is written.
  JsonWriter() = default;
  /// Hands it over in pieces, the last of them with `finish`.
  explicit JsonWriter(Sink &sink) : sink_(&sink) {}

  /// Opens what end() closes again.
  JsonWriter &begin_object();
  JsonWriter &begin_array();
  JsonWriter &end();

  /// The name of the member that comes next. Names must be unique.
  JsonWriter &key(std::string_view name);

  void value(std::nullptr_t nothing);
  void value(bool flag);
  void value(std::unsigned_integral auto number) { natural(number); }
  void value(std::signed_integral auto number) { integer(number); }
  void value(double number);
  void value(const std::string &text);
  void value(std::string_view text);
  void value(const char *text) { value(std::string_view(text)); }
  template <std::ranges::range List>
  requires(!std::convertible_to<const List &, std::string_view>) void value(const List &list) {
    begin_array();
    for (const auto &item : list) {
      value(item);
    }
    end();
  }

  /// One that is JSON text already.
  void document(std::string_view text);

  template <typename T> void member(const char *name, const T &value) {
    key(name);
    this->value(value);
  }

  /// A list of values of several kinds.
  template <typename... Values> void row(const Values &...values) {
    begin_array();
    (value(values), ...);
    end();
  }

  /// Where a sink takes what is written: hands over the rest.
  void finish() { hand_over(); }

  /// Room for so many bytes, so that long texts do not grow by being copied.
  void reserve(size_t bytes) { text_.reserve(bytes); }
  /// What has been written.
  [[nodiscard]] const std::string &text() const { return text_; }
  std::string take() { return std::move(text_); }

private:
  void natural(uint64_t number);
  void integer(int64_t number);
  void separate();
  void hand_over();

  Sink *sink_ = nullptr;
  std::string text_;
  char last_ = 0;    // of what was handed over
  std::string open_; // the brackets that end() will write
};

/// The error as TypeScript's EngineError.
std::string error_json(const Error &error);

} // namespace monoquant
