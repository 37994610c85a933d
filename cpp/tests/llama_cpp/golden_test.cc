// Whole files, compared with those that llama.cpp's own tools wrote of the same models.
#include "monoquant/llama_cpp/model.h"

#include <gtest/gtest.h>

#include <array>

#include "monoquant/base/text.h"
#include "support/fixture.h"
#include "support/llama_folder.h"
#include "support/sha256.h"

namespace monoquant::llama_cpp {
namespace {

using Bytes = std::vector<uint8_t>;

struct GoldenFile {
  const char *folder;
  const char *name;
  GgmlType type;
  uint32_t file_type;
  const char *pretokenizer; // no tokenizer this small is known by its words
  size_t bytes;
  const char *digest; // SHA-256 of the whole file
};

constexpr std::array<GoldenFile, 5> kGoldenFiles = {{
    {"llama", "llama-f32", GgmlType::kF32, 0, "", 636896,
     "9e64be36adb338b22c87dd904a6c9e462dd436e8df84de65d8bf54ab7700a817"},
    {"llama", "llama-bf16", GgmlType::kBf16, 32, "", 325600,
     "58f15783922786565ac2ba7f9a1ad9b25e1be6398b4bcd9aceb9a546a74c42d7"},
    {"gemma2", "gemma2-bf16", GgmlType::kBf16, 32, "", 62016,
     "f0827b82ae4185f00b57182b60759bf9fe4ba846cdafff0826dcbb33d3c0e497"},
    {"llama3-bpe", "llama3-bpe-bf16", GgmlType::kBf16, 32, "llama-bpe", 80160,
     "9336a43cb4f14194621166ca662ec4419a1308e29968c3198685b8b1ce471809"},
    {"qwen2", "qwen2-bf16", GgmlType::kBf16, 32, "qwen2", 60064,
     "bd9433d051bd3f221975e0c1cf341bcec80643064376f170d6e40d5b1282e3ef"},
}};

/// Where two runs of bytes part, with what stands around it.
std::string difference(const Bytes &made, const Bytes &wanted) {
  size_t at = 0;
  while (at < made.size() && at < wanted.size() && made[at] == wanted[at]) {
    ++at;
  }
  const auto around = [&](const Bytes &bytes) {
    std::string text;
    for (size_t i = at < 48 ? 0 : at - 48; i < std::min(bytes.size(), at + 48); ++i) {
      text += bytes[i] >= 32 && bytes[i] < 127 ? static_cast<char>(bytes[i]) : '.';
    }
    return text;
  };
  return concat("at byte ", at, ":\n", around(made), "\n", around(wanted));
}

TEST(LlamaGolden, whole_files_are_those_of_the_converter) {
  for (const GoldenFile &golden : kGoldenFiles) {
    const test::LlamaFolder folder = test::read_llama_folder(golden.folder);
    const auto model =
        folder.model({.pretokenizer = golden.pretokenizer, .file_type = golden.file_type});
    ASSERT_TRUE(model) << golden.name << ": " << model.error().message;
    const Bytes file = test::gguf_of(model.value(), folder, golden.type);
    const Bytes header = test::read_fixture(concat("llama_cpp/", golden.name, ".header"));
    ASSERT_GE(file.size(), header.size());
    const Bytes made(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(header.size()));
    EXPECT_EQ(made == header, true) << golden.name << " " << difference(made, header);
    EXPECT_EQ(file.size(), golden.bytes) << golden.name;
    EXPECT_EQ(test::sha256(file), golden.digest) << golden.name;
  }
}

TEST(LlamaGolden, older_spellings_of_positions_make_the_same_file) {
  for (const auto &[name, pretokenizer] :
       {std::pair("llama3-bpe", "llama-bpe"), std::pair("qwen2", "qwen2")}) {
    test::LlamaFolder folder = test::read_llama_folder(name);
    const ModelWishes wishes = {.pretokenizer = pretokenizer, .file_type = 32};
    const auto expected = folder.model(wishes);
    Json positions = Json::parse(folder.texts["config.json"])["rope_parameters"];
    folder.configure("rope_parameters", nullptr);
    folder.configure("rope_theta", positions["rope_theta"]);
    positions.erase("rope_theta");
    positions["type"] = positions["rope_type"];
    positions.erase("rope_type");
    folder.configure("rope_scaling", positions);
    const auto made = folder.model(wishes);
    ASSERT_TRUE(expected && made) << name;
    EXPECT_EQ(test::gguf_of(made.value(), folder, GgmlType::kBf16),
              test::gguf_of(expected.value(), folder, GgmlType::kBf16));
  }
}

struct QuantizedHeader {
  Mixture mixture;
  size_t file_bytes;
  const char *digest; // of the header: keys, types and places of tensors
};

constexpr std::array<QuantizedHeader, 4> kQuantizedHeaders = {{
    {Mixture::kQ80, 187360, "a2aec4dcc7b62917fb25cb7bac407f99ecefc2755fa708b3badaccc4a92bc084"},
    {Mixture::kQ40, 134752, "2d951a2923ca2dae4280cb8135e1c10f853d95a6abf1c9533c0cf65ae99250f7"},
    {Mixture::kQ4KM, 137856, "190156f9dc0bd4145482093542eead282d4cb4989ed446fc6c5d48bb7406a940"},
    {Mixture::kIq4Xs, 133216, "8adbbee8795b2120f17e3b43c139d0ea4e4e8ba5375ca313e2f4597d7513e3c9"},
}};

TEST(LlamaGolden, headers_of_mixtures_are_those_of_llama_quantize) {
  const test::LlamaFolder folder = test::read_llama_folder("llama");
  for (const QuantizedHeader &golden : kQuantizedHeaders) {
    auto model = folder.model();
    ASSERT_TRUE(model);
    container::GgufKeys &keys = model.value().keys;
    keys.set_last("general.quantization_version", uint32_t{2});
    keys.set_last("general.file_type", static_cast<uint32_t>(golden.mixture));
    std::vector<MixtureTensor> tensors;
    for (const ModelTensor &tensor : model.value().tensors) {
      tensors.push_back({tensor.name, tensor.shape, GgmlType::kF32});
    }
    const auto types = mixture_types(golden.mixture, {"llama", 2, 4, 2, 0}, tensors, false);
    ASSERT_TRUE(types);
    std::vector<container::GgufOutput> outputs;
    for (const size_t index : mixture_order(tensors)) {
      const ModelTensor &tensor = model.value().tensors[index];
      const GgmlType type = types.value()[index];
      outputs.push_back({tensor.name, tensor.shape, static_cast<uint32_t>(type),
                         test::ggml_bytes(type, tensor.shape), 0});
    }
    const auto layout = container::layout_gguf(keys, outputs);
    ASSERT_TRUE(layout);
    EXPECT_EQ(test::sha256(layout.value().header), golden.digest) << mixture_name(golden.mixture);
    EXPECT_EQ(layout.value().file_bytes, golden.file_bytes);
  }
}

} // namespace
} // namespace monoquant::llama_cpp
