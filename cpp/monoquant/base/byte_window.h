// The bytes of a file that are known so far.
// It exists so that parsers are straight-line functions: they look at the window and either go on or say
// which bytes they lack; the host fetches those and the parser runs again. Nothing here reads a file.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace monoquant {

/// A run of bytes that a parser cannot go on without. Always inside the file.
struct Need {
  uint64_t offset = 0;
  uint64_t length = 0;
};

class ByteWindow {
public:
  explicit ByteWindow(uint64_t file_size) : file_size_(file_size) {}

  [[nodiscard]] uint64_t file_size() const { return file_size_; }

  /// The bytes [offset, offset + length) where all of them are known.
  [[nodiscard]] std::optional<std::span<const uint8_t>> find(uint64_t offset,
                                                             uint64_t length) const {
    for (const Chunk &chunk : chunks_) {
      if (offset >= chunk.offset && offset - chunk.offset <= chunk.bytes.size() &&
          length <= chunk.bytes.size() - (offset - chunk.offset)) {
        return std::span(chunk.bytes)
            .subspan(static_cast<size_t>(offset - chunk.offset), static_cast<size_t>(length));
      }
    }
    return std::nullopt;
  }

  /// Adds bytes that were read at `offset`; chunks that they cover are dropped.
  void add(uint64_t offset, std::vector<uint8_t> bytes) {
    const uint64_t end = offset + bytes.size();
    std::erase_if(chunks_, [&](const Chunk &chunk) {
      return chunk.offset >= offset && chunk.offset + chunk.bytes.size() <= end;
    });
    chunks_.push_back({offset, std::move(bytes)});
  }

private:
  struct Chunk {
    uint64_t offset;
    std::vector<uint8_t> bytes;
  };

  uint64_t file_size_;
  std::vector<Chunk> chunks_;
};

} // namespace monoquant
