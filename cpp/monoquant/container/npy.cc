#include "monoquant/container/npy.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"
#include "monoquant/base/text.h"

namespace monoquant::container {
namespace {

constexpr std::string_view kNpyMagic = "\x93NUMPY";
constexpr size_t kVersionEnd = 8;
constexpr size_t kMaxQuoted = 40; // of a descr, in a message

struct NpyType {
  std::string_view code; // without the byte order
  Dtype dtype;
};
// NumPy's array protocol: a kind and a number of bytes.
constexpr std::array<NpyType, 14> kTypes = {{{"b1", Dtype::kBool},
                                             {"i1", Dtype::kI8},
                                             {"u1", Dtype::kU8},
                                             {"i2", Dtype::kI16},
                                             {"u2", Dtype::kU16},
                                             {"i4", Dtype::kI32},
                                             {"u4", Dtype::kU32},
                                             {"i8", Dtype::kI64},
                                             {"u8", Dtype::kU64},
                                             {"f2", Dtype::kF16},
                                             {"f4", Dtype::kF32},
                                             {"f8", Dtype::kF64},
                                             {"c8", Dtype::kC64},
                                             {"c16", Dtype::kC128}}};

Error malformed_npy(std::string_view name, std::string_view found) {
  return {ErrorCode::kMalformedFile,
          concat("Expected \"", name, "\" to be a NumPy array, found ", found, "."),
          "Save the arrays again with numpy.savez.",
          std::string(name),
          {}};
}

/// The grammar of headers: { 'key': value, … } with values 'text', True, False, (1, 2,).
class HeaderParser {
public:
  explicit HeaderParser(std::string_view text) : text_(text) {}

  bool take(char expected) {
    skip_space();
    if (text_.empty() || text_.front() != expected) {
      return false;
    }
    text_.remove_prefix(1);
    return true;
  }

  /// A quoted string without escapes.
  std::optional<std::string_view> quoted() {
    skip_space();
    const char quote = text_.empty() ? '\0' : text_.front();
    const size_t end = quote == '\'' || quote == '"' ? text_.find(quote, 1) : text_.npos;
    if (end == text_.npos) {
      return std::nullopt;
    }
    const std::string_view inside = text_.substr(1, end - 1);
    text_.remove_prefix(end + 1);
    return inside.find('\\') == inside.npos ? std::optional(inside) : std::nullopt;
  }

  std::optional<bool> boolean() {
    skip_space();
    for (const bool value : {false, true}) {
      const std::string_view word = value ? "True" : "False";
      if (text_.starts_with(word)) {
        text_.remove_prefix(word.size());
        return value;
      }
    }
    return std::nullopt;
  }

  std::optional<std::vector<uint64_t>> shape() {
    std::vector<uint64_t> extents;
    if (!take('(')) {
      return std::nullopt;
    }
    while (!take(')')) {
      const auto extent = number();
      if (!extent || extents.size() == kMaxNpyDimensions) {
        return std::nullopt;
      }
      extents.push_back(*extent);
      // (3) is a number in Python, but NumPy has written it once.
      if (!take(',')) {
        return take(')') ? std::optional(std::move(extents)) : std::nullopt;
      }
    }
    return extents;
  }

  [[nodiscard]] std::string_view rest() {
    skip_space();
    return text_;
  }

private:
  void skip_space() {
    text_.remove_prefix(std::min(text_.find_first_not_of(" \t\n\r"), text_.size()));
  }

  std::optional<uint64_t> number() {
    skip_space();
    uint64_t value = 0;
    size_t digits = 0;
    for (; digits < text_.size() && text_[digits] >= '0' && text_[digits] <= '9'; ++digits) {
      const auto shifted = checked_mul(value, 10);
      const auto next =
          shifted ? checked_add(*shifted, static_cast<uint64_t>(text_[digits] - '0')) : shifted;
      if (!next) {
        return std::nullopt;
      }
      value = *next;
    }
    text_.remove_prefix(digits);
    if (digits > 0 && text_.starts_with('L')) { // Python 2
      text_.remove_prefix(1);
    }
    return digits > 0 ? std::optional(value) : std::nullopt;
  }

  std::string_view text_;
};

Error unsupported(std::string_view name, std::string_view found) {
  return {ErrorCode::kUnsupportedFormat,
          concat("Expected \"", name, "\" to hold numbers, found ", found, "."),
          "Save plain arrays: numpy.savez(path, **{name: array.astype(numpy.float32)}).",
          std::string(name),
          {}};
}

/// The element type: a byte order (<, >, | for single bytes, = never) and a type.
std::optional<Error> read_type(std::string_view descr, std::string_view name, NpyHeader &header) {
  const std::string_view code = descr.substr(std::min<size_t>(1, descr.size()));
  if (code.starts_with('O')) {
    return unsupported(name, "pickled Python objects, which are never loaded here");
  }
  const auto *type = std::find_if(kTypes.begin(), kTypes.end(),
                                  [&](const NpyType &entry) { return entry.code == code; });
  const bool is_byte = type != kTypes.end() && dtype_bits(type->dtype) == 8;
  const bool has_order = descr.starts_with('<') || descr.starts_with('>');
  if (type == kTypes.end() || !(has_order || (is_byte && descr.starts_with('|')))) {
    return unsupported(name, concat("the type \"", descr.substr(0, kMaxQuoted), "\""));
  }
  header.dtype = type->dtype;
  header.big_endian = descr.starts_with('>') && !is_byte;
  return std::nullopt;
}

/// The dictionary: each of the three keys once, in any order.
std::optional<Error> read_dictionary(std::string_view text, std::string_view name,
                                     NpyHeader &header) {
  HeaderParser parser(text);
  if (!parser.take('{')) {
    return malformed_npy(name, "a header that is no dictionary");
  }
  bool has_descr = false;
  bool has_order = false;
  bool has_shape = false;
  while (!parser.take('}')) {
    const auto key = parser.quoted();
    if (!key || !parser.take(':')) {
      return malformed_npy(name, "a header that is no dictionary");
    }
    if (*key == "descr" && !has_descr) {
      if (parser.rest().starts_with('[')) {
        return unsupported(name, "records of several fields");
      }
      const auto descr = parser.quoted();
      if (!descr) {
        return malformed_npy(name, "a header whose descr is no text");
      }
      if (auto error = read_type(*descr, name, header)) {
        return error;
      }
      has_descr = true;
    } else if (*key == "fortran_order" && !has_order) {
      const auto order = parser.boolean();
      if (!order) {
        return malformed_npy(name, "a header whose fortran_order is neither True nor False");
      }
      header.fortran_order = *order;
      has_order = true;
    } else if (*key == "shape" && !has_shape) {
      auto shape = parser.shape();
      if (!shape) {
        return malformed_npy(name, concat("a header whose shape is no tuple of at most ",
                                          kMaxNpyDimensions, " sizes"));
      }
      header.shape = std::move(*shape);
      has_shape = true;
    } else {
      return malformed_npy(
          name, concat("an unexpected \"", key->substr(0, kMaxQuoted), "\" in its header"));
    }
    if (!parser.take(',') && !parser.rest().starts_with('}')) {
      return malformed_npy(name, "a header that is no dictionary");
    }
  }
  if (!has_descr || !has_order || !has_shape) {
    return malformed_npy(name, "a header without descr, fortran_order or shape");
  }
  return parser.rest().empty() ? std::nullopt
                               : std::optional(malformed_npy(name, "text behind its header"));
}

} // namespace

Result<NpyHeader> read_npy_header(std::span<const uint8_t> head, std::string_view name) {
  const std::string_view text(reinterpret_cast<const char *>(head.data()), head.size());
  if (!text.starts_with(kNpyMagic) || head.size() < kVersionEnd) {
    return malformed_npy(name, "something else");
  }
  const uint32_t major = head[kNpyMagic.size()];
  if (major < 1 || major > 3) {
    return Error{
        ErrorCode::kUnsupportedFormat,
        concat("Expected \"", name, "\" in version 1, 2 or 3 of the format, found ", major, "."),
        "Save the arrays again with numpy.savez.",
        std::string(name),
        {}};
  }
  const size_t length_bytes = major == 1 ? sizeof(uint16_t) : sizeof(uint32_t);
  const size_t begin = kVersionEnd + length_bytes;
  if (head.size() < begin) {
    return malformed_npy(name, "the end of the file in its header");
  }
  const uint64_t length =
      major == 1 ? load_le<uint16_t>(&head[kVersionEnd]) : load_le<uint32_t>(&head[kVersionEnd]);
  if (length > kMaxNpyHeader - begin) {
    return Error{ErrorCode::kLimitExceeded,
                 concat("Expected the header of \"", name, "\" to have at most ", kMaxNpyHeader,
                        " bytes, found ", begin + length, "."),
                 "Save plain arrays of numbers, one a name.",
                 std::string(name),
                 {}};
  }
  if (length > head.size() - begin) {
    return malformed_npy(name, "the end of the file in its header");
  }
  NpyHeader header;
  header.data_offset = begin + length;
  if (auto error = read_dictionary(text.substr(begin, static_cast<size_t>(length)), name, header)) {
    return *error;
  }
  return header;
}

} // namespace monoquant::container
