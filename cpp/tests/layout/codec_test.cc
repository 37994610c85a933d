// The codecs' fast paths beside their plain ones.
#include <gtest/gtest.h>

#include "monoquant/base/text.h"
#include "monoquant/layout/compressed_tensors/compressed_tensors.h"
#include "monoquant/layout/compressed_tensors/plain_codes.h"
#include "support/random.h"
#include "support/sample_tensors.h"

namespace monoquant::layout {
namespace {

TEST(CompressedTensorsCodec, makes_the_bytes_and_sums_of_its_plain_path) {
  test::Random random(610);
  for (int round = 0; round < 300; ++round) {
    Stored stored;
    stored.scheme.bits = random.chance(2) ? 4 : 8;
    stored.scheme.symmetric = random.chance(2);
    stored.weights_only = stored.scheme.bits == 4 || random.chance(2);
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

} // namespace
} // namespace monoquant::layout
