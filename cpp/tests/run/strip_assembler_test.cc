#include "monoquant/run/strip_assembler.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "monoquant/base/text.h"
#include "support/sample_tensors.h"
#include "support/view_file.h"
#include "support/zip_file.h"

namespace monoquant::run {
namespace {

using test::Bytes;
using test::FileTensor;
using test::Random;
using test::Storing;
using test::ViewFile;

/// Bytes [begin, end) of a tensor, read from the file as the strip asks.
Bytes assemble(StripAssembler &strip, const catalog::Tensor &tensor, uint64_t begin, uint64_t end,
               const Bytes &file, size_t block_bytes) {
  strip.begin(tensor, begin, end);
  size_t without_bytes = 0;
  while (const auto read = strip.next()) {
    EXPECT_LE(read->length, block_bytes);
    EXPECT_LE(read->offset + read->length, file.size());
    without_bytes += read->length == 0 ? 1 : 0;
    const Bytes block(file.begin() + static_cast<std::ptrdiff_t>(read->offset),
                      file.begin() + static_cast<std::ptrdiff_t>(read->offset + read->length));
    const auto filled = strip.fill(block);
    EXPECT_TRUE(filled) << filled.error().message;
    if (!filled || without_bytes > 1) {
      ADD_FAILURE() << "the strip does not come to its end";
      return {};
    }
  }
  EXPECT_TRUE(strip.covers(tensor, begin, end));
  const auto bytes = strip.bytes(begin, end);
  return {bytes.begin(), bytes.end()};
}

/// The whole tensor, in strips of about `strip_bytes` each.
Bytes assemble_all(StripAssembler &strip, const catalog::Tensor &tensor, uint64_t strip_bytes,
                   const Bytes &file, size_t block_bytes) {
  const uint64_t width = dtype_bits(tensor.dtype) / 8;
  const uint64_t step = std::max(strip_bytes / width, uint64_t{1}) * width;
  Bytes all;
  for (uint64_t begin = 0; begin < tensor.bytes; begin += step) {
    const uint64_t end = std::min(tensor.bytes, begin + step);
    const Bytes part = assemble(strip, tensor, begin, end, file, block_bytes);
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

bool is_complex(Dtype dtype) {
  return dtype == Dtype::kC32 || dtype == Dtype::kC64 || dtype == Dtype::kC128;
}

/// All ways of storing that this dtype allows.
std::vector<Storing> ways_of_storing(Dtype dtype) {
  const bool has_sign = is_complex(dtype) || dtype_is_quantizable(dtype);
  std::vector<Storing> ways;
  for (uint32_t bits = 0; bits < 64; ++bits) {
    const Storing how{(bits & 1U) != 0, (bits & 2U) != 0,  (bits & 4U) != 0,
                      (bits & 8U) != 0, (bits & 16U) != 0, (bits & 32U) != 0};
    if ((how.negative && !has_sign) || (how.conjugate && !is_complex(dtype)) ||
        (how.deflated && how.literal)) {
      continue;
    }
    ways.push_back(how);
  }
  return ways;
}

TEST(StripAssembler, puts_any_way_of_storing_together) {
  Random random(81);
  for (const Dtype dtype : {Dtype::kU8, Dtype::kF8E4M3, Dtype::kBF16, Dtype::kI32, Dtype::kF32,
                            Dtype::kF64, Dtype::kI64, Dtype::kC32, Dtype::kC64, Dtype::kC128}) {
    ViewFile file(82);
    std::vector<FileTensor> tensors;
    for (const Storing &how : ways_of_storing(dtype)) {
      tensors.push_back(test::random_bytes(random, concat("x", tensors.size()), dtype, {5, 3, 7}));
      file.add(tensors.back(), how);
    }
    const catalog::Catalog catalog = file.catalog();
    for (const size_t block : {size_t{16}, size_t{48}, size_t{1} << 16U}) {
      StripAssembler strip(catalog, block);
      for (const uint64_t length : {1U << 20U, 100U, 16U}) {
        for (size_t i = 0; i < tensors.size(); ++i) {
          ASSERT_EQ(assemble_all(strip, catalog.tensors[i], length, file.bytes(), block),
                    tensors[i].bytes)
              << dtype_name(dtype) << " " << i << ", blocks of " << block << ", strips of "
              << length;
        }
      }
    }
  }
}

/// Contents over several chunks of inflated data and many reads.
TEST(StripAssembler, goes_on_within_a_stream_and_begins_it_again) {
  Random random(83);
  ViewFile file(84);
  const FileTensor tensor = test::random_bytes(random, "a", Dtype::kF32, {400, 250});
  file.add(tensor, {.deflated = true});
  file.add(tensor, {.strided = true, .deflated = true});
  const catalog::Catalog catalog = file.catalog();
  StripAssembler strip(catalog, 5000);
  for (int pass = 0; pass < 2; ++pass) { // the second begins at the front again
    for (const uint64_t length : {1U << 20U, 64U * 1024U, 50'000U, 7000U}) {
      ASSERT_TRUE(assemble_all(strip, catalog.tensors[0], length, file.bytes(), 5000) ==
                  tensor.bytes);
    }
    ASSERT_TRUE(assemble_all(strip, catalog.tensors[1], 90'000, file.bytes(), 5000) ==
                tensor.bytes);
  }
  // Parts in any order.
  for (int round = 0; round < 50; ++round) {
    const uint64_t begin = random.below(100'000) * 4;
    const uint64_t end = begin + 4 + random.below(100'000 - begin / 4) * 4;
    const Bytes found = assemble(strip, catalog.tensors[0], begin, end, file.bytes(), 5000);
    ASSERT_TRUE(std::equal(found.begin(), found.end(),
                           tensor.bytes.begin() + static_cast<std::ptrdiff_t>(begin)));
    ASSERT_EQ(found.size(), end - begin);
  }
}

/// 150,000 bytes, (i % 13) * (1 + i / 50000), as zlib compresses them.
Bytes compressed_by_zlib() {
  return test::bytes_from_hex(
      concat("edc7c90980300000b07ad5aba81415411004f79fd1390ac92fa1aa9bb68bfd304e730a",
             std::string(192, '2'), "527ada384c69d9f27e5ea116", std::string(190, '1'),
             "91e293d67c5cf7f37ea189a3", std::string(192, '8'), "149f1f"));
}

TEST(StripAssembler, inflates_what_zlib_has_compressed) {
  FileTensor tensor{"a", Dtype::kU8, {150'000}, Bytes(150'000)};
  for (size_t i = 0; i < tensor.bytes.size(); ++i) {
    tensor.bytes[i] = static_cast<uint8_t>(i % 13 * (1 + i / 50'000));
  }
  catalog::View view;
  view.deflated = true;
  view.storage_bytes = 150'000;
  view.strides = {1};
  view.crc32 = 0x35B52707U;
  ViewFile file(85);
  file.add_view(tensor, compressed_by_zlib(), view);
  const catalog::Catalog catalog = file.catalog();
  for (const size_t block : {size_t{16}, size_t{80}, size_t{4096}}) {
    StripAssembler strip(catalog, block);
    for (const uint64_t length : {150'000U, 65'536U, 9999U}) {
      ASSERT_TRUE(assemble_all(strip, catalog.tensors[0], length, file.bytes(), block) ==
                  tensor.bytes);
    }
  }
}

TEST(StripAssembler, an_expanded_number_is_repeated) {
  const FileTensor tensor{"a", Dtype::kF32, {200, 3}, {}};
  FileTensor expanded = tensor;
  for (int i = 0; i < 600; ++i) {
    expanded.bytes.insert(expanded.bytes.end(), {1, 2, 3, 4});
  }
  catalog::View view;
  view.storage_bytes = 4;
  view.strides = {0, 0};
  ViewFile file(86);
  file.add_view(expanded, {1, 2, 3, 4}, view);
  const catalog::Catalog catalog = file.catalog();
  StripAssembler strip(catalog, 64);
  EXPECT_EQ(assemble_all(strip, catalog.tensors[0], 1000, file.bytes(), 64), expanded.bytes);
}

TEST(StripAssembler, its_bytes_stay_where_they_are) {
  Random random(87);
  ViewFile file(88);
  const FileTensor small = test::random_bytes(random, "a", Dtype::kF32, {20});
  const FileTensor large = test::random_bytes(random, "b", Dtype::kF32, {400, 250});
  file.add(small, {.big_endian = true});
  file.add(large, {.strided = true, .deflated = true});
  const catalog::Catalog catalog = file.catalog();
  StripAssembler strip(catalog, 4096);
  (void)assemble_all(strip, catalog.tensors[0], 80, file.bytes(), 4096);
  const uint8_t *address = strip.bytes(0, 80).data();
  (void)assemble(strip, catalog.tensors[1], 0, large.bytes.size(), file.bytes(), 4096);
  EXPECT_EQ(strip.bytes(0, 4).data(), address);
}

TEST(StripAssembler, covers_only_what_was_begun) {
  Random random(89);
  ViewFile file(90);
  const FileTensor tensor = test::random_bytes(random, "a", Dtype::kF32, {100});
  file.add(tensor, {.big_endian = true});
  file.add(tensor, {.strided = true});
  const catalog::Catalog catalog = file.catalog();
  StripAssembler strip(catalog, 4096);
  EXPECT_FALSE(strip.covers(catalog.tensors[0], 0, 4));
  strip.begin(catalog.tensors[0], 40, 80);
  EXPECT_TRUE(strip.covers(catalog.tensors[0], 40, 80));
  EXPECT_TRUE(strip.covers(catalog.tensors[0], 44, 48));
  EXPECT_FALSE(strip.covers(catalog.tensors[0], 36, 80));
  EXPECT_FALSE(strip.covers(catalog.tensors[0], 40, 84));
  EXPECT_FALSE(strip.covers(catalog.tensors[1], 40, 80));
}

} // namespace
} // namespace monoquant::run
