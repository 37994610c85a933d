// Models in GGUF files, from the first byte to values: all types, both byte orders, and what is refused.
#include "monoquant/layout/gguf/model_file.h"

#include <gtest/gtest.h>

#include <cstring>

#include "layout/gguf/blocks_fixture.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/foreign.h"
#include "monoquant/layout/gguf/block_order.h"
#include "monoquant/layout/gguf/block_reader.h"
#include "monoquant/layout/gguf/decode.h"
#include "support/gguf_file.h"
#include "support/memory_host.h"
#include "support/random.h"

namespace monoquant::layout::gguf {
namespace {

using catalog::Catalog;
using catalog::Tensor;
using test::Bytes;
using test::GgufFileParts;
using test::GgufFileTensor;

/// All golden blocks as tensors of one file, each named as its blocks are.
GgufFileParts golden_model() {
  GgufFileParts parts;
  parts.keys = {test::gguf_text("general.architecture", "llama"),
                {"general.file_type", 4, test::gguf_number(uint32_t{15})},
                {"llama.rope.freq_base", 6, test::gguf_number(0.1F)}};
  for (const auto &[name, digest] : golden_digests()["values"].items()) {
    const BlockFacts *facts = find_block_type(std::string_view(name).substr(0, name.find('.')));
    parts.tensors.push_back({name + ".weight",
                             static_cast<uint32_t>(facts->type),
                             {kGoldenRows, kGoldenColumns},
                             golden_blocks().tensors.at(name).bytes});
  }
  return parts;
}

/// A tensor of any blocks, of a few rows.
GgufFileTensor some_blocks(const BlockFacts &facts, std::string name, uint64_t rows = 3,
                           uint64_t blocks = 2) {
  test::Random random(static_cast<uint64_t>(facts.type) + 1);
  Bytes bytes(static_cast<size_t>(rows * blocks * facts.bytes));
  for (uint8_t &byte : bytes) {
    byte = static_cast<uint8_t>(random.bits());
  }
  return {std::move(name), static_cast<uint32_t>(facts.type), {rows, blocks * facts.values}, bytes};
}

catalog::Opening joined() {
  catalog::Opening opening;
  opening.join_quantized = true;
  return opening;
}

/// What comes out as a safetensors file.
test::TensorFile dequantized(const Bytes &file, test::HostChoice choice = {}) {
  auto catalog = test::inspect(file, joined());
  EXPECT_TRUE(catalog) << (catalog ? "" : catalog.error().message);
  Json options = test::default_options();
  options["bits"] = "none";
  const test::MemoryRun run(test::plan_for(catalog.value(), options), file, choice);
  EXPECT_TRUE(run.verify(run.output()));
  return test::parse_file(run.output());
}

TEST(GgufModel, blocks_of_every_type_become_the_values_that_ggml_reads) {
  GgufFileParts parts = golden_model();
  for (const uint32_t version : {2U, 3U}) {
    parts.version = version;
    const test::TensorFile file = dequantized(test::make_gguf(parts));
    ASSERT_EQ(file.tensors.size(), golden_digests()["values"].size());
    for (const auto &[name, digest] : golden_digests()["values"].items()) {
      const test::FileTensor &found = file.tensors.at(name + ".weight");
      EXPECT_EQ(found.shape, (std::vector<uint64_t>{kGoldenRows, kGoldenColumns}));
      const bool is_number = name.starts_with("F16") || name.starts_with("BF16");
      EXPECT_EQ(found.dtype == Dtype::kF32, !is_number) << name;
      EXPECT_EQ(digest_of(test::values_of(found)), digest) << name;
    }
    EXPECT_EQ(file.header["__metadata__"]["general.architecture"], "llama");
    EXPECT_EQ(file.header["__metadata__"]["llama.rope.freq_base"], "0.1");
    EXPECT_FALSE(file.header["__metadata__"].contains("general.file_type"));
  }
}

TEST(GgufModel, values_do_not_depend_on_the_host) {
  const BlockFacts &facts = facts_of(BlockType::kQ6K);
  const Bytes file = test::make_gguf({{}, {some_blocks(facts, "long.weight", 3, 5000)}});
  const test::TensorFile expected = dequantized(file);
  const auto other = dequantized(file, {test::kSmallestBlock, 2, 3, 1});
  EXPECT_TRUE(other.tensors == expected.tensors);
}

// Whatever part is asked for, and however little is read at once.
TEST(GgufModel, parts_of_blocks_have_the_values_of_the_whole) {
  test::Random random(11);
  for (const BlockFacts &facts : block_types()) {
    if (facts.values == 1) {
      continue;
    }
    const GgufFileTensor tensor = some_blocks(facts, "a");
    std::vector<float> all(tensor.bytes.size() / facts.bytes * facts.values);
    ASSERT_TRUE(decode_blocks(facts.type, tensor.bytes, all));
    catalog::Codes codes;
    codes.data = {Dtype::kU8, 0, tensor.bytes.size(), {}};
    codes.value_blocks = {facts.name, static_cast<uint32_t>(facts.type), facts.values, facts.bytes,
                          false};
    for (const size_t read : {size_t{16}, size_t{100}, size_t{600}, size_t{1} << 20U}) {
      BlockReader reader(read);
      reader.reserve(codes, all.size());
      for (int round = 0; round < 20; ++round) {
        const size_t begin = random.index(all.size());
        const size_t end = begin + 1 + random.index(all.size() - begin);
        std::vector<float> part(end - begin, 123.0F);
        reader.begin(codes, begin, end, part, {});
        while (const auto need = reader.next()) {
          ASSERT_LE(need->length, read);
          ASSERT_LE(need->offset + need->length, tensor.bytes.size());
          reader.fill(
              std::span(tensor.bytes)
                  .subspan(static_cast<size_t>(need->offset), static_cast<size_t>(need->length)));
        }
        ASSERT_EQ(std::memcmp(part.data(), all.data() + begin, part.size() * sizeof(float)), 0)
            << facts.name << " " << begin << " to " << end << ", " << read << " at once";
      }
    }
  }
}

/// Where a type's numbers of two bytes lie, from the drawings of ggml's blocks.
struct Halves {
  BlockType type;
  std::vector<size_t> offsets;
};

TEST(GgufModel, numbers_of_blocks_are_read_in_both_byte_orders) {
  const std::vector<Halves> rows = {
      {BlockType::kQ40, {0}},      {BlockType::kQ41, {0, 2}}, {BlockType::kQ80, {0}},
      {BlockType::kQ2K, {80, 82}}, {BlockType::kQ3K, {108}},  {BlockType::kQ4K, {0, 2}},
      {BlockType::kQ5K, {0, 2}},   {BlockType::kQ6K, {208}},  {BlockType::kIq4Nl, {0}},
      {BlockType::kIq4Xs, {0, 2}}, {BlockType::kTq10, {52}},  {BlockType::kTq20, {64}},
      {BlockType::kIq3S, {0}},     {BlockType::kIq2S, {0}},   {BlockType::kMxfp4, {}},
      {BlockType::kNvfp4, {}},     {BlockType::kQ10, {0}},    {BlockType::kQ20, {0}}};
  for (const Halves &row : rows) {
    const BlockFacts &facts = facts_of(row.type);
    GgufFileParts parts{{}, {some_blocks(facts, "a.weight")}};
    const auto expected = dequantized(test::make_gguf(parts));
    Bytes &bytes = parts.tensors[0].bytes;
    for (size_t block = 0; block < bytes.size(); block += facts.bytes) {
      for (const size_t at : row.offsets) {
        std::swap(bytes[block + at], bytes[block + at + 1]);
      }
    }
    parts.big_endian = true;
    const auto found = dequantized(test::make_gguf(parts));
    EXPECT_TRUE(found.tensors == expected.tensors) << facts.name;
  }
}

TEST(GgufModel, types_whose_byte_order_is_unknown_are_named) {
  for (const BlockFacts &facts : block_types()) {
    if (facts.values == 1) {
      continue;
    }
    const auto catalog =
        test::inspect(test::make_gguf({{}, {some_blocks(facts, "a.weight")}, 3, true}));
    EXPECT_EQ(static_cast<bool>(catalog), has_known_order(facts.type)) << facts.name;
    if (!catalog) {
      EXPECT_EQ(catalog.error().code, ErrorCode::kUnsupportedFormat);
      EXPECT_NE(catalog.error().message.find(facts.name), std::string::npos);
      EXPECT_EQ(catalog.error().tensor, "a.weight");
    }
  }
}

TEST(GgufModel, plain_numbers_of_both_byte_orders_are_tensors_as_they_are) {
  const Bytes little = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  const std::vector<std::pair<uint32_t, Dtype>> types = {
      {0, Dtype::kF32},  {1, Dtype::kF16},  {24, Dtype::kI8},  {25, Dtype::kI16},
      {26, Dtype::kI32}, {27, Dtype::kI64}, {28, Dtype::kF64}, {30, Dtype::kBF16}};
  for (const auto &[type, dtype] : types) {
    const size_t width = dtype_bits(dtype) / 8;
    Bytes big = little;
    for (size_t at = 0; at < big.size(); at += width) {
      std::reverse(big.begin() + static_cast<std::ptrdiff_t>(at),
                   big.begin() + static_cast<std::ptrdiff_t>(at + width));
    }
    for (const bool is_big : {false, true}) {
      const auto file = dequantized(
          test::make_gguf({{}, {{"n", type, {2, 8 / width}, is_big ? big : little}}, 3, is_big}));
      EXPECT_EQ(file.tensors.at("n"), (test::FileTensor{"n", dtype, {2, 8 / width}, little}))
          << dtype_name(dtype) << is_big;
    }
  }
}

TEST(GgufModel, keys_are_text_and_arrays_are_counted) {
  using test::gguf_number;
  GgufFileParts parts;
  test::GgufWriter words;
  words.number(uint32_t{8}).number(uint64_t{2}).text("one").text("three");
  test::GgufWriter numbers;
  numbers.number(uint32_t{0}).number(uint64_t{3}).raw("abc");
  parts.keys = {{"u8", 0, gguf_number(uint8_t{255})},
                {"i8", 1, gguf_number(int8_t{-1})},
                {"u16", 2, gguf_number(uint16_t{65535})},
                {"i16", 3, gguf_number(int16_t{-2})},
                {"u32", 4, gguf_number(UINT32_MAX)},
                {"i32", 5, gguf_number(INT32_MIN)},
                {"f32", 6, gguf_number(1e-6F)},
                {"bool", 7, gguf_number(uint8_t{1})},
                test::gguf_text("text", "Ünïcode"),
                test::gguf_text("bytes", "\xFF\xFE"),
                test::gguf_text("long", std::string(100'000, 'x')),
                {"words", 9, words.bytes()},
                {"numbers", 9, numbers.bytes()},
                {"u64", 10, gguf_number(UINT64_MAX)},
                {"i64", 11, gguf_number(INT64_MIN)},
                {"f64", 12, gguf_number(0.25)},
                {"nan", 6, gguf_number(std::numeric_limits<float>::quiet_NaN())},
                {"inf", 12, gguf_number(-std::numeric_limits<double>::infinity())}};
  const auto catalog = test::inspect(test::make_gguf(parts));
  ASSERT_TRUE(catalog) << catalog.error().message;
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"u8", "255"},
      {"i8", "-1"},
      {"u16", "65535"},
      {"i16", "-2"},
      {"u32", "4294967295"},
      {"i32", "-2147483648"},
      {"f32", "1e-06"},
      {"bool", "true"},
      {"text", "Ünïcode"},
      {"bytes", "[2 bytes]"},
      {"long", "[100000 bytes]"},
      {"words", "[2 strings]"},
      {"numbers", "[3 numbers]"},
      {"u64", "18446744073709551615"},
      {"i64", "-9223372036854775808"},
      {"f64", "0.25"},
      {"nan", "nan"},
      {"inf", "-inf"}};
  EXPECT_EQ(catalog.value().metadata, expected);
}

TEST(GgufModel, blocks_are_quantized_already_and_are_no_bytes_to_copy) {
  const Bytes file =
      test::make_gguf({{}, {some_blocks(facts_of(BlockType::kQ4K), "blk.0.attn_q.weight")}});
  const auto raw = test::inspect(file);
  ASSERT_TRUE(raw);
  ASSERT_TRUE(raw.value().tensors[0].codes);
  EXPECT_EQ(raw.value().tensors[0].codes->stored_bytes(), 3U * 2 * 144);
  const auto refused = refuse_quantized(raw.value());
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, ErrorCode::kAlreadyQuantized);
  EXPECT_NE(refused->message.find("GGUF Q4_K: blk.0.attn_q.weight"), std::string::npos)
      << refused->message;
  const auto copied = refuse_blocks(raw.value());
  ASSERT_TRUE(copied);
  EXPECT_EQ(copied->code, ErrorCode::kAlreadyQuantized);
  const auto values = test::inspect(file, joined());
  ASSERT_TRUE(values);
  EXPECT_FALSE(refuse_blocks(values.value()));
  EXPECT_FALSE(refuse_foreign(values.value()));
}

// llama.cpp multiplies what such a layer gives by it.
TEST(GgufModel, blocks_with_a_scale_beside_them_are_not_understood) {
  const auto &facts = facts_of(BlockType::kNvfp4);
  const auto catalog =
      test::inspect(test::make_gguf({{},
                                     {some_blocks(facts, "blk.0.attn_q.weight"),
                                      {"blk.0.attn_q.scale", 0, {1}, {0, 0, 0, 64}}}}),
                    joined());
  ASSERT_TRUE(catalog);
  EXPECT_TRUE(refuse_foreign(catalog.value()));
}

TEST(GgufModel, what_is_wrong_is_told) {
  const BlockFacts &q4 = facts_of(BlockType::kQ40);
  const GgufFileTensor good = some_blocks(q4, "a");
  const auto with = [&](auto change) {
    GgufFileParts parts{{}, {good}};
    change(parts);
    return test::make_gguf(parts);
  };
  struct Row {
    std::string said;
    ErrorCode code;
    Bytes file;
  };
  constexpr uint64_t kHuge = uint64_t{1} << 63U;
  const std::vector<Row> rows = {
      {"type 4", ErrorCode::kUnsupportedFormat,
       with([](auto &parts) { parts.tensors[0].type = 4; })},
      {"type 4294967295", ErrorCode::kUnsupportedFormat,
       with([](auto &parts) { parts.tensors[0].type = UINT32_MAX; })},
      {"rows of 33", ErrorCode::kMalformedFile, with([](auto &parts) {
         parts.tensors[0].shape = {1, 33};
       })},
      {"rows of 1", ErrorCode::kMalformedFile,
       with([](auto &parts) { parts.tensors[0].shape = {}; })},
      {"beyond the end", ErrorCode::kMalformedFile, with([](auto &parts) {
         parts.tensors[0].shape = {4, 64};
       })},
      {"a shape", ErrorCode::kMalformedFile, with([](auto &parts) {
         parts.tensors[0].shape = {kHuge, 64};
       })},
      {"a shape", ErrorCode::kMalformedFile, with([](auto &parts) {
         parts.tensors[0].shape = {0, kHuge};
       })},
      {"beyond the end", ErrorCode::kMalformedFile, with([](auto &parts) {
         parts.tensors[0].shape = {kHuge >> 20U, kHuge >> 20U};
       })},
      {"two of this name", ErrorCode::kMalformedFile,
       with([&](auto &parts) { parts.tensors.push_back(good); })},
      {"is no text", ErrorCode::kMalformedFile,
       with([](auto &parts) { parts.tensors[0].name = "\xFF"; })},
      {"twice", ErrorCode::kMalformedFile, with([](auto &parts) {
         parts.keys = {test::gguf_text("k", "1"), test::gguf_text("k", "2")};
       })},
      {"statistics", ErrorCode::kUnsupportedFormat,
       with([](auto &parts) { parts.keys = {test::gguf_text("general.type", "imatrix")}; })},
      {"all 2 parts", ErrorCode::kUnsupportedFormat, with([](auto &parts) {
         parts.keys = {{"split.count", 2, test::gguf_number(uint16_t{2})}};
       })},
      {"version 1", ErrorCode::kUnsupportedFormat, with([](auto &parts) { parts.version = 1; })},
      {"multiple of 64", ErrorCode::kMalformedFile, with([&](auto &parts) {
         parts.keys = {{"general.alignment", 4, test::gguf_number(uint32_t{64})}};
         parts.tensors.push_back({"b", 0, {8}, Bytes(32)});   // at 128 + 0 and 128 + 128
         parts.tensors.push_back({"c", 0, {32}, Bytes(128)}); // at 128 + 160
       })},
  };
  for (const Row &row : rows) {
    for (const bool joins : {false, true}) {
      const auto catalog = test::inspect(row.file, joins ? joined() : catalog::Opening{});
      ASSERT_FALSE(catalog) << row.said;
      EXPECT_EQ(catalog.error().code, row.code) << catalog.error().message;
      EXPECT_NE(catalog.error().message.find(row.said), std::string::npos)
          << catalog.error().message;
      EXPECT_FALSE(catalog.error().suggestion.empty());
    }
  }
}

/// What llama-gguf-split writes: only the first part has keys of the model.
GgufFileParts part_of(uint16_t number, uint16_t count, int32_t tensors) {
  GgufFileParts part;
  part.keys = {{"split.no", 2, test::gguf_number(number)},
               {"split.count", 2, test::gguf_number(count)},
               {"split.tensors.count", 5, test::gguf_number(tensors)}};
  return part;
}

/// Files one behind the other, and where they end.
struct PartFiles {
  Bytes bytes;
  catalog::Opening opening;

  explicit PartFiles(const std::vector<GgufFileParts> &parts) {
    opening.join_quantized = true;
    for (size_t i = 0; i < parts.size(); ++i) {
      const Bytes file = test::make_gguf(parts[i]);
      bytes.insert(bytes.end(), file.begin(), file.end());
      if (i + 1 < parts.size()) {
        opening.file_ends.push_back(bytes.size());
      }
    }
  }
};

TEST(GgufModel, parts_of_a_split_file_are_one_model) {
  const BlockFacts &q4 = facts_of(BlockType::kQ4K);
  const BlockFacts &q8 = facts_of(BlockType::kQ80);
  const std::vector<GgufFileTensor> tensors = {
      some_blocks(q4, "a.weight"), some_blocks(q8, "b.weight"), some_blocks(q4, "c.weight", 5)};
  GgufFileParts whole;
  whole.keys = {test::gguf_text("general.architecture", "llama")};
  whole.tensors = tensors;
  std::vector<GgufFileParts> parts = {part_of(0, 3, 3), part_of(1, 3, 3), part_of(2, 3, 3)};
  parts[0].keys.insert(parts[0].keys.begin(), whole.keys[0]);
  parts[1].tensors = {tensors[0], tensors[1]}; // the first one may be empty
  parts[2].tensors = {tensors[2]};
  const PartFiles split(parts);
  const auto opened = test::inspect(split.bytes, split.opening);
  const Bytes file = test::make_gguf(whole);
  const auto expected = test::inspect(file, joined());
  ASSERT_TRUE(opened) << opened.error().message;
  ASSERT_TRUE(expected);
  EXPECT_EQ(opened.value().metadata, expected.value().metadata);
  ASSERT_EQ(opened.value().tensors.size(), tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor &tensor = opened.value().tensors[i];
    EXPECT_EQ(tensor.name, tensors[i].name);
    ASSERT_TRUE(tensor.codes);
    const auto from = split.bytes.begin() + static_cast<std::ptrdiff_t>(tensor.codes->data.offset);
    EXPECT_TRUE(std::equal(tensors[i].bytes.begin(), tensors[i].bytes.end(), from)) << tensor.name;
  }
}

TEST(GgufModel, parts_that_are_not_all_of_one_model_are_told) {
  const GgufFileTensor tensor = some_blocks(facts_of(BlockType::kQ80), "a.weight");
  const auto said = [&](std::vector<GgufFileParts> parts) {
    parts.front().tensors = {tensor};
    const PartFiles split(parts);
    const auto opened = test::inspect(split.bytes, split.opening);
    return opened ? std::string("nothing") : opened.error().message;
  };
  EXPECT_EQ(said({part_of(0, 2, 1), part_of(1, 2, 1)}), "nothing");
  EXPECT_NE(said({part_of(0, 2, 1)}).find("all 2 parts"), std::string::npos);
  EXPECT_NE(said({part_of(0, 3, 1), part_of(1, 3, 1)}).find("all 3 parts"), std::string::npos);
  EXPECT_NE(said({part_of(1, 2, 1), part_of(0, 2, 1)}).find("part 0"), std::string::npos);
  EXPECT_NE(said({part_of(0, 2, 7), part_of(1, 2, 7)}).find("7 tensors"), std::string::npos);
  EXPECT_NE(said({GgufFileParts(), part_of(1, 2, 1)}).find("a whole one"), std::string::npos);
}

TEST(GgufModel, bytes_belong_to_one_tensor) {
  GgufFileParts parts{{}, {{"a", 0, {16}, Bytes(64)}, {"b", 0, {16}, Bytes(64)}}};
  ASSERT_TRUE(test::inspect(test::make_gguf(parts)));
  parts.tensors[0].shape = {17}; // one number of b's
  const auto catalog = test::inspect(test::make_gguf(parts));
  ASSERT_FALSE(catalog);
  EXPECT_NE(catalog.error().message.find("bytes of \"b\" in \"a\""), std::string::npos);
}

// However the tensor is divided into parts, each block is judged once.
TEST(GgufModel, blocks_with_values_that_are_not_finite_are_counted) {
  const BlockFacts &facts = facts_of(BlockType::kQ80);
  GgufFileTensor tensor = some_blocks(facts, "a", 1, 40);
  for (size_t block = 0; block < 40; ++block) {
    const bool is_bad = block % 8 == 3;
    tensor.bytes[block * facts.bytes] = 0;
    tensor.bytes[block * facts.bytes + 1] = is_bad ? 0x7E : 0x3C; // NaN, 1
  }
  catalog::Codes codes;
  codes.data = {Dtype::kU8, 0, tensor.bytes.size(), {}};
  codes.value_blocks = {facts.name, static_cast<uint32_t>(facts.type), facts.values, facts.bytes,
                        false};
  test::Random random(3);
  for (int round = 0; round < 20; ++round) {
    BlockReader reader(300);
    uint64_t bad = 0;
    for (size_t begin = 0; begin < 40 * 32;) {
      const size_t end = std::min<size_t>(40 * 32, begin + 1 + random.index(200));
      std::vector<float> part(end - begin);
      reader.begin(codes, begin, end, part, {});
      while (const auto need = reader.next()) {
        reader.fill(
            std::span(tensor.bytes)
                .subspan(static_cast<size_t>(need->offset), static_cast<size_t>(need->length)));
      }
      bad += reader.findings().bad_scales;
      begin = end;
    }
    EXPECT_EQ(bad, 5U);
  }
}

TEST(GgufModel, empty_tensors_and_no_tensors_are_files) {
  const auto none = test::inspect(test::make_gguf({}), joined());
  ASSERT_TRUE(none);
  EXPECT_TRUE(none.value().tensors.empty());
  const Bytes bytes = test::make_gguf({{}, {{"a", 2, {0, 32}, {}}, {"b", 0, {2}, Bytes(8)}}});
  EXPECT_FALSE(test::inspect(bytes).value().tensors[0].codes);
  const auto file = dequantized(bytes);
  EXPECT_EQ(file.tensors.at("a"), (test::FileTensor{"a", Dtype::kF32, {0, 32}, {}}));
}

Bytes small_model() {
  return test::make_gguf(
      {{test::gguf_text("general.architecture", "llama"), {"x", 4, test::gguf_number(uint32_t{7})}},
       {some_blocks(facts_of(BlockType::kQ40), "a.weight"),
        some_blocks(facts_of(BlockType::kQ6K), "b.weight", 1, 1),
        {"c", 0, {2}, Bytes(8)}}});
}

/// Opens a file that may be broken; what opens is read to its last value.
bool opens_and_reads(const Bytes &file) {
  const auto catalog = test::inspect(file, joined());
  if (!catalog || catalog.value().tensors.empty()) {
    return false;
  }
  Json options = test::default_options();
  options["bits"] = "none";
  const test::MemoryRun run(test::plan_for(catalog.value(), options), file);
  return !run.output().empty();
}

TEST(GgufModel, no_cut_file_opens) {
  const Bytes whole = small_model();
  ASSERT_TRUE(opens_and_reads(whole));
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(test::inspect(
        Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)), joined()))
        << size;
  }
}

TEST(GgufModel, mutated_files_are_refused_or_read_within_their_bytes) {
  const Bytes whole = small_model();
  test::Random random(5);
  size_t opened = 0;
  for (int round = 0; round < 4000; ++round) {
    Bytes file = whole;
    const size_t changes = 1 + random.index(3);
    for (size_t i = 0; i < changes; ++i) {
      const uint8_t odd[] = {0, 1, 0x7F, 0x80, 0xFF, static_cast<uint8_t>(random.bits())};
      file[random.index(240)] = odd[random.index(std::size(odd))]; // metadata
    }
    const auto catalog = test::inspect(file, joined());
    opened += catalog ? 1 : 0;
    if (catalog && round % 16 == 0) { // runs take longer
      opens_and_reads(file);
    }
  }
  EXPECT_GT(opened, 100U);
}

} // namespace
} // namespace monoquant::layout::gguf
