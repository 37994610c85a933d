#include "monoquant/container/safetensors_header.h"

#include <algorithm>

#include "monoquant/base/bytes.h"
#include "monoquant/base/json.h"
#include "monoquant/base/limits.h"
#include "monoquant/base/text.h"

namespace monoquant::container {
namespace {

// Nesting that a header may have inside fields that we ignore; the reference reader stops at the same depth.
constexpr size_t kMaxDepth = 128;

/// What one tensor's object has said so far. Offsets still count from the data's start.
struct OpenTensor {
  SafetensorsEntry entry;
  uint64_t begin = 0;
  uint64_t end = 0;
  bool has_dtype = false;
  bool has_shape = false;
  bool has_offsets = false;
};

/// Receives the header's JSON piece by piece. Returning false stops the parser; `failure` then says why.
class HeaderHandler final : public JsonEvents {
public: // The parser's own names for its events.
  bool null() override {
    return state_ == State::kMetadataValue ? leave_metadata() : scalar("null");
  }
  bool boolean(bool /*value*/) override { return scalar("a boolean"); }
  bool number_integer(number_integer_t /*value*/) override { return scalar("a negative number"); }
  bool number_float(number_float_t /*value*/, const string_t &text) override {
    return scalar("the number " + text);
  }
  bool binary(binary_t & /*value*/) override { return scalar("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    switch (state_) {
    case State::kShape:
      if (value > kMaxExtent) {
        return fail(
            concat("dimension ", value, " of tensor \"", open_.entry.name, "\" is beyond 2^53"));
      }
      open_.entry.shape.push_back(value);
      return true;
    case State::kOffsets:
      if (offset_count_ == 2) {
        return fail("data_offsets of \"" + open_.entry.name + "\" has more than two numbers");
      }
      (offset_count_++ == 0 ? open_.begin : open_.end) = value;
      return true;
    default:
      return scalar("a number");
    }
  }

  bool string(string_t &value) override {
    switch (state_) {
    case State::kMetadataMember:
      file_.metadata.emplace_back(std::move(key_), std::move(value));
      return true;
    case State::kDtype: {
      const auto dtype = dtype_from_name(value);
      if (!dtype || !dtype_is_in_safetensors(*dtype)) {
        return fail("tensor \"" + open_.entry.name + "\" has the unknown dtype \"" + value + "\"");
      }
      open_.entry.dtype = *dtype;
      state_ = State::kTensor;
      return true;
    }
    default:
      return scalar("a string");
    }
  }

  bool start_object(size_t /*size*/) override {
    switch (state_) {
    case State::kStart:
      state_ = State::kHeader;
      return true;
    case State::kMetadataValue:
      state_ = State::kMetadataMember;
      return true;
    case State::kTensorValue:
      state_ = State::kTensor;
      return true;
    default:
      return nest("an object");
    }
  }

  bool key(string_t &name) override {
    switch (state_) {
    case State::kHeader:
      return start_member(std::move(name));
    case State::kMetadataMember:
      key_ = std::move(name);
      return true;
    case State::kTensor:
      return start_field(name);
    default:
      return true; // inside a field that we ignore
    }
  }

  bool end_object() override {
    switch (state_) {
    case State::kMetadataMember:
      return leave_metadata();
    case State::kTensor:
      return finish_tensor();
    case State::kHeader:
      state_ = State::kDone;
      return true;
    default:
      return unnest();
    }
  }

  bool start_array(size_t /*size*/) override {
    if (state_ == State::kShapeValue) {
      state_ = State::kShape;
      return true;
    }
    if (state_ == State::kOffsetsValue) {
      offset_count_ = 0;
      state_ = State::kOffsets;
      return true;
    }
    return nest("an array");
  }

  bool end_array() override {
    if (state_ == State::kShape) {
      state_ = State::kTensor;
      return true;
    }
    if (state_ == State::kOffsets) {
      if (offset_count_ != 2) {
        return fail("data_offsets of \"" + open_.entry.name + "\" must be two numbers");
      }
      state_ = State::kTensor;
      return true;
    }
    return unnest();
  }

  bool parse_error(size_t position, const std::string &token,
                   const nlohmann::detail::exception & /*error*/) override {
    failure_ = malformed_safetensors("the header is not valid JSON near \"" + token + "\"",
                                     kSafetensorsPrefix + position);
    return false;
  }

  [[nodiscard]] const std::optional<Error> &failure() const { return failure_; }
  SafetensorsFile take() { return std::move(file_); }

private:
  enum class State : uint8_t {
    kStart,
    kHeader,         // between members of the outermost object
    kMetadataValue,  // after "__metadata__":
    kMetadataMember, // inside it
    kTensorValue,    // after a tensor's name
    kTensor,         // between a tensor's fields
    kDtype,
    kShapeValue,
    kShape,
    kOffsetsValue,
    kOffsets,
    kIgnored, // inside a field that the format does not know
    kDone,
  };

  bool fail(const std::string &message) {
    failure_ = malformed_safetensors(message, kSafetensorsPrefix, open_.entry.name);
    return false;
  }

  bool scalar(std::string_view found) {
    if (state_ == State::kIgnored) {
      if (depth_ == 0) {
        state_ = State::kTensor;
      }
      return true;
    }
    return unexpected(found);
  }

  bool nest(std::string_view found) {
    if (state_ != State::kIgnored) {
      return unexpected(found);
    }
    return ++depth_ <= kMaxDepth || fail("the header nests deeper than 128 levels");
  }

  bool unnest() {
    if (--depth_ == 0) {
      state_ = State::kTensor;
    }
    return true;
  }

  bool unexpected(std::string_view found) {
    std::string_view expected;
    switch (state_) {
    case State::kMetadataValue:
      expected = "__metadata__ must be an object of strings";
      break;
    case State::kMetadataMember:
      return fail(concat("__metadata__ value of \"", key_, "\" must be a string, found ", found));
    case State::kTensorValue:
      return fail(concat("tensor \"", open_.entry.name, "\" must be an object, found ", found));
    case State::kDtype:
      expected = "dtype must be a string";
      break;
    case State::kShapeValue:
    case State::kShape:
      expected = "shape must be an array of non-negative integers";
      break;
    case State::kOffsetsValue:
    case State::kOffsets:
      expected = "data_offsets must be two non-negative integers";
      break;
    default:
      expected = "the header must be a JSON object";
      break;
    }
    const std::string_view of = open_.entry.name.empty() ? "" : ", in tensor ";
    return fail(concat(expected, ", found ", found, of, open_.entry.name));
  }

  bool start_member(std::string name) {
    if (name == "__metadata__") {
      if (saw_metadata_) {
        return fail("__metadata__ occurs twice");
      }
      saw_metadata_ = true;
      state_ = State::kMetadataValue;
      return true;
    }
    if (file_.entries.size() == kMaxTensors) {
      failure_ = Error{ErrorCode::kLimitExceeded,
                       concat("The file lists more than ", kMaxTensors, " tensors."),
                       "Split the checkpoint into several files.",
                       {},
                       kSafetensorsPrefix};
      return false;
    }
    open_ = OpenTensor{};
    open_.entry.name = std::move(name);
    state_ = State::kTensorValue;
    return true;
  }

  bool start_field(const std::string &name) {
    bool *seen = nullptr;
    if (name == "dtype") {
      seen = &open_.has_dtype;
      state_ = State::kDtype;
    } else if (name == "shape") {
      seen = &open_.has_shape;
      state_ = State::kShapeValue;
    } else if (name == "data_offsets") {
      seen = &open_.has_offsets;
      state_ = State::kOffsetsValue;
    } else {
      state_ = State::kIgnored;
      depth_ = 0;
      return true;
    }
    if (*seen) {
      return fail("field " + name + " of tensor \"" + open_.entry.name + "\" occurs twice");
    }
    *seen = true;
    return true;
  }

  bool finish_tensor() {
    if (!open_.has_dtype || !open_.has_shape || !open_.has_offsets) {
      const std::string_view missing = !open_.has_dtype   ? "dtype"
                                       : !open_.has_shape ? "shape"
                                                          : "data_offsets";
      return fail(concat("tensor \"", open_.entry.name, "\" has no ", missing));
    }
    if (open_.begin > open_.end) {
      return fail("data_offsets of \"" + open_.entry.name + "\" end before they begin");
    }
    open_.entry.offset = open_.begin;
    open_.entry.bytes = open_.end - open_.begin;
    file_.entries.push_back(std::move(open_.entry));
    open_ = OpenTensor{};
    state_ = State::kHeader;
    return true;
  }

  bool leave_metadata() {
    state_ = State::kHeader;
    return true;
  }

  State state_ = State::kStart;
  size_t depth_ = 0; // inside an ignored field
  size_t offset_count_ = 0;
  bool saw_metadata_ = false;
  std::string key_;
  OpenTensor open_;
  SafetensorsFile file_;
  std::optional<Error> failure_;
};

} // namespace

Error malformed_safetensors(const std::string &message, uint64_t offset, std::string tensor) {
  return {ErrorCode::kMalformedFile, concat("Malformed safetensors file: ", message, "."),
          "Download or export the file again.", std::move(tensor), offset};
}

Result<SafetensorsFile> parse_safetensors_header(std::span<const uint8_t> json) {
  // The JSON library takes NUL for the end and skips a byte order mark; the format allows neither.
  const auto nul = std::find(json.begin(), json.end(), uint8_t{0});
  if (nul != json.end()) {
    return malformed_safetensors("the header contains a NUL byte",
                                 kSafetensorsPrefix + static_cast<uint64_t>(nul - json.begin()));
  }
  if (json.empty() || json[0] == 0xEFU) {
    return malformed_safetensors("the header must begin with '{'", kSafetensorsPrefix);
  }

  HeaderHandler handler;
  const bool parsed = read_json(text_view(json), handler);
  if (handler.failure()) {
    return *handler.failure();
  }
  if (!parsed) {
    return malformed_safetensors("the header is not valid JSON", kSafetensorsPrefix);
  }
  return handler.take();
}

} // namespace monoquant::container
