// JSON text, written from front to back.
// It exists because documents are long (100,000 tensors) and only ever written: no tree is built first.
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

  /// What has been written.
  [[nodiscard]] const std::string &text() const { return text_; }
  std::string take() { return std::move(text_); }

private:
  void natural(uint64_t number);
  void integer(int64_t number);
  void separate();

  std::string text_;
  std::string open_; // the brackets that end() will write
};

/// The error as TypeScript's EngineError.
std::string error_json(const Error &error);

} // namespace monoquant
