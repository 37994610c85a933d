#include "monoquant/llama_cpp/sentencepiece.h"

#include <optional>

#include "monoquant/base/bytes.h"
#include "monoquant/base/text.h"
#include "monoquant/base/utf8.h"
#include "monoquant/llama_cpp/side_files.h"

namespace monoquant::llama_cpp {
namespace {

enum class Wire : uint8_t { kVarint = 0, kEight = 1, kBytes = 2, kFour = 5 };

/// One field: its number, its wire type, and its value as a number or as bytes.
struct Field {
  uint64_t number = 0;
  Wire wire = Wire::kVarint;
  uint64_t value = 0;
  std::span<const uint8_t> bytes;
};

/// Goes through the fields of a message. Where one is broken, it stops and says so.
class Fields {
public:
  explicit Fields(std::span<const uint8_t> message) : message_(message) {}

  /// Nothing at the end, and where the message is broken.
  std::optional<Field> next() {
    if (is_broken_ || position_ == message_.size()) {
      return std::nullopt;
    }
    const uint64_t key = varint();
    Field field{key >> 3U, static_cast<Wire>(key & 7U), 0, {}};
    switch (field.wire) {
    case Wire::kVarint:
      field.value = varint();
      break;
    case Wire::kEight:
      field.bytes = take(8);
      break;
    case Wire::kBytes:
      field.bytes = take(varint());
      break;
    case Wire::kFour:
      field.bytes = take(4);
      break;
    default:
      is_broken_ = true; // groups, which this format never had
    }
    is_broken_ = is_broken_ || field.number == 0;
    return is_broken_ ? std::nullopt : std::optional(field);
  }

  [[nodiscard]] bool is_broken() const { return is_broken_; }
  [[nodiscard]] size_t position() const { return position_; }

private:
  std::span<const uint8_t> take(uint64_t count) {
    if (is_broken_ || count > message_.size() - position_) {
      is_broken_ = true;
      return {};
    }
    const auto taken = message_.subspan(position_, static_cast<size_t>(count));
    position_ += static_cast<size_t>(count);
    return taken;
  }

  uint64_t varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = take(1);
      if (byte.empty()) {
        return 0;
      }
      value |= static_cast<uint64_t>(byte[0] & 0x7FU) << shift;
      if (byte[0] < 0x80) {
        return value;
      }
    }
    is_broken_ = true;
    return 0;
  }

  std::span<const uint8_t> message_;
  size_t position_ = 0;
  bool is_broken_ = false;
};

/// Nothing where the message is broken. A field that comes twice has its last value.
std::optional<Piece> read_piece(std::span<const uint8_t> message) {
  Piece piece;
  Fields fields(message);
  while (const auto field = fields.next()) {
    if (field->number == 1 && field->wire == Wire::kBytes) {
      piece.text = text_view(field->bytes);
    } else if (field->number == 2 && field->wire == Wire::kFour) {
      piece.score = load_le<float>(field->bytes.data());
    } else if (field->number == 3 && field->wire == Wire::kVarint) {
      if (field->value < 1 || field->value > static_cast<uint64_t>(PieceKind::kByte)) {
        return std::nullopt;
      }
      piece.kind = static_cast<PieceKind>(field->value);
    }
  }
  return fields.is_broken() || !is_utf8(piece.text) ? std::nullopt : std::optional(piece);
}

Error broken_model(size_t offset) {
  Error error = side_file_error("tokenizer.model", "the pieces of a SentencePiece model",
                                concat("something else at byte ", offset));
  error.offset = offset;
  return error;
}

} // namespace

Result<std::vector<Piece>> read_sentencepiece(std::span<const uint8_t> bytes) {
  std::vector<Piece> pieces;
  Fields fields(bytes);
  size_t begin = 0;
  while (const auto field = fields.next()) {
    if (field->number == 1 && field->wire == Wire::kBytes) {
      auto piece = read_piece(field->bytes);
      if (!piece) {
        return broken_model(begin);
      }
      if (pieces.size() == kMaxVocabulary) {
        return Error{ErrorCode::kLimitExceeded,
                     concat("Expected tokenizer.model to have at most ", kMaxVocabulary,
                            " pieces, found more."),
                     {},
                     {},
                     {}};
      }
      pieces.push_back(std::move(*piece));
    }
    begin = fields.position();
  }
  if (fields.is_broken() || pieces.empty()) {
    return broken_model(begin);
  }
  return pieces;
}

} // namespace monoquant::llama_cpp
