// Codes that a Decoding describes, packed here by what the descriptions say and decoded in pieces of any size.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"
#include "monoquant/base/float_convert.h"
#include "monoquant/layout/coded/coded.h"
#include "monoquant/layout/coded/decoder.h"
#include "monoquant/layout/coded/rotation.h"
#include "support/random.h"

namespace monoquant::layout::coded {
namespace {

using catalog::Codes;
using catalog::CodesPart;
using catalog::Decoding;
using catalog::Fields;
using test::Random;

using Bytes = std::vector<uint8_t>;

/// A matrix of numbers for each of some matrices, row by row.
struct Numbers {
  uint64_t matrices = 1;
  uint64_t rows = 0;
  uint64_t columns = 0;
  std::vector<uint32_t> all;

  [[nodiscard]] uint32_t at(uint64_t matrix, uint64_t row, uint64_t column) const {
    return all[static_cast<size_t>((matrix * rows + row) * columns + column)];
  }
};

/// The words of neighbours, as the drawing of Fields says.
std::vector<uint32_t> words_of(const Fields &fields, const std::vector<uint32_t> &numbers) {
  const uint32_t word_bits = fields.word_bytes * 8;
  std::vector<uint32_t> words(static_cast<size_t>(fields.words_for(numbers.size())));
  if (fields.in_word == 0) {
    size_t bit = 0;
    for (const uint32_t number : numbers) {
      for (uint32_t i = 0; i < fields.bits; ++i, ++bit) {
        words[bit / word_bits] |= (number >> i & 1U) << (bit % word_bits);
      }
    }
    return words;
  }
  constexpr uint32_t kAwq[] = {0, 2, 4, 6, 1, 3, 5, 7};
  for (size_t w = 0; w < words.size(); ++w) {
    for (uint32_t place = 0; place < fields.in_word; ++place) { // from the lowest bits on
      size_t number = w * fields.in_word;
      switch (fields.order) {
      case Fields::Order::kLowFirst:
        number += place;
        break;
      case Fields::Order::kHighFirst:
        number += fields.in_word - 1 - place;
        break;
      case Fields::Order::kAwq:
        number += kAwq[place];
        break;
      case Fields::Order::kApart:
        number = w + place * words.size();
        break;
      case Fields::Order::kApartHighFirst:
        number = w + (fields.in_word - 1 - place) * words.size();
        break;
      }
      if (number < numbers.size()) {
        words[w] |= numbers[number] << (place * fields.bits);
      }
    }
  }
  return words;
}

/// Fills in what the fields say of words, and packs.
void pack(Fields &fields, const Numbers &numbers, Bytes &file) {
  const bool along_rows = fields.along == Fields::Along::kRows;
  const uint64_t lines = along_rows ? numbers.columns : numbers.rows;
  const uint64_t length = along_rows ? numbers.rows : numbers.columns;
  const uint64_t words = fields.words_for(length);
  const bool words_down = along_rows != fields.turned;
  fields.down = words_down ? words : lines;
  fields.across = words_down ? lines : words;
  fields.part.offset = file.size();
  fields.part.bytes = numbers.matrices * fields.down * fields.across * fields.word_bytes;
  file.resize(file.size() + static_cast<size_t>(fields.part.bytes));
  uint8_t *to = file.data() + fields.part.offset;
  for (uint64_t matrix = 0; matrix < numbers.matrices; ++matrix) {
    for (uint64_t line = 0; line < lines; ++line) {
      std::vector<uint32_t> neighbours;
      for (uint64_t i = 0; i < length; ++i) {
        neighbours.push_back(along_rows ? numbers.at(matrix, i, line)
                                        : numbers.at(matrix, line, i));
      }
      const std::vector<uint32_t> packed = words_of(fields, neighbours);
      for (uint64_t word = 0; word < words; ++word) {
        const uint64_t down = words_down ? word : line;
        const uint64_t across = words_down ? line : word;
        uint8_t *at =
            to + ((matrix * fields.down + down) * fields.across + across) * fields.word_bytes;
        for (uint32_t byte = 0; byte < fields.word_bytes; ++byte) {
          at[byte] = static_cast<uint8_t>(packed[static_cast<size_t>(word)] >> (8 * byte));
        }
      }
    }
  }
}

CodesPart append(Bytes &file, Dtype dtype, const std::vector<float> &values) {
  CodesPart part{dtype, file.size(), 0, {}};
  for (const float value : values) {
    const size_t width = dtype_bits(dtype) / 8;
    file.resize(file.size() + width);
    uint8_t *to = file.data() + file.size() - width;
    dtype == Dtype::kF16 ? store_le(to, f32_to_f16(value)) : store_le(to, value);
  }
  part.bytes = file.size() - part.offset;
  return part;
}

/// One description with data, and the values that it stands for.
struct Sample {
  Bytes file;
  Decoding decoding;
  std::vector<float> values;
  DecodeFindings findings;
};

struct Shape {
  uint64_t matrices;
  uint64_t rows;
  uint64_t columns;
};

Fields fields_like(uint32_t bits, uint32_t word_bytes, bool is_dense, Fields::Order order,
                   Fields::Along along, bool turned) {
  Fields fields;
  fields.bits = bits;
  fields.word_bytes = word_bytes;
  fields.in_word = is_dense ? 0 : word_bytes * 8 / bits;
  fields.order = order;
  fields.along = along;
  fields.turned = turned;
  return fields;
}

Numbers random_numbers(Random &random, const Shape &shape, uint32_t bits) {
  Numbers numbers{shape.matrices, shape.rows, shape.columns, {}};
  for (uint64_t i = 0; i < shape.matrices * shape.rows * shape.columns; ++i) {
    numbers.all.push_back(static_cast<uint32_t>(random.below(uint64_t{1} << bits)));
  }
  return numbers;
}

enum class Zeros : uint8_t { kNone, kPacked, kLessOne, kBias };

/// Scales are whole numbers, so that every value is exact.
Sample make_sample(Random &random, const Shape &shape, Fields codes, uint64_t group, Zeros zeros,
                   bool has_order) {
  Sample sample;
  sample.file.assign(static_cast<size_t>(random.below(9)), 0xEE);
  const Numbers numbers = random_numbers(random, shape, codes.bits);
  pack(codes, numbers, sample.file);
  Decoding &decoding = sample.decoding;
  decoding.matrices = shape.matrices;
  decoding.rows = shape.rows;
  decoding.columns = shape.columns;
  decoding.codes = codes;
  decoding.numbers = integers(codes.bits, 0);
  decoding.scale_columns = group;
  const uint64_t groups = divide_up(shape.columns, group);
  // Scales lie as the codes do.
  std::vector<float> scales;
  for (uint64_t i = 0; i < shape.matrices * shape.rows * groups; ++i) {
    scales.push_back(static_cast<float>(1 + random.below(63)));
  }
  decoding.scales.turned = codes.turned;
  decoding.scales.bits = 16;
  decoding.scales.word_bytes = 2;
  decoding.scales.down = codes.turned ? groups : shape.rows;
  decoding.scales.across = codes.turned ? shape.rows : groups;
  decoding.scales.part = append(sample.file, Dtype::kF16, scales);
  const auto scale_of = [&](uint64_t matrix, uint64_t row, uint64_t of) {
    const uint64_t at = codes.turned ? of * shape.rows + row : row * groups + of;
    return scales[static_cast<size_t>(matrix * shape.rows * groups + at)];
  };
  const Numbers zero = random_numbers(random, {shape.matrices, shape.rows, groups}, codes.bits);
  if (zeros != Zeros::kNone) {
    Fields packed = fields_like(codes.bits, 4, 32 % codes.bits != 0, Fields::Order::kLowFirst,
                                Fields::Along::kRows, codes.turned);
    packed.part.dtype = Dtype::kI32;
    pack(packed, zero, sample.file);
    decoding.zeros = packed;
    decoding.zero = zeros == Zeros::kBias ? Decoding::Zero::kBias : Decoding::Zero::kPoint;
    decoding.zero_added = zeros == Zeros::kLessOne ? 1 : 0;
  }
  std::vector<uint64_t> order;
  for (uint64_t column = 0; column < shape.columns; ++column) {
    order.push_back(has_order ? random.below(groups) : column / group);
  }
  if (has_order) {
    decoding.group_index = CodesPart{Dtype::kI32, sample.file.size(), shape.columns * 4, {}};
    sample.file.resize(sample.file.size() + static_cast<size_t>(shape.columns * 4));
    for (size_t i = 0; i < order.size(); ++i) {
      store_le(sample.file.data() + decoding.group_index->offset + i * 4,
               static_cast<uint32_t>(order[i]));
    }
  }
  const uint32_t mask = (1U << codes.bits) - 1;
  for (uint64_t matrix = 0; matrix < shape.matrices; ++matrix) {
    for (uint64_t row = 0; row < shape.rows; ++row) {
      for (uint64_t column = 0; column < shape.columns; ++column) {
        const uint64_t its = order[static_cast<size_t>(column)];
        const auto code = static_cast<int64_t>(numbers.at(matrix, row, column));
        const auto stored = static_cast<int64_t>(zero.at(matrix, row, its));
        const int64_t point = zeros == Zeros::kLessOne ? (stored + 1) & mask : stored;
        const float scale = scale_of(matrix, row, its);
        const bool taken_off = zeros == Zeros::kPacked || zeros == Zeros::kLessOne;
        float value = static_cast<float>(code - (taken_off ? point : 0)) * scale;
        value += zeros == Zeros::kBias ? static_cast<float>(stored) : 0.0F;
        sample.values.push_back(value);
      }
    }
  }
  return sample;
}

/// The values, decoded in parts of these many elements at most, each read by reads of at most a block.
std::vector<float> decode(const Sample &sample, uint64_t part, size_t block, uint64_t slab,
                          DecodeFindings *findings = nullptr) {
  const Codes codes = codes_of("test", sample.decoding.codes.bits, true, sample.decoding);
  Decoder decoder(block, slab);
  decoder.reserve(codes, part);
  std::vector<float> values(static_cast<size_t>(codes.elements), 12345.0F);
  for (uint64_t begin = 0; begin < codes.elements; begin += part) {
    const uint64_t end = std::min(codes.elements, begin + part);
    decoder.begin(
        codes, begin, end,
        std::span(values).subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)),
        {});
    while (const auto need = decoder.next()) {
      EXPECT_GT(need->length, 0U);
      EXPECT_LE(need->length, block);
      if (need->offset > sample.file.size() || need->length > sample.file.size() - need->offset) {
        ADD_FAILURE() << "a read beyond the file";
        return {};
      }
      const Bytes bytes(sample.file.begin() + static_cast<std::ptrdiff_t>(need->offset),
                        sample.file.begin() +
                            static_cast<std::ptrdiff_t>(need->offset + need->length));
      decoder.fill(bytes);
    }
    if (findings != nullptr) {
      findings->bad_scales += decoder.findings().bad_scales;
      findings->bad_zero_points += decoder.findings().bad_zero_points;
      findings->bad_codes += decoder.findings().bad_codes;
    }
  }
  return values;
}

void expect_decoded(const Sample &sample, const std::string &title) {
  ASSERT_TRUE(is_sound(sample.decoding)) << title;
  for (const uint64_t part : {uint64_t{1} << 20U, uint64_t{977}, uint64_t{64}}) {
    for (const uint64_t slab : {kSlabBytes, uint64_t{4096}, uint64_t{1}}) {
      ASSERT_EQ(decode(sample, part, part == 977 ? 16 : 4096, slab), sample.values)
          << title << ", parts of " << part << ", slabs of " << slab;
    }
  }
}

TEST(Coded, EveryPackingOfEveryWidth) {
  Random random(901);
  for (uint32_t bits = 1; bits <= 8; ++bits) {
    for (const bool turned : {false, true}) {
      for (const auto along : {Fields::Along::kColumns, Fields::Along::kRows}) {
        const Shape shape{1, 137, 96};
        const Fields fields = fields_like(bits, 4, true, Fields::Order::kLowFirst, along, turned);
        expect_decoded(make_sample(random, shape, fields, 32, Zeros::kPacked, false),
                       "dense " + std::to_string(bits) + (turned ? " turned" : ""));
        Fields whole = fields;
        whole.in_word = 32 / bits;
        expect_decoded(make_sample(random, shape, whole, 33, Zeros::kNone, false),
                       "whole " + std::to_string(bits) + (turned ? " turned" : ""));
      }
    }
  }
}

TEST(Coded, EveryOrderInAWord) {
  Random random(902);
  for (const bool turned : {false, true}) {
    for (const auto along : {Fields::Along::kColumns, Fields::Along::kRows}) {
      const Fields awq = fields_like(4, 4, false, Fields::Order::kAwq, along, turned);
      expect_decoded(make_sample(random, {2, 72, 64}, awq, 16, Zeros::kPacked, false), "awq");
      for (const uint32_t bits : {1U, 2U, 4U}) {
        const Fields high = fields_like(bits, 1, false, Fields::Order::kHighFirst, along, turned);
        expect_decoded(make_sample(random, {1, 70, 61}, high, 7, Zeros::kNone, false), "high");
      }
    }
  }
  for (const auto order : {Fields::Order::kApart, Fields::Order::kApartHighFirst}) {
    for (const uint32_t bits : {2U, 4U}) {
      const Fields apart = fields_like(bits, 1, false, order, Fields::Along::kRows, false);
      expect_decoded(make_sample(random, {2, 120, 37}, apart, 37, Zeros::kBias, false), "apart");
    }
  }
}

TEST(Coded, ScalesInAnyOrderAndZeroPointsLessOne) {
  Random random(903);
  for (const uint32_t bits : {2U, 3U, 4U, 8U}) {
    for (const bool turned : {false, true}) {
      const Fields fields =
          fields_like(bits, 4, true, Fields::Order::kLowFirst, Fields::Along::kColumns, turned);
      expect_decoded(make_sample(random, {1, 130, 128}, fields, 32, Zeros::kLessOne, true),
                     "order " + std::to_string(bits));
    }
  }
}

TEST(Coded, ASlabIsReadOnce) {
  Random random(904);
  const Fields fields =
      fields_like(4, 4, false, Fields::Order::kLowFirst, Fields::Along::kColumns, true);
  const Sample sample = make_sample(random, {1, 512, 256}, fields, 64, Zeros::kPacked, false);
  const Codes codes = codes_of("test", 4, true, sample.decoding);
  const auto read = [&](uint64_t slab) {
    Decoder decoder(1 << 16, slab);
    std::vector<float> values(997);
    uint64_t bytes = 0;
    for (uint64_t begin = 0; begin < codes.elements; begin += values.size()) {
      decoder.begin(codes, begin, std::min<uint64_t>(codes.elements, begin + values.size()), values,
                    {});
      while (const auto need = decoder.next()) {
        bytes += need->length;
        decoder.fill(
            std::span(sample.file)
                .subspan(static_cast<size_t>(need->offset), static_cast<size_t>(need->length)));
      }
    }
    return bytes;
  };
  EXPECT_EQ(read(kSlabBytes), sample.decoding.stored_bytes());
  // Slabs of 64 rows: no words are shared, whatever the parts are.
  EXPECT_EQ(read(64 * 128 + 64 * 4 * 8), sample.decoding.stored_bytes());
}

TEST(Coded, FindingsCountEachScaleOnce) {
  Random random(905);
  const Fields fields =
      fields_like(4, 4, false, Fields::Order::kLowFirst, Fields::Along::kColumns, false);
  Sample sample = make_sample(random, {1, 40, 64}, fields, 16, Zeros::kNone, true);
  const auto put = [&](const CodesPart &part, uint64_t at, auto value) {
    store_le(sample.file.data() + part.offset + at * sizeof(value), value);
  };
  put(sample.decoding.scales.part, 0, uint16_t{0x7C00}); // infinity
  put(sample.decoding.scales.part, 77, uint16_t{0});     // nothing
  put(*sample.decoding.group_index, 3, int32_t{4});      // behind the last group
  put(*sample.decoding.group_index, 63, int32_t{-1});
  for (const uint64_t part : {uint64_t{1}, uint64_t{50}, uint64_t{100000}}) {
    DecodeFindings found;
    decode(sample, part, 4096, kSlabBytes, &found);
    EXPECT_EQ(found.bad_scales, 2U) << part;
    EXPECT_EQ(found.bad_codes, 2U) << part;
  }
  sample.decoding.zero_scales_are_sound = true;
  DecodeFindings found;
  decode(sample, 50, 4096, kSlabBytes, &found);
  EXPECT_EQ(found.bad_scales, 1U);
}

TEST(Coded, RotatedRowsComeBack) {
  // Source of the first two: worked examples of the rotation; it is its own inverse.
  std::vector<float> four = {8, 1, 2, -3};
  rotate(four);
  EXPECT_EQ(four, (std::vector<float>{7, 2, 3, -4}));
  rotate(four);
  EXPECT_EQ(four, (std::vector<float>{8, 1, 2, -3}));
  std::vector<float> sixteen;
  for (int i = 0; i < 16; ++i) {
    sixteen.push_back(static_cast<float>(5 * i % 16 - 8) / 8);
  }
  rotate(sixteen);
  EXPECT_EQ(sixteen, (std::vector<float>{0, -.375, -.75, .875, -.5, -.875, .75, .375, -1, .625, .25,
                                         -.125, .5, .125, -.25, -.625}));
  EXPECT_TRUE(is_rotated_count(1024));
  EXPECT_FALSE(is_rotated_count(32));
  EXPECT_FALSE(is_rotated_count(0));
  Random random(906);
  Sample sample = make_sample(
      random, {1, 9, 192},
      fields_like(8, 1, false, Fields::Order::kLowFirst, Fields::Along::kColumns, false), 192,
      Zeros::kNone, false);
  sample.decoding.rotated = 64;
  for (size_t at = 0; at < sample.values.size(); at += 64) {
    rotate(std::span(sample.values).subspan(at, 64));
  }
  expect_decoded(sample, "rotated");
}

TEST(Coded, SmallFloatsAreThoseOfTheirFormats) {
  EXPECT_EQ(small_floats(2, 1),
            (std::vector<float>{0, .5, 1, 1.5, 2, 3, 4, 6, -0.F, -.5, -1, -1.5, -2, -3, -4, -6}));
  EXPECT_TRUE(std::signbit(small_floats(2, 1)[8]));
  const std::vector<float> e2m3 = small_floats(2, 3);
  EXPECT_EQ(e2m3[1], .125F);
  EXPECT_EQ(e2m3[31], 7.5F);
  EXPECT_EQ(small_floats(3, 2)[31], 28.F);
}

TEST(Coded, WhatDoesNotFitIsNotSound) {
  Random random(907);
  const Sample good =
      make_sample(random, {2, 64, 64},
                  fields_like(3, 4, true, Fields::Order::kLowFirst, Fields::Along::kColumns, true),
                  16, Zeros::kPacked, true);
  ASSERT_TRUE(is_sound(good.decoding));
  const std::vector<void (*)(Decoding &)> breaks = {
      [](Decoding &d) { ++d.rows; },
      [](Decoding &d) { d.rows = 0; },
      [](Decoding &d) { d.columns += 32; },
      [](Decoding &d) { d.rows = d.columns = uint64_t{1} << 40U; },
      [](Decoding &d) { d.matrices = 1; },
      [](Decoding &d) { ++d.codes.bits; },
      [](Decoding &d) { d.codes.bits = 0; },
      [](Decoding &d) { d.codes.bits = 32; },
      [](Decoding &d) { d.codes.in_word = 11; },
      [](Decoding &d) { d.codes.word_bytes = 8; },
      [](Decoding &d) { d.codes.turned = false, d.codes.down = 64, d.codes.across = 5; },
      [](Decoding &d) { --d.codes.part.bytes; },
      [](Decoding &d) { d.scale_columns = 8; },
      [](Decoding &d) { d.scale_columns = 0; },
      [](Decoding &d) { d.scale_rows = 0; },
      [](Decoding &d) { d.scales.part.bytes -= 2; },
      [](Decoding &d) { d.zeros->part.bytes -= 4; },
      [](Decoding &d) { d.group_index->bytes -= 4; },
      [](Decoding &d) { d.numbers.pop_back(); },
      [](Decoding &d) {
        d.table = CodesPart{Dtype::kF32, 0, 16, {}};
      },
      [](Decoding &d) { d.rotated = 32; },
      [](Decoding &d) { d.rotated = 256; },
      [](Decoding &d) {
        d.outer = CodesPart{Dtype::kF32, 0, 4, {}};
      },
  };
  for (size_t i = 0; i < breaks.size(); ++i) {
    Decoding broken = good.decoding;
    breaks[i](broken);
    EXPECT_FALSE(is_sound(broken)) << "number " << i;
  }
}

} // namespace
} // namespace monoquant::layout::coded
