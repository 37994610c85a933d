// Any bytes as a zstd file: refused with a reason, or frames that lie in it one behind the other.
// It exists because a scan walks through sizes that strangers wrote.
// zstd itself says of every frame that was found without a table how long it is, and unpacks no more than was found.
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include "monoquant/container/zstd_frames.h"
#include "properties.h"

namespace monoquant::fuzz {
namespace {

constexpr size_t kMostUnpacked = size_t{1} << 22U;

void check_frames(const Bytes &file, const container::ZstdIndex &index) {
  uint64_t content = 0;
  uint64_t end = 0;
  for (const container::ZstdFrame &frame : index.frames) {
    require(frame.content_bytes > 0 && frame.content_offset == content);
    require(frame.offset >= end && frame.bytes <= file.size() - frame.offset);
    end = frame.offset + frame.bytes;
    content += frame.content_bytes;
  }
  require(content == index.content_bytes);
}

/// A frame that zstd unpacks has the length and holds no more than was found.
void compare_with_zstd(const Bytes &file, const container::ZstdIndex &index) {
  Bytes content;
  for (const container::ZstdFrame &frame : index.frames) {
    const uint8_t *from = file.data() + frame.offset;
    const size_t left = file.size() - static_cast<size_t>(frame.offset);
    if (frame.content_bytes > kMostUnpacked) {
      continue;
    }
    content.resize(static_cast<size_t>(frame.content_bytes) + 1);
    const auto bytes = static_cast<size_t>(frame.bytes);
    const size_t length = ZSTD_decompress(content.data(), content.size(), from, bytes);
    if (ZSTD_isError(length) != 0U) {
      continue; // what is in a block is not looked at here
    }
    require(ZSTD_findFrameCompressedSize(from, left) == bytes, "zstd finds the same end");
    require(length <= frame.content_bytes, "no frame holds more than was found");
  }
}

bool has_table(const Bytes &file) {
  const Bytes magic = {0xB1, 0xEA, 0x92, 0x8F};
  return file.size() > magic.size() && std::equal(magic.begin(), magic.end(), file.end() - 4);
}

} // namespace

void check_zstd(Input input) {
  const Bytes file(input.begin(), input.end());
  container::ZstdScan scan(file.size());
  uint64_t last = 0;
  for (uint64_t steps = 0; const auto need = scan.need(); ++steps) {
    require(steps <= file.size() + 3, "each step goes on");
    require((need->length > 0 || file.empty()) && need->offset <= file.size() &&
            need->length <= file.size() - need->offset);
    require(steps < 3 || need->offset > last);
    last = need->offset;
    const auto at = file.begin() + static_cast<std::ptrdiff_t>(need->offset);
    const Bytes bytes(at, at + static_cast<std::ptrdiff_t>(need->length));
    if (auto taken = scan.take(bytes); !taken) {
      require(!taken.error().message.empty());
      return;
    }
  }
  check_frames(file, scan.index());
  if (!has_table(file)) {
    compare_with_zstd(file, scan.index());
  }
}

} // namespace monoquant::fuzz
