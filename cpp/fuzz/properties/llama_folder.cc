// Any side files of a model: refused with a reason, or keys and tensors that can be written and are read again.
// It exists because tokenizers and configurations come from strangers, and a GGUF file is made of them.
// The input is files parted by a byte 0: config.json, tokenizer.json, tokenizer_config.json, generation_config.json,
// added_tokens.json, README.md, and tokenizer.model, which may have such bytes itself. An empty one is not there.
#include "monoquant/container/gguf.h"
#include "monoquant/llama_cpp/model.h"
#include "properties.h"

namespace monoquant::fuzz {
namespace {

std::optional<std::string_view> take_text(std::string_view &rest) {
  const std::string_view text = rest.substr(0, rest.find('\0'));
  rest.remove_prefix(std::min(rest.size(), text.size() + 1));
  return text.empty() ? std::nullopt : std::optional(text);
}

void check_written(const llama_cpp::LlamaModel &model) {
  std::vector<container::GgufOutput> outputs;
  for (const llama_cpp::ModelTensor &tensor : model.tensors) {
    require(tensor.source.has_value() || tensor.values.size() == tensor.shape[0],
            "a tensor has values", tensor.name);
    outputs.push_back({tensor.name, tensor.shape, 0, 4, 0});
  }
  const auto layout = container::layout_gguf(model.keys, outputs);
  require(layout.has_value(), "what was made can be written");
  Bytes file = layout.value().header;
  file.resize(static_cast<size_t>(layout.value().file_bytes));
  ByteWindow window(file.size());
  window.add(0, file);
  const auto read = container::read_gguf(window);
  require(read.has_value(), "what was written is read");
  const auto &again = std::get<container::GgufFile>(read.value());
  require(again.keys.size() == model.keys.all().size() && again.tensors.size() == outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    require(again.tensors[i].offset == outputs[i].offset, "tensors lie where they were put");
  }
}

} // namespace

void check_llama_folder(Input input) {
  std::string_view rest(reinterpret_cast<const char *>(input.data()), input.size());
  llama_cpp::SideFiles files;
  files.config = take_text(rest).value_or("");
  files.tokenizer = take_text(rest);
  files.tokenizer_config = take_text(rest);
  files.generation_config = take_text(rest);
  files.added_tokens = take_text(rest);
  files.readme = take_text(rest);
  if (!rest.empty()) {
    files.sentencepiece = input.last(rest.size());
  }
  files.folder = "Llama-1B";
  const std::vector<uint64_t> matrix = {32, 32};
  const std::vector<uint64_t> row = {32};
  const std::vector<llama_cpp::SourceTensor> tensors = {
      {"model.embed_tokens.weight", matrix, Dtype::kBF16, 0},
      {"lm_head.weight", matrix, Dtype::kF16, 0},
      {"model.layers.0.self_attn.q_proj.weight", matrix, Dtype::kF32, 0},
      {"model.layers.0.self_attn.rotary_emb.inv_freq", row, Dtype::kF32, 1},
      {"model.norm.weight", row, Dtype::kF32, 1}};
  const auto model = llama_cpp::make_llama_model(files, tensors, {.pretokenizer = "gpt-2"});
  if (model) {
    check_written(model.value());
  } else {
    require(!model.error().message.empty(), "an error says why");
  }
}

} // namespace monoquant::fuzz
