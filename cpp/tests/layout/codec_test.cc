// The codecs' fast paths beside their plain ones.
#include <gtest/gtest.h>

#include "monoquant/base/bytes.h"
#include "monoquant/base/float_convert.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/compressed_tensors/compressed_tensors.h"
#include "monoquant/layout/compressed_tensors/plain_codes.h"
#include "support/fixture.h"
#include "support/memory_host.h"
#include "support/random.h"
#include "support/sample_tensors.h"

namespace monoquant::layout {
namespace {

TEST(CompressedTensorsCodec, makes_the_bytes_and_sums_of_its_plain_path) {
  test::Random random(610);
  for (int round = 0; round < 300; ++round) {
    Stored stored;
    stored.scheme.bits = 2 + static_cast<uint32_t>(random.below(7));
    stored.scheme.symmetric = random.chance(2);
    stored.weights_only = stored.scheme.bits < 8 || random.chance(2);
    const size_t count = 1 + random.index(70);
    const size_t size = count == 1 ? 1 + random.index(3000) : 16U << random.index(4);
    stored.columns = size * count;
    static constexpr Dtype kTypes[] = {Dtype::kF32, Dtype::kF16, Dtype::kBF16};
    const Dtype dtype = random.pick(kTypes);
    const test::FileTensor tensor = test::random_weights(random, "w", dtype, {stored.columns});
    const quant::Values values(dtype, tensor.bytes);
    std::vector<float> scales(count);
    std::vector<int32_t> zero_points(count);
    for (size_t i = 0; i < count; ++i) {
      scales[i] = std::ldexp(1.0F + static_cast<float>(random.below(1000)) / 1000,
                             -static_cast<int>(random.below(12)));
      zero_points[i] = stored.scheme.symmetric
                           ? 0
                           : stored.scheme.lowest() +
                                 static_cast<int32_t>(random.below(1U << stored.scheme.bits));
    }
    const quant::QparamsArrays qparams{scales, zero_points};
    std::vector<uint8_t> fast(stored.columns, 0xEE);
    quant::ErrorSums fast_sums;
    const auto codec = kCompressedTensors.make_codec(stored);
    const uint8_t *end = codec->encode(values, size, count, qparams, fast.data(), fast_sums);
    fast.resize(static_cast<size_t>(end - fast.data()));

    std::vector<int8_t> codes(stored.columns);
    quant::ErrorSums sums;
    for (size_t begin = 0; begin < count; begin += 64) { // the kernels are called with so many
      const size_t some = std::min<size_t>(64, count - begin);
      compressed_tensors::nearest_codes(values.part(begin * size, some * size), size, some,
                                        stored.scheme, qparams.from(begin),
                                        std::span(codes).subspan(begin * size), sums);
    }
    std::vector<uint8_t> plain(stored.columns);
    if (stored.weights_only) {
      end = compressed_tensors::pack_codes(codes, stored.scheme.bits, plain.data());
      plain.resize(static_cast<size_t>(end - plain.data()));
    } else {
      std::copy(codes.begin(), codes.end(), plain.begin());
    }
    ASSERT_EQ(fast, plain) << size << "x" << count;
    EXPECT_EQ(fast_sums.signal, sums.signal);
    EXPECT_EQ(fast_sums.noise, sums.noise);
    EXPECT_EQ(fast_sums.peak, sums.peak);
  }
}

/// Codes of `bits` bits from words, as signed integers.
std::vector<int32_t> unpacked(const test::Bytes &words, uint32_t bits, size_t count) {
  std::vector<int32_t> codes(count, -(1 << (bits - 1)));
  for (size_t bit = 0; bit < count * bits; ++bit) {
    codes[bit / bits] += (words[bit / 8] >> (bit % 8) & 1) << (bit % bits);
  }
  return codes;
}

/// What llm-compressor's codes stand for becomes the same codes again.
TEST(CompressedTensorsCodec, makes_the_words_of_llm_compressor) {
  constexpr size_t kColumns = 128;
  constexpr size_t kGroup = 64;
  for (const uint32_t bits : {2U, 5U}) {
    SCOPED_TRACE(bits);
    const auto file = test::parse_file(
        test::read_fixture(concat("layouts/llmcompressor-w", bits, "a16.safetensors")));
    const std::string name = "model.layers.0.self_attn.k_proj.weight";
    const test::Bytes &words = file.tensors.at(name + "_packed").bytes;
    const test::Bytes &stored_scales = file.tensors.at(name + "_scale").bytes;
    Stored stored;
    stored.scheme.bits = bits;
    stored.scheme.strategy = quant::Strategy::kGroup;
    stored.scheme.group_size = kGroup;
    stored.weights_only = true;
    stored.columns = kColumns;
    stored.rows = words.size() * 8 / bits / kColumns;
    ASSERT_EQ(stored.rows, 64U);
    const auto codec = kCompressedTensors.make_codec(stored);
    const auto row_bytes = static_cast<size_t>(codec->row_bytes(kColumns));
    for (size_t row = 0; row < stored.rows; ++row) {
      const auto begin = words.begin() + static_cast<std::ptrdiff_t>(row * row_bytes);
      const test::Bytes expected(begin, begin + static_cast<std::ptrdiff_t>(row_bytes));
      const std::vector<int32_t> codes = unpacked(expected, bits, kColumns);
      std::vector<float> scales(2);
      std::vector<int32_t> zero_points(2);
      std::vector<float> values(kColumns);
      for (size_t i = 0; i < kColumns; ++i) {
        const size_t scope = row * 2 + i / kGroup;
        scales[i / kGroup] = bf16_to_f32(load_le<uint16_t>(stored_scales.data() + 2 * scope));
        values[i] = static_cast<float>(codes[i]) * scales[i / kGroup];
      }
      test::Bytes found(row_bytes);
      quant::ErrorSums sums;
      codec->encode(quant::Values(values), kGroup, 2, {scales, zero_points}, found.data(), sums);
      ASSERT_EQ(found, expected) << row;
      ASSERT_LT(sums.noise, 1e-12);
    }
  }
}

/// Codes that cross from one word to the next: the i-th is (5 i mod 8) - 4.
TEST(CompressedTensorsCodec, packs_3_bits_densely) {
  Stored stored;
  stored.scheme.bits = 3;
  stored.weights_only = true;
  stored.columns = 32;
  std::vector<float> values(32);
  for (int i = 0; i < 32; ++i) {
    values[static_cast<size_t>(i)] = static_cast<float>(5 * i % 8 - 4);
  }
  std::vector<float> scales = {1};
  std::vector<int32_t> zero_points = {0};
  uint8_t words[12];
  quant::ErrorSums sums;
  kCompressedTensors.make_codec(stored)->encode(quant::Values(values), 32, 1, {scales, zero_points},
                                                words, sums);
  EXPECT_EQ(load_le<uint32_t>(words), 0xA878CEA8U);
  EXPECT_EQ(load_le<uint32_t>(words + 4), 0xCEA878CEU);
  EXPECT_EQ(load_le<uint32_t>(words + 8), 0x78CEA878U);
}

} // namespace
} // namespace monoquant::layout
