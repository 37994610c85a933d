#include "monoquant/container/gguf_writer.h"

#include <algorithm>
#include <functional>

#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"
#include "monoquant/base/limits.h"
#include "monoquant/base/sort.h"
#include "monoquant/base/text.h"
#include "monoquant/container/gguf.h"

namespace monoquant::container {
namespace {

constexpr uint32_t kWrittenVersion = 3;
constexpr uint64_t kMaxGgufFile = (1ULL << 53U) - 1; // integers that JavaScript holds exactly

bool is_of_nothing(const GgufValue &value) {
  return std::visit(
      [](const auto &held) {
        if constexpr (requires { held.empty(); }) {
          return held.empty();
        }
        return false;
      },
      value);
}

class GgufBytes {
public:
  template <typename T> void number(T value) {
    bytes_.resize(bytes_.size() + sizeof(T));
    store_le(bytes_.data() + bytes_.size() - sizeof(T), value);
  }
  void text(std::string_view text) {
    number<uint64_t>(text.size());
    raw(text);
  }
  void raw(std::string_view text) { bytes_.insert(bytes_.end(), text.begin(), text.end()); }
  void type(GgufType type) { number(static_cast<uint32_t>(type)); }

  void value(bool value) { type(GgufType::kBool), number<uint8_t>(value ? 1 : 0); }
  void value(uint16_t value) { type(GgufType::kU16), number(value); }
  void value(int32_t value) { type(GgufType::kI32), number(value); }
  void value(uint32_t value) { type(GgufType::kU32), number(value); }
  void value(uint64_t value) { type(GgufType::kU64), number(value); }
  void value(float value) { type(GgufType::kF32), number(value); }
  void value(const std::string &value) { type(GgufType::kString), text(value); }
  void value(const GgufRaw &value) { raw(value.bytes); }
  void value(const std::vector<int32_t> &values) { numbers(GgufType::kI32, values); }
  void value(const std::vector<float> &values) { numbers(GgufType::kF32, values); }
  void value(const std::vector<std::string> &values) {
    begin_array(GgufType::kString, values.size());
    for (const std::string &value : values) {
      text(value);
    }
  }

  void pad() {
    bytes_.resize(static_cast<size_t>(divide_up(bytes_.size(), kGgufAlignment) * kGgufAlignment));
  }
  std::vector<uint8_t> take() { return std::move(bytes_); }
  [[nodiscard]] size_t size() const { return bytes_.size(); }

private:
  void begin_array(GgufType of, size_t count) {
    type(GgufType::kArray), type(of), number<uint64_t>(count);
  }
  template <typename T> void numbers(GgufType of, const std::vector<T> &values) {
    begin_array(of, values.size());
    for (const T value : values) {
      number(value);
    }
  }

  std::vector<uint8_t> bytes_;
};

Error unfit_tensor(std::string what, const GgufOutput &tensor) {
  return {ErrorCode::kLimitExceeded,
          std::move(what),
          "ggml reads no such tensor: leave it out.",
          tensor.name,
          {}};
}

Result<void> check_output(const GgufOutput &tensor, size_t longest_name) {
  if (tensor.name.empty() || tensor.name.size() > longest_name) {
    return unfit_tensor(concat("Expected names of 1 to ", longest_name, " bytes, found one of ",
                               tensor.name.size(), "."),
                        tensor);
  }
  if (tensor.shape.size() > kMaxGgufDimensions) {
    return unfit_tensor(concat("Expected tensors of at most ", kMaxGgufDimensions,
                               " dimensions, found one of ", shape_text(tensor.shape), "."),
                        tensor);
  }
  return {};
}

/// Names must be unique: ggml refuses a file that has one twice.
Result<void> check_names(std::span<const GgufOutput> tensors, size_t longest_name) {
  std::vector<std::string_view> names;
  names.reserve(tensors.size());
  for (const GgufOutput &tensor : tensors) {
    if (auto fits = check_output(tensor, longest_name); !fits) {
      return fits;
    }
    names.emplace_back(tensor.name);
  }
  sort(names, std::less<>());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) {
    return Error{ErrorCode::kInvalidOptions,
                 concat("Two tensors of the output would have the name \"", *twice, "\"."),
                 {},
                 std::string(*twice),
                 {}};
  }
  return {};
}

/// Offsets count from where the data begin; returns where they end.
Result<uint64_t> place_outputs(std::span<GgufOutput> tensors) {
  uint64_t position = 0;
  for (GgufOutput &tensor : tensors) {
    tensor.offset = position;
    const auto end = checked_add(position, tensor.bytes);
    if (!end || *end > kMaxGgufFile - kGgufAlignment) {
      return Error{ErrorCode::kLimitExceeded,
                   "The output would have more than 2^53 bytes.",
                   {},
                   tensor.name,
                   {}};
    }
    position = divide_up(*end, kGgufAlignment) * kGgufAlignment;
  }
  return position;
}

void write_info(GgufBytes &out, const GgufOutput &tensor) {
  out.text(tensor.name);
  out.number(static_cast<uint32_t>(std::max<size_t>(tensor.shape.size(), 1)));
  if (tensor.shape.empty()) {
    out.number<uint64_t>(1); // a single number: a row of one, which every reader knows
  }
  std::for_each(tensor.shape.rbegin(), tensor.shape.rend(),
                [&](uint64_t extent) { out.number(extent); });
  out.number(tensor.type);
  out.number(tensor.offset);
}

} // namespace

void GgufKeys::set(std::string_view name, GgufValue value) {
  if (is_of_nothing(value)) {
    return;
  }
  const auto found =
      std::find_if(keys_.begin(), keys_.end(), [&](const Key &key) { return key.name == name; });
  if (found == keys_.end()) {
    keys_.push_back({std::string(name), std::move(value)});
  } else {
    found->value = std::move(value);
  }
}

void GgufKeys::remove(std::string_view name) {
  std::erase_if(keys_, [&](const Key &key) { return key.name == name; });
}

void GgufKeys::set_last(std::string_view name, GgufValue value) {
  remove(name);
  set(name, std::move(value));
}

void GgufKeys::append(GgufKeys others) {
  for (Key &key : others.keys_) {
    set(key.name, std::move(key.value));
  }
}

const GgufValue *GgufKeys::find(std::string_view name) const {
  const auto found =
      std::find_if(keys_.begin(), keys_.end(), [&](const Key &key) { return key.name == name; });
  return found == keys_.end() ? nullptr : &found->value;
}

Result<GgufLayout> layout_gguf(const GgufKeys &keys, std::span<GgufOutput> tensors,
                               size_t longest_name) {
  if (tensors.size() > kMaxTensors) {
    return Error{ErrorCode::kLimitExceeded,
                 concat("The output would have ", tensors.size(), " tensors; at most ", kMaxTensors,
                        " are written."),
                 {},
                 {},
                 {}};
  }
  if (const auto names = check_names(tensors, longest_name); !names) {
    return names.error();
  }
  const auto data_bytes = place_outputs(tensors);
  if (!data_bytes) {
    return data_bytes.error();
  }
  GgufBytes out;
  out.raw("GGUF");
  out.number(kWrittenVersion);
  out.number<uint64_t>(tensors.size());
  out.number<uint64_t>(keys.all().size());
  for (const GgufKeys::Key &key : keys.all()) {
    out.text(key.name);
    std::visit([&](const auto &value) { out.value(value); }, key.value);
  }
  for (const GgufOutput &tensor : tensors) {
    write_info(out, tensor);
  }
  out.pad();
  const uint64_t begin = out.size();
  for (GgufOutput &tensor : tensors) {
    tensor.offset += begin;
  }
  return GgufLayout{out.take(), begin + data_bytes.value()};
}

} // namespace monoquant::container
