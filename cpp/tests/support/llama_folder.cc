#include "support/llama_folder.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "monoquant/base/bytes.h"
#include "monoquant/base/float_convert.h"
#include "monoquant/base/text.h"
#include "support/fixture.h"

namespace monoquant::test {
namespace {

using llama_cpp::Change;
using llama_cpp::GgmlType;
using llama_cpp::ModelTensor;

std::optional<std::string_view> text_at(const LlamaFolder &folder, const std::string &file) {
  const auto found = folder.texts.find(file);
  return found == folder.texts.end() ? std::nullopt
                                     : std::optional<std::string_view>(found->second);
}

/// Row r of n heads goes where llama.cpp wants it: each head's halves take turns.
std::vector<float> interleaved(const std::vector<float> &values, size_t rows, size_t heads) {
  const size_t columns = values.size() / rows;
  const size_t half = rows / heads / 2;
  std::vector<float> moved(values.size());
  for (size_t row = 0; row < rows; ++row) {
    const size_t head = row / (2 * half);
    const size_t part = row / half % 2;
    const size_t place = head * 2 * half + 2 * (row % half) + part;
    std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(row * columns), columns,
                moved.begin() + static_cast<std::ptrdiff_t>(place * columns));
  }
  return moved;
}

} // namespace

llama_cpp::SideFiles LlamaFolder::files() const {
  llama_cpp::SideFiles files;
  files.config = text_at(*this, "config.json").value_or("");
  files.generation_config = text_at(*this, "generation_config.json");
  files.tokenizer = text_at(*this, "tokenizer.json");
  if (const auto pieces = text_at(*this, "tokenizer.model")) {
    files.sentencepiece =
        std::span(reinterpret_cast<const uint8_t *>(pieces->data()), pieces->size());
  }
  files.tokenizer_config = text_at(*this, "tokenizer_config.json");
  files.added_tokens = text_at(*this, "added_tokens.json");
  files.vocabulary = text_at(*this, "vocab.json");
  files.merges = text_at(*this, "merges.txt");
  files.chat_template = text_at(*this, "chat_template.jinja");
  files.chat_template_json = text_at(*this, "chat_template.json");
  files.readme = text_at(*this, "README.md");
  files.folder = name;
  return files;
}

std::vector<llama_cpp::SourceTensor> LlamaFolder::sources() const {
  std::vector<llama_cpp::SourceTensor> sources;
  for (const auto &[key, tensor] : weights.tensors) {
    sources.push_back({key, tensor.shape, tensor.dtype, 0});
  }
  return sources;
}

Result<llama_cpp::LlamaModel> LlamaFolder::model(const llama_cpp::ModelWishes &wishes) const {
  return llama_cpp::make_llama_model(files(), sources(), wishes);
}

void LlamaFolder::configure(const std::string &member, const Json &value, const std::string &file) {
  Json document = Json::parse(texts[file]);
  value.is_null() ? void(document.erase(member)) : void(document[member] = value);
  texts[file] = document.dump();
}

LlamaFolder read_llama_folder(const std::string &name) {
  LlamaFolder folder{name, {}, {}};
  for (const char *file :
       {"config.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json"}) {
    const std::string path = concat("wasm-tests/fixtures/llama_cpp/", name, "/", file);
    if (std::filesystem::exists(concat(MONOQUANT_SOURCE_DIR, "/", path))) {
      folder.texts[file] = read_source(path);
    }
  }
  folder.weights = parse_file(read_fixture(concat("llama_cpp/", name, "/model.safetensors")));
  return folder;
}

LlamaFolder small_folder(const Json &config) {
  Json whole = {{"architectures", {"LlamaForCausalLM"}},
                {"model_type", "llama"},
                {"hidden_size", 64},
                {"intermediate_size", 96},
                {"num_hidden_layers", 2},
                {"num_attention_heads", 4},
                {"vocab_size", 4}};
  for (const auto &entry : config.items()) {
    entry.value().is_null() ? void(whole.erase(entry.key()))
                            : void(whole[entry.key()] = entry.value());
  }
  LlamaFolder folder{"small", {}, {}};
  folder.texts["config.json"] = whole.dump();
  folder.texts["tokenizer.json"] =
      R"({"added_tokens":[{"id":3,"content":"<s>","special":true,"normalized":false}],)"
      R"("normalizer":null,"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},)"
      R"("decoder":{"type":"ByteLevel"},)"
      R"("model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}})";
  folder.texts["tokenizer_config.json"] =
      R"({"tokenizer_class":"PreTrainedTokenizerFast","bos_token":"<s>"})";
  return folder;
}

std::vector<float> changed_values(const ModelTensor &tensor, const LlamaFolder &folder) {
  if (!tensor.source) {
    return tensor.values;
  }
  const auto sources = folder.sources();
  const FileTensor &source = folder.weights.tensors.at(std::string(sources[*tensor.source].name));
  std::vector<float> values = values_of(source);
  switch (tensor.change) {
  case Change::kNone:
    return values;
  case Change::kInterleave:
    return interleaved(values, static_cast<size_t>(source.shape[0]), tensor.heads);
  case Change::kAddOne:
    for (float &value : values) {
      value += 1.0F;
    }
    return values;
  case Change::kCut:
    values.resize(values.size() / source.shape[0] * tensor.shape[0]);
    return values;
  }
  return values;
}

std::vector<uint8_t> gguf_of(const llama_cpp::LlamaModel &model, const LlamaFolder &folder,
                             GgmlType type) {
  std::vector<container::GgufOutput> outputs;
  for (const ModelTensor &tensor : model.tensors) {
    const GgmlType stored = tensor.is_always_f32 ? GgmlType::kF32 : type;
    outputs.push_back({tensor.name, tensor.shape, static_cast<uint32_t>(stored),
                       ggml_bytes(stored, tensor.shape), 0});
  }
  auto layout = container::layout_gguf(model.keys, outputs);
  EXPECT_TRUE(layout);
  if (!layout) {
    return {};
  }
  std::vector<uint8_t> file = std::move(layout.value().header);
  file.resize(static_cast<size_t>(layout.value().file_bytes));
  for (size_t i = 0; i < outputs.size(); ++i) {
    uint8_t *to = file.data() + outputs[i].offset;
    for (const float value : changed_values(model.tensors[i], folder)) {
      if (outputs[i].type == static_cast<uint32_t>(GgmlType::kF32)) {
        store_le(to, value);
        to += 4;
      } else {
        store_le(to, f32_to_bf16(value));
        to += 2;
      }
    }
  }
  return file;
}

uint64_t ggml_bytes(GgmlType type, std::span<const uint64_t> shape) {
  const std::map<GgmlType, uint64_t> blocks = {
      {GgmlType::kF32, 4},    {GgmlType::kF16, 2},    {GgmlType::kBf16, 2},
      {GgmlType::kQ40, 18},   {GgmlType::kQ41, 20},   {GgmlType::kQ50, 22},
      {GgmlType::kQ51, 24},   {GgmlType::kQ80, 34},   {GgmlType::kQ2K, 84},
      {GgmlType::kQ3K, 110},  {GgmlType::kQ4K, 144},  {GgmlType::kQ5K, 176},
      {GgmlType::kQ6K, 210},  {GgmlType::kIq4Nl, 18}, {GgmlType::kIq4Xs, 136},
      {GgmlType::kMxfp4, 17},
  };
  uint64_t elements = 1;
  for (const uint64_t extent : shape) {
    elements *= extent;
  }
  return elements / llama_cpp::block_values(type) * blocks.at(type);
}

} // namespace monoquant::test
