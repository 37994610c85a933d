#include "monoquant/container/zstd_frames.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <optional>

#include "monoquant/base/bytes.h"
#include "support/random.h"

namespace monoquant::container {
namespace {

using Bytes = std::vector<uint8_t>;

struct Scanned {
  ZstdIndex index;
  uint64_t bytes_read = 0;
};

/// Finds the frames of a file in memory; what is asked for must lie in it.
Result<Scanned> scan(const Bytes &file) {
  ZstdScan scan(file.size());
  uint64_t read = 0;
  while (const auto need = scan.need()) {
    if (need->offset > file.size() || need->length > file.size() - need->offset) {
      ADD_FAILURE() << "asks for " << need->length << " bytes at " << need->offset;
      break;
    }
    read += need->length;
    const auto bytes = std::span(file).subspan(static_cast<size_t>(need->offset),
                                               static_cast<size_t>(need->length));
    if (auto taken = scan.take(bytes); !taken) {
      EXPECT_FALSE(taken.error().message.empty());
      EXPECT_FALSE(taken.error().suggestion.empty());
      return taken.error();
    }
  }
  return Scanned{scan.index(), read};
}

/// Half of it compresses.
Bytes content_of(size_t bytes, uint64_t seed = 1) {
  test::Random random(seed);
  Bytes content(bytes);
  for (size_t i = 0; i < bytes; ++i) {
    content[i] =
        i / 1000 % 2 == 0 ? static_cast<uint8_t>(i / 1000) : static_cast<uint8_t>(random.bits());
  }
  return content;
}

struct How {
  int level = 3;
  bool says_size = true;
  bool has_checksum = true;
};

Bytes compress(const Bytes &content, How how = {}) {
  ZSTD_CCtx *context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, how.level);
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, how.has_checksum ? 1 : 0);
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, how.says_size ? 1 : 0);
  Bytes frame(ZSTD_compressBound(content.size()));
  frame.resize(ZSTD_compress2(context, frame.data(), frame.size(), content.data(), content.size()));
  ZSTD_freeCCtx(context);
  return frame;
}

void append(Bytes &to, const Bytes &from) { to.insert(to.end(), from.begin(), from.end()); }

Bytes skippable(size_t bytes) {
  Bytes frame(8 + bytes, 7);
  store_le<uint32_t>(frame.data(), 0x184D2A53);
  store_le<uint32_t>(&frame[4], static_cast<uint32_t>(bytes));
  return frame;
}

Bytes decompress(std::span<const uint8_t> frame, uint64_t content_bytes) {
  Bytes content(static_cast<size_t>(content_bytes));
  EXPECT_EQ(ZSTD_decompress(content.data(), content.size(), frame.data(), frame.size()),
            content.size());
  return content;
}

TEST(ZstdFrames, are_found_from_header_to_header) {
  Bytes file;
  Bytes content;
  size_t frames = 0;
  append(file, skippable(10));
  for (const size_t size : {1U, 255U, 256U, 65'791U, 65'792U, 300'000U, 5'000'000U}) {
    for (const bool has_checksum : {false, true}) {
      const Bytes part = content_of(size, size);
      append(content, part);
      append(file, compress(part, {.level = has_checksum ? 1 : 7, .has_checksum = has_checksum}));
      append(file, compress({})); // holds nothing
      frames += 1;
    }
  }
  append(file, skippable(0));
  const auto scanned = scan(file);
  ASSERT_TRUE(scanned) << scanned.error().message;
  const ZstdIndex &index = scanned.value().index;
  EXPECT_TRUE(index.is_seekable());
  EXPECT_EQ(index.content_bytes, content.size());
  ASSERT_EQ(index.frames.size(), frames);
  Bytes unpacked;
  for (const ZstdFrame &frame : index.frames) {
    EXPECT_EQ(frame.content_offset, unpacked.size());
    append(unpacked, decompress(std::span(file).subspan(static_cast<size_t>(frame.offset),
                                                        static_cast<size_t>(frame.bytes)),
                                frame.content_bytes));
  }
  EXPECT_TRUE(unpacked == content);
}

TEST(ZstdFrames, a_table_takes_the_place_of_the_walk) {
  Bytes file;
  std::vector<ZstdFrame> frames;
  uint64_t content = 0;
  for (size_t i = 0; i < 100; ++i) {
    const Bytes frame = compress(content_of(10'000 + i, i));
    frames.push_back({file.size(), frame.size(), content, 10'000 + i});
    content += 10'000 + i;
    append(file, frame);
  }
  append(file, zstd_seek_table(frames));
  const auto scanned = scan(file);
  ASSERT_TRUE(scanned) << scanned.error().message;
  const auto &[index, bytes_read] = scanned.value();
  EXPECT_TRUE(index.is_seekable());
  EXPECT_EQ(index.content_bytes, content);
  EXPECT_EQ(bytes_read, 9 + 8 + 100 * 8 + 9) << "the footer, then the table";
  ASSERT_EQ(index.frames.size(), frames.size());
  for (size_t i = 0; i < frames.size(); ++i) {
    EXPECT_EQ(index.frames[i].offset, frames[i].offset);
    EXPECT_EQ(index.frames[i].bytes, frames[i].bytes);
    EXPECT_EQ(index.frames[i].content_offset, frames[i].content_offset);
    EXPECT_EQ(index.frames[i].content_bytes, frames[i].content_bytes);
  }
}

TEST(ZstdFrames, a_table_with_checksums_is_read_as_well) {
  const Bytes frame = compress(content_of(1000));
  Bytes file = frame;
  const Bytes plain = zstd_seek_table(std::vector<ZstdFrame>{{0, frame.size(), 0, 1000}});
  Bytes table(plain.begin(), plain.begin() + 16);
  append(table, {1, 2, 3, 4}); // the checksum
  append(table, Bytes(plain.begin() + 16, plain.end()));
  store_le<uint32_t>(&table[4], static_cast<uint32_t>(table.size() - 8));
  table[24] = 0x80;
  append(file, table);
  const auto scanned = scan(file);
  ASSERT_TRUE(scanned) << scanned.error().message;
  ASSERT_EQ(scanned.value().index.frames.size(), 1U);
  EXPECT_EQ(scanned.value().index.frames[0].bytes, frame.size());
}

TEST(ZstdFrames, a_table_that_does_not_fit_its_file_is_an_error) {
  const Bytes frame = compress(content_of(1000));
  const auto with_table = [&](std::vector<ZstdFrame> frames) {
    Bytes file = frame;
    append(file, zstd_seek_table(frames));
    return scan(file);
  };
  EXPECT_TRUE(with_table({{0, frame.size(), 0, 1000}}));
  for (const auto &frames :
       std::vector<std::vector<ZstdFrame>>{{{0, frame.size() - 1, 0, 1000}},
                                           {{0, frame.size() + 1, 0, 1000}},
                                           {{0, 0xFFFF'FFFF, 0, 1000}},
                                           {},
                                           {{0, frame.size(), 0, 1000}, {0, 1, 0, 1}}}) {
    const auto scanned = with_table(frames);
    ASSERT_FALSE(scanned);
    EXPECT_EQ(scanned.error().code, ErrorCode::kMalformedFile);
  }
  // More entries than there are: the footer is taken for the end of a frame, and what holds it for one to skip.
  Bytes file = frame;
  append(file, zstd_seek_table(std::vector<ZstdFrame>{{0, frame.size(), 0, 1000}}));
  store_le<uint32_t>(&file[file.size() - 9], 2);
  const auto walked = scan(file);
  ASSERT_TRUE(walked) << walked.error().message;
  EXPECT_EQ(walked.value().index.content_bytes, 1000U);
}

TEST(ZstdFrames, an_unknown_size_is_bounded_by_the_blocks) {
  const Bytes content = content_of(1'000'000);
  const auto scanned = scan(compress(content, {.says_size = false}));
  ASSERT_TRUE(scanned) << scanned.error().message;
  const ZstdIndex &index = scanned.value().index;
  EXPECT_FALSE(index.is_exact);
  EXPECT_FALSE(index.is_seekable());
  EXPECT_GE(index.content_bytes, content.size());
  Bytes random(1'000'000);
  test::Random numbers(5);
  for (uint8_t &byte : random) {
    byte = static_cast<uint8_t>(numbers.bits());
  }
  const auto raw = scan(compress(random, {.says_size = false}));
  ASSERT_TRUE(raw) << raw.error().message;
  EXPECT_EQ(raw.value().index.content_bytes, random.size()) << "blocks that do not compress say it";
}

TEST(ZstdFrames, a_file_that_is_cut_off_is_an_error) {
  Bytes file = compress(content_of(700));
  append(file, compress(content_of(300'000)));
  const size_t first = compress(content_of(700)).size();
  test::Random random(3);
  for (int round = 0; round < 500; ++round) {
    const size_t length = 1 + random.index(file.size() - 1);
    if (length == first) {
      continue; // the end of a frame
    }
    const auto scanned =
        scan(Bytes(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(length)));
    ASSERT_FALSE(scanned) << length;
    EXPECT_EQ(scanned.error().code, ErrorCode::kFileTruncated);
  }
  const auto skipped = skippable(100);
  const auto cut = scan(Bytes(skipped.begin(), skipped.end() - 1));
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code, ErrorCode::kFileTruncated);
}

TEST(ZstdFrames, what_follows_a_frame_must_be_one) {
  Bytes file = compress(content_of(700));
  file.resize(file.size() + 100);
  const auto scanned = scan(file);
  ASSERT_FALSE(scanned);
  EXPECT_EQ(scanned.error().code, ErrorCode::kMalformedFile);
}

/// A frame of one byte many times: 4 bytes a block, each of 128 KiB.
Bytes repeated(uint64_t says, size_t blocks, uint8_t window = 0x38 /* 128 KiB */) {
  Bytes frame = {0x28, 0xB5, 0x2F, 0xFD, 0xC0 /* a size of 8 bytes */, window};
  frame.resize(frame.size() + 8);
  store_le<uint64_t>(&frame[6], says);
  for (size_t i = 0; i < blocks; ++i) {
    const uint32_t header = (128U << 10U) << 3U | 1U << 1U | (i + 1 == blocks ? 1U : 0U);
    append(frame, {static_cast<uint8_t>(header), static_cast<uint8_t>(header >> 8U),
                   static_cast<uint8_t>(header >> 16U), 42});
  }
  return frame;
}

TEST(ZstdFrames, large_frames_can_be_unpacked_only_as_a_whole) {
  const uint64_t limit = kMaxZstdFrameContent;
  const auto whole = scan(repeated(limit, 512));
  ASSERT_TRUE(whole) << whole.error().message;
  EXPECT_TRUE(whole.value().index.is_seekable());
  const auto large = scan(repeated(limit + (128U << 10U), 513));
  ASSERT_TRUE(large) << large.error().message;
  EXPECT_FALSE(large.value().index.is_seekable());
  EXPECT_EQ(large.value().index.content_bytes, limit + (128U << 10U));
}

TEST(ZstdFrames, a_size_that_no_block_holds_is_an_error) {
  const auto scanned = scan(repeated((128U << 10U) + 1, 1));
  ASSERT_FALSE(scanned);
  EXPECT_EQ(scanned.error().code, ErrorCode::kMalformedFile);
  EXPECT_FALSE(scan(repeated(~uint64_t{0}, 3)));
}

TEST(ZstdFrames, windows_are_limited_where_they_are_needed) {
  // 128 MiB, and an eighth more.
  EXPECT_TRUE(scan(repeated(100U << 20U, 800, 17U << 3U)));
  const auto scanned = scan(repeated(100U << 20U, 800, 17U << 3U | 1U));
  ASSERT_FALSE(scanned);
  EXPECT_EQ(scanned.error().code, ErrorCode::kLimitExceeded);
  EXPECT_TRUE(scan(repeated(1U << 20U, 8, 17U << 3U | 1U))) << "unpacked at once";
}

TEST(ZstdFrames, dictionaries_are_told) {
  Bytes frame = compress(content_of(300));
  Bytes with = {frame[0], frame[1], frame[2], frame[3], static_cast<uint8_t>(frame[4] | 1U), 9};
  append(with, Bytes(frame.begin() + 5, frame.end()));
  // The dictionary's number stands behind the window, which a single segment does not have.
  ASSERT_NE(frame[4] & 0x20U, 0U);
  const auto scanned = scan(with);
  ASSERT_FALSE(scanned);
  EXPECT_EQ(scanned.error().code, ErrorCode::kUnsupportedFormat);
  EXPECT_NE(scanned.error().message.find("dictionary"), std::string::npos);
}

TEST(ZstdFrames, are_told_apart_by_their_first_bytes) {
  EXPECT_TRUE(looks_like_zstd(compress({})));
  EXPECT_TRUE(looks_like_zstd(skippable(0)));
  EXPECT_FALSE(looks_like_zstd(Bytes{0x28, 0xB5, 0x2F}));
  EXPECT_FALSE(looks_like_zstd(Bytes{0x80, 0x02, 0x7D, 0x71}));
  EXPECT_FALSE(looks_like_zstd(Bytes{0x60, 0x2A, 0x4D, 0x18}));
}

} // namespace
} // namespace monoquant::container
