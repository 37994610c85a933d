// The bytes of a file that are known so far.
// It exists so that parsers are straight-line functions: they look at the window and either go on or say
// which bytes they lack; the host fetches those and the parser runs again. Nothing here reads a file.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <variant>
#include <vector>

namespace monoquant {

/// A run of bytes that a parser cannot go on without. Always inside the file.
struct Need {
  uint64_t offset = 0;
  uint64_t length = 0;
};

/// Everything that a parser lacks at one point: never empty.
using Needs = std::vector<Need>;

/// What a parser returns: the bytes that it lacks, or what it made.
template <typename T> using Parsed = std::variant<Needs, T>;

class ByteWindow {
public:
  explicit ByteWindow(uint64_t file_size) : file_size_(file_size) {}

  [[nodiscard]] uint64_t file_size() const { return file_size_; }

  /// True where [offset, offset + length) lies inside the file.
  [[nodiscard]] bool contains(uint64_t offset, uint64_t length) const {
    return offset <= file_size_ && length <= file_size_ - offset;
  }

  /// The bytes [offset, offset + length) where one chunk holds all of them.
  [[nodiscard]] std::optional<std::span<const uint8_t>> find(uint64_t offset,
                                                             uint64_t length) const {
    auto next = chunks_.upper_bound(offset);
    while (next != chunks_.begin()) {
      --next;
      const auto &[begin, bytes] = *next;
      const uint64_t skipped = offset - begin;
      if (skipped <= bytes.size() && length <= bytes.size() - skipped) {
        return std::span(bytes).subspan(static_cast<size_t>(skipped), static_cast<size_t>(length));
      }
      if (skipped > largest_) {
        break; // no chunk that begins further ahead can reach this far
      }
    }
    return std::nullopt;
  }

  /// The window of a file that is a part of this one: what is known of it already. The part must lie inside.
  [[nodiscard]] ByteWindow part(uint64_t offset, uint64_t length) const {
    ByteWindow inside(length);
    auto chunk = chunks_.lower_bound(offset - std::min(offset, largest_));
    for (; chunk != chunks_.end() && chunk->first < offset + length; ++chunk) {
      const auto &[begin, bytes] = *chunk;
      const uint64_t from = std::max(begin, offset);
      const uint64_t to = std::min<uint64_t>(begin + bytes.size(), offset + length);
      if (from < to) {
        const auto known = std::span(bytes).subspan(static_cast<size_t>(from - begin),
                                                    static_cast<size_t>(to - from));
        inside.add(from - offset, std::vector<uint8_t>(known.begin(), known.end()));
      }
    }
    return inside;
  }

  /// Adds bytes that were read at `offset`; chunks that they cover are dropped.
  void add(uint64_t offset, std::vector<uint8_t> bytes) {
    const uint64_t end = offset + bytes.size();
    auto chunk = chunks_.lower_bound(offset);
    while (chunk != chunks_.end() && chunk->first + chunk->second.size() <= end) {
      chunk = chunks_.erase(chunk);
    }
    largest_ = std::max<uint64_t>(largest_, bytes.size());
    chunks_.insert_or_assign(offset, std::move(bytes));
  }

private:
  uint64_t file_size_;
  std::map<uint64_t, std::vector<uint8_t>> chunks_; // by offset
  uint64_t largest_ = 0;                            // bytes in a chunk
};

} // namespace monoquant
