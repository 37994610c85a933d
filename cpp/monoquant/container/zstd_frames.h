// The frames of a zstd file: where each is, and which part of the content it holds.
// It exists so that one tensor of a compressed model can be read without unpacking the rest.
// Nothing is decompressed here. Frames lie one behind the other, inside the file, and so do their contents.
//
// Formats: RFC 8878 (frames and blocks), zstd_seekable_compression_format.md 0.1.0 of zstd (seek table).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "monoquant/base/byte_window.h"
#include "monoquant/base/result.h"

namespace monoquant::container {

/// Frames of up to this much content can be unpacked one at a time, in memory.
inline constexpr uint64_t kMaxZstdFrameContent = 64ULL << 20U;

/// How far back a frame may refer: what every decoder has to hold in memory. The most that `zstd -d` takes unasked.
inline constexpr uint64_t kMaxZstdWindow = 128ULL << 20U;

/// Frames of one file: 4 TiB in frames of 4 MiB.
inline constexpr size_t kMaxZstdFrames = size_t{1} << 20U;

/// Headers of frames and blocks that are looked at where there is no table: blocks hold 128 KiB at most.
inline constexpr uint64_t kMaxZstdHeaders = uint64_t{1} << 23U;

struct ZstdFrame {
  uint64_t offset = 0; // in the file
  uint64_t bytes = 0;
  uint64_t content_offset = 0;
  uint64_t content_bytes = 0; // at most so many, if `is_exact` of the index is false
};

struct ZstdIndex {
  std::vector<ZstdFrame> frames; // without those that hold nothing
  uint64_t content_bytes = 0;    // of all frames
  /// Whether all frames say how much they hold. Else sizes are the most that their blocks can hold.
  bool is_exact = true;

  /// Whether any part can be read by unpacking only the frames that it is in.
  [[nodiscard]] bool is_seekable() const;
};

/// True where a file begins with a zstd frame, or with a skippable frame of any kind.
bool looks_like_zstd(std::span<const uint8_t> head);

/// Finds the frames of a file, from its seek table or else from header to header.
/// Errors: kMalformedFile, kFileTruncated, kLimitExceeded, kUnsupportedFormat (a dictionary is needed).
class ZstdScan {
public:
  explicit ZstdScan(uint64_t file_bytes);

  /// The bytes that are looked at next, inside the file; nothing when all frames are known.
  [[nodiscard]] std::optional<Need> need() const { return need_; }
  /// Takes just those bytes.
  Result<void> take(std::span<const uint8_t> bytes);
  /// Complete once nothing is needed.
  [[nodiscard]] const ZstdIndex &index() const { return index_; }

private:
  enum class At : uint8_t { kFooter, kTable, kFrame, kBlock };

  Result<void> take_footer(std::span<const uint8_t> bytes);
  Result<void> take_table(std::span<const uint8_t> bytes);
  Result<void> take_frame(std::span<const uint8_t> bytes);
  Result<void> take_block(std::span<const uint8_t> bytes);
  Result<void> add_frame(uint64_t offset, uint64_t bytes, uint64_t content_bytes);
  Result<void> end_frame(uint64_t end);
  Result<void> want_frame(uint64_t offset);
  Result<void> want(At at, uint64_t offset, uint64_t length);

  uint64_t file_bytes_;
  At at_ = At::kFooter;
  std::optional<Need> need_;
  uint64_t headers_ = 0;
  ZstdIndex index_;
  // Of the frame whose blocks are being walked.
  uint64_t frame_offset_ = 0;
  uint64_t block_limit_ = 0;     // bytes that one block may hold
  uint64_t blocks_content_ = 0;  // the most that the blocks so far can hold
  std::optional<uint64_t> said_; // by its header
  bool has_checksum_ = false;
};

/// The table that stands behind frames, as a skippable frame of its own. Frames must begin at 0 and be complete, each
/// of less than 4 GiB.
std::vector<uint8_t> zstd_seek_table(std::span<const ZstdFrame> frames);

} // namespace monoquant::container
