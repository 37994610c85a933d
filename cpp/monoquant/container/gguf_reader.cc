#include <algorithm>
#include <array>
#include <bit>

#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"
#include "monoquant/base/limits.h"
#include "monoquant/base/text.h"
#include "monoquant/base/utf8.h"
#include "monoquant/container/gguf.h"

namespace monoquant::container {
namespace {

constexpr std::string_view kGgufMagic = "GGUF";
constexpr uint64_t kFirstGgufRead = 256ULL * 1024;
constexpr uint64_t kMaxMetadata = 256ULL << 20U; // vocabularies of a million words take 30 MB
constexpr uint64_t kMaxKeys = 100'000;
constexpr uint64_t kMaxText = 16ULL << 20U; // a chat template has some 10 kB
constexpr uint64_t kMaxName = 65535;
constexpr uint32_t kMaxDimensions = 8; // ggml itself has 4
constexpr uint64_t kDefaultAlignment = 32;
constexpr std::array<uint8_t, 13> kWidths = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

Error malformed_gguf(std::string_view what, uint64_t offset) {
  return {ErrorCode::kMalformedFile,
          concat("Expected a GGUF file, found ", what, " at byte ", offset, "."),
          "The file is damaged: get it again.",
          {},
          offset};
}

/// Goes through the metadata. Where they end before it is through, it has run out, and what it returned means nothing.
class Reader {
public:
  Reader(std::span<const uint8_t> bytes, uint64_t file_bytes)
      : bytes_(bytes), file_bytes_(file_bytes) {}

  Result<GgufFile> read() {
    GgufFile file;
    position_ = kGgufMagic.size();
    // A small number, whose bytes are the wrong way round in a file of the other order.
    swaps_ = bytes_.size() > kGgufMagic.size() + 4 && bytes_[kGgufMagic.size()] == 0;
    file.big_endian = swaps_;
    file.version = number<uint32_t>();
    if (!has_run_out_ && file.version != 2 && file.version != 3) {
      return Error{
          ErrorCode::kUnsupportedFormat,
          concat("Expected a GGUF file of version 2 or 3, found version ", file.version, "."),
          "Make it again with a current version of llama.cpp.",
          {},
          kGgufMagic.size()};
    }
    const auto tensors = number<uint64_t>();
    const auto keys = number<uint64_t>();
    if (tensors > kMaxTensors || keys > kMaxKeys) {
      return Error{ErrorCode::kLimitExceeded,
                   concat("Expected a GGUF file of at most ", kMaxTensors, " tensors and ",
                          kMaxKeys, " keys, found ", tensors, " and ", keys, "."),
                   {},
                   {},
                   kGgufMagic.size()};
    }
    for (uint64_t i = 0; i < keys && is_well(); ++i) {
      file.keys.push_back(key());
    }
    for (uint64_t i = 0; i < tensors && is_well(); ++i) {
      file.tensors.push_back(tensor());
    }
    if (error_) {
      return *error_;
    }
    place(file);
    return error_ ? Result<GgufFile>(*error_) : Result<GgufFile>(std::move(file));
  }

  [[nodiscard]] bool has_run_out() const { return has_run_out_; }

private:
  [[nodiscard]] bool is_well() const { return !has_run_out_ && !error_; }
  void fail(std::string_view what) {
    if (!error_) {
      error_ = malformed_gguf(what, position_);
    }
  }

  std::span<const uint8_t> take(uint64_t count) {
    if (!is_well()) {
      return {};
    }
    if (count > file_bytes_ - position_) {
      fail("something that reaches beyond its end");
      return {};
    }
    if (count > bytes_.size() - position_) {
      has_run_out_ = true;
      return {};
    }
    const auto taken = bytes_.subspan(static_cast<size_t>(position_), static_cast<size_t>(count));
    position_ += count;
    return taken;
  }

  template <typename T> T number() {
    const auto bytes = take(sizeof(T));
    if (bytes.empty()) {
      return {};
    }
    std::array<uint8_t, sizeof(T)> ordered{};
    std::copy(bytes.begin(), bytes.end(), ordered.begin());
    if (swaps_) {
      std::reverse(ordered.begin(), ordered.end());
    }
    return load_le<T>(ordered.data());
  }

  std::string text(uint64_t most) {
    const auto length = number<uint64_t>();
    if (length > most) {
      fail("a text that is too long");
    }
    return std::string(text_view(take(length)));
  }

  /// Of the file's own number for it.
  std::optional<GgufType> type() {
    const auto type = number<uint32_t>();
    if (is_well() && type >= kWidths.size()) {
      fail(concat("a value of the unknown type ", type));
    }
    return is_well() ? std::optional(static_cast<GgufType>(type)) : std::nullopt;
  }

  GgufKey key() {
    GgufKey key;
    key.name = text(kMaxName);
    key.begin = position_;
    const auto found = type();
    if (!found) {
      return key;
    }
    key.type = *found;
    if (key.type == GgufType::kString) {
      key.text = text(kMaxText);
    } else if (key.type == GgufType::kArray) {
      skip_array(key);
    } else {
      key.text = std::string(text_view(take(kWidths[static_cast<size_t>(key.type)])));
      if (swaps_) {
        std::reverse(key.text.begin(), key.text.end());
      }
    }
    key.end = position_;
    return key;
  }

  void skip_array(GgufKey &key) {
    const auto of = type();
    const auto count = number<uint64_t>();
    if (!of) {
      return;
    }
    key.element = *of;
    key.count = count;
    if (*of == GgufType::kArray) {
      return fail("an array of arrays"); // ggml refuses these, too
    }
    if (*of == GgufType::kString) {
      for (uint64_t i = 0; i < count && is_well(); ++i) {
        take(number<uint64_t>());
      }
      return;
    }
    const auto bytes = checked_mul(count, kWidths[static_cast<size_t>(*of)]);
    take(bytes.value_or(file_bytes_));
  }

  GgufTensor tensor() {
    GgufTensor tensor;
    tensor.name = text(kMaxName);
    if (is_well() && !is_utf8(tensor.name)) {
      fail("the name of a tensor that is no text");
    }
    const auto dimensions = number<uint32_t>();
    if (dimensions > kMaxDimensions) {
      fail(concat("a tensor of ", dimensions, " dimensions"));
    }
    for (uint32_t i = 0; i < dimensions && is_well(); ++i) {
      tensor.shape.push_back(number<uint64_t>());
    }
    std::reverse(tensor.shape.begin(), tensor.shape.end());
    tensor.type = number<uint32_t>();
    tensor.offset = number<uint64_t>();
    return tensor;
  }

  /// Offsets become those in the file.
  void place(GgufFile &file) {
    uint64_t alignment = kDefaultAlignment;
    for (const GgufKey &key : file.keys) {
      if (key.name == "general.alignment" && key.type == GgufType::kU32 && key.text.size() == 4) {
        alignment = load_le<uint32_t>(reinterpret_cast<const uint8_t *>(key.text.data()));
      }
    }
    if (!std::has_single_bit(alignment)) {
      return fail(concat("an alignment of ", alignment, ", which is no power of two"));
    }
    file.alignment = alignment;
    const uint64_t begin = divide_up(position_, alignment) * alignment;
    for (GgufTensor &tensor : file.tensors) {
      const auto offset = checked_add(begin, tensor.offset);
      if (!offset || *offset > file_bytes_) {
        return fail(concat("the tensor \"", tensor.name, "\" beyond its end"));
      }
      tensor.offset = *offset;
    }
  }

  std::span<const uint8_t> bytes_;
  uint64_t file_bytes_;
  uint64_t position_ = 0;
  bool swaps_ = false;
  bool has_run_out_ = false;
  std::optional<Error> error_;
};

} // namespace

std::string_view GgufFile::text(std::string_view key) const {
  const auto found = std::find_if(keys.begin(), keys.end(), [&](const GgufKey &entry) {
    return entry.type == GgufType::kString && entry.name == key;
  });
  return found == keys.end() ? std::string_view() : std::string_view(found->text);
}

bool looks_like_gguf(std::span<const uint8_t> head) {
  return text_view(head).starts_with(kGgufMagic);
}

Result<Parsed<GgufFile>> read_gguf(const ByteWindow &window) {
  using Step = Parsed<GgufFile>;
  const uint64_t size = window.file_size();
  for (uint64_t wanted = kFirstGgufRead; wanted <= kMaxMetadata; wanted *= 2) {
    const uint64_t bytes = std::min(wanted, size);
    const auto head = window.find(0, bytes);
    if (!head) {
      return Step(Needs{{0, bytes}});
    }
    Reader reader(*head, size);
    auto file = reader.read();
    if (!reader.has_run_out()) {
      return file ? Result<Step>(Step(std::move(file.value()))) : Result<Step>(file.error());
    }
  }
  return Error{ErrorCode::kLimitExceeded,
               concat("Expected a GGUF file with at most ", kMaxMetadata >> 20U,
                      " MiB of metadata, found more."),
               {},
               {},
               0};
}

} // namespace monoquant::container
