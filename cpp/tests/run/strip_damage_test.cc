// Compressed data that are not what their container says.
#include <gtest/gtest.h>

#include "monoquant/run/strip_assembler.h"
#include "support/sample_tensors.h"
#include "support/view_file.h"

namespace monoquant::run {
namespace {

using test::Bytes;
using test::FileTensor;
using test::Random;
using test::ViewFile;

constexpr size_t kStripBlock = 4096;

/// A tensor of `elements` F32 in a deflated storage, and what to do to it.
struct Damaged {
  FileTensor tensor;
  Bytes stored;
  catalog::View view;
};

Damaged intact(uint64_t elements) {
  Random random(91);
  Damaged made;
  made.tensor = test::random_bytes(random, "layer.weight", Dtype::kF32, {elements});
  made.stored = test::deflate_stored(random, made.tensor.bytes);
  made.view.deflated = true;
  made.view.storage_bytes = made.tensor.bytes.size();
  made.view.strides = {1};
  made.view.crc32 = test::reference_crc32(made.tensor.bytes);
  return made;
}

/// Reads the whole tensor.
Result<void> read_all(const Damaged &made) {
  ViewFile file(92);
  file.add_view(made.tensor, made.stored, made.view);
  const catalog::Catalog catalog = file.catalog();
  StripAssembler strip(catalog, kStripBlock);
  strip.begin(catalog.tensors[0], 0, made.tensor.bytes.size());
  const uint64_t most_reads = made.stored.size() / 16 + 100;
  for (uint64_t reads = 0; reads < most_reads; ++reads) {
    const auto read = strip.next();
    if (!read) {
      return {};
    }
    const auto begin = file.bytes().begin() + static_cast<std::ptrdiff_t>(read->offset);
    const Bytes block(begin, begin + static_cast<std::ptrdiff_t>(read->length));
    if (auto filled = strip.fill(block); !filled) {
      return filled;
    }
  }
  return Error{ErrorCode::kInternal, "It reads for ever.", {}, {}, {}};
}

void expect_refused(const Damaged &made, std::string_view because) {
  const auto read = read_all(made);
  ASSERT_FALSE(read) << because;
  EXPECT_EQ(read.error().code, ErrorCode::kMalformedFile) << read.error().message;
  EXPECT_NE(read.error().message.find(because), std::string::npos) << read.error().message;
  EXPECT_EQ(read.error().tensor, "layer.weight");
  EXPECT_FALSE(read.error().suggestion.empty());
}

// Within a chunk of inflated data, exactly one, some and a bit.
constexpr uint64_t kSizes[] = {100, 16'384, 16'385, 40'000};

TEST(StripDamage, intact_data_are_read) {
  for (const uint64_t elements : kSizes) {
    const auto read = read_all(intact(elements));
    EXPECT_TRUE(read) << read.error().message;
  }
}

TEST(StripDamage, a_stream_that_breaks_off) {
  for (const uint64_t elements : kSizes) {
    const Damaged whole = intact(elements);
    for (const size_t missing : {size_t{1}, size_t{50}, whole.stored.size() - 1}) {
      Damaged tiling = whole;
      tiling.stored.resize(tiling.stored.size() - missing);
      expect_refused(tiling, "breaks off");
    }
  }
}

TEST(StripDamage, an_empty_stream) {
  Damaged made = intact(100);
  made.stored.clear();
  expect_refused(made, "breaks off");
}

TEST(StripDamage, content_that_is_longer_than_the_container_says) {
  Random random(93);
  for (const uint64_t elements : kSizes) {
    for (const size_t more : {size_t{1}, size_t{70'000}}) {
      Damaged made = intact(elements);
      Bytes content = made.tensor.bytes;
      content.resize(content.size() + more);
      made.stored = test::deflate_stored(random, content);
      expect_refused(made, "longer");
    }
  }
}

TEST(StripDamage, content_that_is_shorter_than_the_container_says) {
  Random random(94);
  for (const uint64_t elements : kSizes) {
    for (const size_t less : {size_t{1}, size_t{300}}) {
      Damaged made = intact(elements);
      Bytes content = made.tensor.bytes;
      content.resize(content.size() - less);
      made.stored = test::deflate_stored(random, content);
      expect_refused(made, "shorter");
    }
  }
}

TEST(StripDamage, a_wrong_checksum) {
  for (const uint64_t elements : kSizes) {
    Damaged made = intact(elements);
    made.view.crc32 = *made.view.crc32 ^ 1U;
    expect_refused(made, "checksum");
    made.view.crc32.reset(); // a container without any
    EXPECT_TRUE(read_all(made));
  }
}

TEST(StripDamage, bytes_that_are_no_stream) {
  Damaged made = intact(100);
  made.stored[0] = 7; // a kind of block that there is not
  expect_refused(made, "broken");
}

TEST(StripDamage, any_changed_bit_is_noticed) {
  const Damaged whole = intact(600);
  Random random(95);
  for (size_t at = 0; at < whole.stored.size(); at += 3) {
    Damaged made = whole;
    const uint64_t bit = random.below(8);
    made.stored[at] = static_cast<uint8_t>(made.stored[at] ^ (1U << bit));
    const auto read = read_all(made);
    // The bits between the header of a stored block and its length mean nothing.
    if (read) {
      EXPECT_GE(bit, 3U);
      continue;
    }
    ASSERT_EQ(read.error().code, ErrorCode::kMalformedFile) << at;
  }
}

} // namespace
} // namespace monoquant::run
