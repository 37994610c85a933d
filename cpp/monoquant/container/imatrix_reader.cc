#include <algorithm>

#include "monoquant/base/bytes.h"
#include "monoquant/base/limits.h"
#include "monoquant/base/text.h"
#include "monoquant/base/utf8.h"
#include "monoquant/container/imatrix.h"

namespace monoquant::container {
namespace {

constexpr uint64_t kNumber = 4;
constexpr uint64_t kMaxEntryName = 512;
constexpr uint64_t kReadAtOnce = 1ULL << 20U;

Error malformed_imatrix(std::string_view what, uint64_t offset) {
  return {
      ErrorCode::kMalformedFile,
      concat("Expected an importance matrix of llama.cpp, found ", what, " at byte ", offset, "."),
      "The file is damaged: get it again.",
      {},
      offset};
}

bool is_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char letter) { return letter > ' ' && letter < '\x7F'; });
}

uint64_t number_at(std::span<const uint8_t> bytes, size_t offset) {
  const auto number = load_le<int32_t>(&bytes[offset]);
  return number < 0 ? UINT64_MAX : static_cast<uint64_t>(number);
}

} // namespace

bool looks_like_imatrix(std::span<const uint8_t> head) {
  if (head.size() < 2 * kNumber) {
    return false;
  }
  const uint64_t entries = number_at(head, 0);
  const uint64_t length = number_at(head, kNumber);
  return entries > 0 && entries <= kMaxTensors && length > 0 && length <= kMaxEntryName &&
         head.size() >= 2 * kNumber + length &&
         is_name(text_view(head.subspan(2 * kNumber, static_cast<size_t>(length)))) &&
         text_view(head.subspan(2 * kNumber, static_cast<size_t>(length))).ends_with(".weight");
}

Result<Parsed<ImatrixFile>> read_imatrix(const ByteWindow &window) {
  using Step = Parsed<ImatrixFile>;
  const uint64_t size = window.file_size();
  const auto lacking = [&](uint64_t offset) {
    return Step(Needs{{offset, std::min(kReadAtOnce, size - offset)}});
  };
  const auto count = window.find(0, kNumber);
  if (!count) {
    return lacking(0);
  }
  const uint64_t entries = number_at(*count, 0);
  if (entries > kMaxTensors) {
    return malformed_imatrix("too many entries", 0);
  }
  ImatrixFile found;
  uint64_t position = kNumber;
  for (uint64_t i = 0; i < entries; ++i) {
    if (!window.contains(position, kNumber)) {
      return malformed_imatrix("its end", size);
    }
    const auto length_bytes = window.find(position, kNumber);
    if (!length_bytes) {
      return lacking(position);
    }
    const uint64_t length = number_at(*length_bytes, 0);
    const uint64_t head = length + 2 * kNumber;
    if (length > kMaxEntryName || !window.contains(position + kNumber, head)) {
      return malformed_imatrix("an entry without a name", position);
    }
    const auto entry = window.find(position + kNumber, head);
    if (!entry) {
      return lacking(position);
    }
    const std::string_view name = text_view(entry->first(static_cast<size_t>(length)));
    const uint64_t values = number_at(*entry, static_cast<size_t>(length + kNumber));
    const uint64_t begin = position + kNumber + head;
    if (!is_name(name) || values > size || !window.contains(begin, values * kNumber)) {
      return malformed_imatrix("an entry that reaches beyond its end", position);
    }
    found.entries.push_back({std::string(name), begin - 2 * kNumber, values, begin});
    position = begin + values * kNumber;
  }
  // Older files end here.
  if (window.contains(position, 2 * kNumber)) {
    const auto last = window.find(position, 2 * kNumber);
    if (!last) {
      return lacking(position);
    }
    const uint64_t length = number_at(*last, kNumber);
    if (length <= kMaxEntryName && window.contains(position + 2 * kNumber, length)) {
      const auto name = window.find(position + 2 * kNumber, length);
      if (!name) {
        return lacking(position);
      }
      const uint64_t chunks = number_at(*last, 0);
      found.chunks = chunks == UINT64_MAX ? 0 : chunks;
      found.dataset = is_utf8(text_view(*name)) ? std::string(text_view(*name)) : std::string();
    }
  }
  return Step(std::move(found));
}

} // namespace monoquant::container
