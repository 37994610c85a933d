#include "monoquant/container/zstd_frames.h"

#include <algorithm>
#include <string_view>

#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"
#include "monoquant/base/text.h"

namespace monoquant::container {
namespace {

using Bytes = std::span<const uint8_t>;

constexpr uint32_t kFrameMagic = 0xFD2FB528;
constexpr uint32_t kSkippableMagic = 0x184D2A50; // to ...5F
constexpr uint32_t kSkippableMask = 0xFFFFFFF0;
constexpr size_t kSkippableHeader = 8; // magic and length

// The seek table:
//   magic 0x184D2A5E, length of the rest
//   for each frame: its bytes in the file, bytes of its content, perhaps a checksum
//   number of frames, descriptor, magic 0x8F92EAB1
constexpr uint32_t kTableMagic = 0x184D2A5E;
constexpr uint32_t kFooterMagic = 0x8F92EAB1;
constexpr size_t kFooterBytes = 9;
constexpr size_t kEntryBytes = 8;
constexpr size_t kEntryChecksumBytes = 4;
constexpr uint8_t kChecksumFlag = 0x80;
constexpr uint8_t kReservedBits = 0x7C;

// A frame: magic, descriptor, window, dictionary, content size. Each but the first two may be missing.
constexpr size_t kMaxFrameHeader = 18;
constexpr size_t kBlockHeader = 3;
constexpr size_t kChecksumBytes = 4;
constexpr uint64_t kMaxBlock = 128ULL * 1024;

Error damaged(std::string_view found, uint64_t offset) {
  return Error{
      ErrorCode::kMalformedFile,
      concat("Expected the frames of a zstd file, found ", found, " at byte ", offset, "."),
      "Download or copy the file again, or compress the model anew.",
      {},
      offset};
}

Error ends_within(uint64_t file_bytes) {
  return Error{ErrorCode::kFileTruncated,
               concat("The zstd file ends at byte ", file_bytes, ", within a frame."),
               "Download or copy the file again: it is incomplete.",
               {},
               file_bytes};
}

Error beyond(std::string found, std::string suggestion, uint64_t offset) {
  return Error{ErrorCode::kLimitExceeded, std::move(found), std::move(suggestion), {}, offset};
}

struct FrameHeader {
  uint64_t bytes = 0;
  uint64_t window = 0;
  std::optional<uint64_t> content;
  bool has_checksum = false;
};

uint64_t load_little(Bytes bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) {
    value = value << 8U | bytes[i];
  }
  return value;
}

/// `bytes` begin with the magic; there may be fewer than the header has.
Result<FrameHeader> read_header(Bytes bytes, uint64_t offset, uint64_t file_bytes) {
  if (bytes.size() < 5) {
    return ends_within(file_bytes);
  }
  constexpr size_t kDictionaryBytes[] = {0, 1, 2, 4};
  constexpr size_t kContentBytes[] = {0, 2, 4, 8};
  const uint8_t descriptor = bytes[4];
  const bool is_single = (descriptor & 0x20U) != 0; // the window is the content
  const size_t dictionary_bytes = kDictionaryBytes[descriptor & 3U];
  const size_t flag = descriptor >> 6U;
  const size_t content_bytes = flag == 0 && is_single ? 1 : kContentBytes[flag];
  if ((descriptor & 0x08U) != 0) {
    return damaged("a frame that sets a reserved bit", offset);
  }
  FrameHeader header;
  header.has_checksum = (descriptor & 0x04U) != 0;
  header.bytes = 5 + (is_single ? 0 : 1) + dictionary_bytes + content_bytes;
  if (bytes.size() < header.bytes) {
    return ends_within(file_bytes);
  }
  Bytes rest = bytes.subspan(5);
  if (!is_single) {
    const uint64_t base = uint64_t{1} << (10U + (rest[0] >> 3U));
    header.window = base + base / 8 * (rest[0] & 7U);
    rest = rest.subspan(1);
  }
  if (load_little(rest.first(dictionary_bytes)) != 0) {
    return Error{
        ErrorCode::kUnsupportedFormat,
        "Expected a zstd file that stands for itself, found one that needs a dictionary.",
        "Unpack it with the dictionary that it was compressed with: zstd -d -D DICTIONARY.",
        {},
        offset};
  }
  rest = rest.subspan(dictionary_bytes);
  if (content_bytes > 0) {
    constexpr uint64_t kSmallest = 256; // of the sizes in two bytes
    header.content = load_little(rest.first(content_bytes)) + (content_bytes == 2 ? kSmallest : 0);
  }
  if (is_single) {
    header.window = *header.content;
  }
  // What is unpacked at once needs no window.
  const bool is_small = header.content && *header.content <= kMaxZstdFrameContent;
  if (header.window > kMaxZstdWindow && !is_small) {
    return beyond(concat("Unpacking the zstd file takes ", header.window >> 20U,
                         " MiB of memory, and ", kMaxZstdWindow >> 20U, " is the limit."),
                  "Unpack it first with zstd -d --long=31, and give the unpacked file.", offset);
  }
  return header;
}

} // namespace

bool looks_like_zstd(Bytes head) {
  if (head.size() < 4) {
    return false;
  }
  const auto magic = load_le<uint32_t>(head.data());
  return magic == kFrameMagic || (magic & kSkippableMask) == kSkippableMagic;
}

bool ZstdIndex::is_seekable() const {
  return is_exact && std::all_of(frames.begin(), frames.end(), [](const ZstdFrame &frame) {
           return frame.content_bytes <= kMaxZstdFrameContent;
         });
}

ZstdScan::ZstdScan(uint64_t file_bytes) : file_bytes_(file_bytes) {
  const uint64_t length = std::min<uint64_t>(file_bytes, kFooterBytes);
  need_ = Need{file_bytes - length, length};
}

Result<void> ZstdScan::take(Bytes bytes) {
  if (!need_ || bytes.size() != need_->length) {
    return broken_promise("A scan of zstd frames got other bytes than it needs.");
  }
  switch (at_) {
  case At::kFooter:
    return take_footer(bytes);
  case At::kTable:
    return take_table(bytes);
  case At::kFrame:
    return take_frame(bytes);
  case At::kBlock:
    return take_block(bytes);
  }
  return broken_promise("A scan of zstd frames is nowhere.");
}

Result<void> ZstdScan::take_footer(Bytes bytes) {
  if (bytes.size() < kFooterBytes || load_le<uint32_t>(&bytes[5]) != kFooterMagic) {
    return want_frame(0);
  }
  const uint8_t descriptor = bytes[4];
  const auto count = load_le<uint32_t>(bytes.data());
  const uint64_t entry =
      kEntryBytes + ((descriptor & kChecksumFlag) != 0 ? kEntryChecksumBytes : 0);
  const uint64_t table = kSkippableHeader + count * entry + kFooterBytes;
  if ((descriptor & kReservedBits) != 0 || table > file_bytes_) {
    return want_frame(0); // the end of a frame may look like anything
  }
  if (count > kMaxZstdFrames) {
    return beyond(
        concat("The zstd file has ", count, " frames, and ", kMaxZstdFrames, " are the limit."),
        "Unpack it first with zstd -d, and give the unpacked file.", file_bytes_);
  }
  return want(At::kTable, file_bytes_ - table, table);
}

Result<void> ZstdScan::take_table(Bytes bytes) {
  const uint64_t begin = need_->offset;
  const auto length = load_le<uint32_t>(&bytes[4]);
  if (load_le<uint32_t>(bytes.data()) != kTableMagic || length != bytes.size() - kSkippableHeader) {
    return want_frame(0);
  }
  const Bytes footer = bytes.last(kFooterBytes);
  const auto count = load_le<uint32_t>(footer.data());
  const Bytes entries = bytes.subspan(kSkippableHeader, length - kFooterBytes);
  const size_t entry = count == 0 ? 0 : entries.size() / count;
  uint64_t offset = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint8_t *from = &entries[i * entry];
    const auto frame = load_le<uint32_t>(from);
    const auto content = load_le<uint32_t>(from + 4);
    if (auto added = add_frame(offset, frame, content); !added) {
      return added;
    }
    offset += frame;
  }
  if (offset != begin) {
    return damaged(concat("a seek table of frames that end at ", offset, " and not before it"),
                   begin);
  }
  need_.reset();
  return {};
}

Result<void> ZstdScan::take_frame(Bytes bytes) {
  const uint64_t offset = need_->offset;
  const uint64_t left = file_bytes_ - offset;
  if (bytes.size() < 4) {
    return ends_within(file_bytes_);
  }
  const auto magic = load_le<uint32_t>(bytes.data());
  if ((magic & kSkippableMask) == kSkippableMagic) {
    if (bytes.size() < kSkippableHeader || load_le<uint32_t>(&bytes[4]) > left - kSkippableHeader) {
      return ends_within(file_bytes_);
    }
    return want_frame(offset + kSkippableHeader + load_le<uint32_t>(&bytes[4]));
  }
  if (magic != kFrameMagic) {
    return damaged("something else", offset);
  }
  const auto header = read_header(bytes, offset, file_bytes_);
  if (!header) {
    return header.error();
  }
  frame_offset_ = offset;
  block_limit_ = std::min(header.value().window, kMaxBlock);
  blocks_content_ = 0;
  said_ = header.value().content;
  has_checksum_ = header.value().has_checksum;
  return want(At::kBlock, offset + header.value().bytes, kBlockHeader);
}

Result<void> ZstdScan::take_block(Bytes bytes) {
  const uint64_t offset = need_->offset;
  const uint64_t header = load_little(bytes);
  const bool is_last = (header & 1U) != 0;
  const uint64_t kind = header >> 1U & 3U; // raw, one byte many times, compressed, reserved
  const uint64_t size = header >> 3U;
  if (kind == 3) {
    return damaged("a block of a reserved kind", offset);
  }
  if (size > block_limit_) {
    return damaged(concat("a block of ", size, " bytes"), offset);
  }
  blocks_content_ += kind == 2 ? block_limit_ : size;
  const uint64_t end = offset + kBlockHeader + (kind == 1 ? 1 : size);
  return is_last ? end_frame(end) : want(At::kBlock, end, kBlockHeader);
}

Result<void> ZstdScan::end_frame(uint64_t blocks_end) {
  const uint64_t end = blocks_end + (has_checksum_ ? kChecksumBytes : 0);
  if (end > file_bytes_) {
    return ends_within(file_bytes_);
  }
  if (said_ && *said_ > blocks_content_) {
    return damaged(concat("a frame that says it holds ", *said_, " bytes and has blocks for ",
                          blocks_content_),
                   frame_offset_);
  }
  index_.is_exact = index_.is_exact && said_.has_value();
  if (auto added = add_frame(frame_offset_, end - frame_offset_, said_.value_or(blocks_content_));
      !added) {
    return added;
  }
  return want_frame(end);
}

Result<void> ZstdScan::add_frame(uint64_t offset, uint64_t bytes, uint64_t content_bytes) {
  if (content_bytes == 0) {
    return {};
  }
  if (index_.frames.size() == kMaxZstdFrames) {
    return beyond(concat("The zstd file has more than ", kMaxZstdFrames, " frames."),
                  "Unpack it first with zstd -d, and give the unpacked file.", offset);
  }
  const auto content_end = checked_add(index_.content_bytes, content_bytes);
  constexpr uint64_t kMaxContent = (uint64_t{1} << 53U) - 1; // what JavaScript counts exactly
  if (!content_end || *content_end > kMaxContent) {
    return damaged("frames that say they hold more than any disk", offset);
  }
  index_.frames.push_back({offset, bytes, index_.content_bytes, content_bytes});
  index_.content_bytes = *content_end;
  return {};
}

Result<void> ZstdScan::want_frame(uint64_t offset) {
  if (offset == file_bytes_) {
    need_.reset();
    return {};
  }
  return want(At::kFrame, offset, std::min<uint64_t>(kMaxFrameHeader, file_bytes_ - offset));
}

Result<void> ZstdScan::want(At at, uint64_t offset, uint64_t length) {
  if (offset > file_bytes_ || length > file_bytes_ - offset) {
    return ends_within(file_bytes_);
  }
  if (++headers_ > kMaxZstdHeaders) {
    return beyond(concat("The zstd file has more than ", kMaxZstdHeaders, " blocks."),
                  "Unpack it first with zstd -d, and give the unpacked file.", offset);
  }
  at_ = at;
  need_ = Need{offset, length};
  return {};
}

std::vector<uint8_t> zstd_seek_table(std::span<const ZstdFrame> frames) {
  const size_t length = frames.size() * kEntryBytes + kFooterBytes;
  std::vector<uint8_t> table(kSkippableHeader + length);
  uint8_t *to = table.data();
  const auto put = [&](uint64_t value) {
    store_le(to, static_cast<uint32_t>(value));
    to += 4;
  };
  put(kTableMagic);
  put(length);
  for (const ZstdFrame &frame : frames) {
    put(frame.bytes);
    put(frame.content_bytes);
  }
  put(frames.size());
  *to++ = 0; // no checksums: each frame has its own
  put(kFooterMagic);
  return table;
}

} // namespace monoquant::container
