#include "monoquant/llama_cpp/model.h"

#include <algorithm>
#include <numeric>

#include "monoquant/base/checked.h"
#include "monoquant/base/limits.h"
#include "monoquant/base/sort.h"
#include "monoquant/base/text.h"
#include "monoquant/llama_cpp/general_keys.h"
#include "monoquant/llama_cpp/model_keys.h"
#include "monoquant/llama_cpp/rope.h"
#include "monoquant/llama_cpp/tokenizer_keys.h"

namespace monoquant::llama_cpp {
namespace {

constexpr uint32_t kQuantizationVersion =
    2; // general.quantization_version: ggml's, of all its block types

Error unfit_source(std::string_view tensor, std::string what, std::string_view advice) {
  return {
      ErrorCode::kUnsupportedFormat, std::move(what), std::string(advice), std::string(tensor), {}};
}

/// Whether a model embeds or ranks texts instead of writing them.
bool is_reranker(const SideFiles &files, const Json &config, const Hyperparameters &model) {
  if (model.family != Family::kQwen3) {
    return false;
  }
  const auto is_named = [](std::string_view text, std::string_view name) {
    return lower_case(text).find(name) != std::string::npos;
  };
  return is_named(files.readme.value_or(""), "# qwen3-reranker") ||
         is_named(files.folder, "qwen3-reranker") ||
         is_named(text_of(config, "_name_or_path").value_or(""), "qwen3-reranker");
}

std::optional<Error> refuse_other_uses(const SideFiles &files, const Json &config,
                                       const Hyperparameters &model) {
  const bool ranks = is_reranker(files, config, model);
  const bool embeds = files.has_modules;
  if (!ranks && !embeds) {
    return std::nullopt;
  }
  return Error{ErrorCode::kUnsupportedFormat,
               concat("The model ",
                      ranks ? "ranks texts (a Qwen3 reranker)" : "embeds texts (modules.json)",
                      "; only models that write text can become a GGUF file here."),
               "Convert it with llama.cpp's convert_hf_to_gguf.py.",
               {},
               {}};
}

/// The converter's order: file by file, by name within each.
std::vector<size_t> sorted_sources(std::span<const SourceTensor> tensors) {
  std::vector<size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), size_t{0});
  sort(order, [&](size_t a, size_t b) {
    return tensors[a].file != tensors[b].file ? tensors[a].file < tensors[b].file
                                              : tensors[a].name < tensors[b].name;
  });
  return order;
}

/// Whether its rows are whole heads of two halves.
bool has_heads(const ModelTensor &tensor) {
  return !tensor.shape.empty() && tensor.shape[0] % tensor.heads == 0 &&
         tensor.shape[0] / tensor.heads % 2 == 0;
}

Result<ModelTensor> make_tensor(const SourceTensor &source, Fate fate, size_t embedding_rows) {
  ModelTensor tensor{std::move(fate.name),
                     {source.shape.begin(), source.shape.end()},
                     {},
                     fate.change,
                     fate.heads,
                     false,
                     {}};
  if (!dtype_is_quantizable(source.dtype)) {
    return unfit_source(source.name,
                        concat("Expected a tensor of floats, found \"", source.name, "\" of dtype ",
                               dtype_name(source.dtype), "."),
                        "Quantized models have to be dequantized first.");
  }
  if (tensor.change == Change::kInterleave && !has_heads(tensor)) {
    return unfit_source(source.name,
                        concat("Expected the rows of ", tensor.heads, " heads in \"", source.name,
                               "\", found the shape ", shape_text(source.shape), "."),
                        "Check the numbers of heads in config.json.");
  }
  if (embedding_rows != 0 && !tensor.shape.empty() && tensor.shape[0] > embedding_rows) {
    tensor.shape[0] = embedding_rows;
    tensor.change = Change::kCut;
  }
  tensor.is_always_f32 = is_always_f32(tensor.name, tensor.shape.size());
  return tensor;
}

Result<void> add_tensors(std::span<const SourceTensor> sources, size_t embedding_rows,
                         LlamaModel &model) {
  const Hyperparameters &of = model.hyperparameters;
  const uint32_t head_width = of.head_width.value_or(of.width / of.heads);
  if (std::vector<float> factors = rope_factors(of.rope, head_width);
      of.family == Family::kLlama && !factors.empty()) {
    model.tensors.push_back(
        {"rope_freqs.weight", {factors.size()}, {}, Change::kNone, 0, true, std::move(factors)});
  }
  for (const size_t index : sorted_sources(sources)) {
    const SourceTensor &source = sources[index];
    auto fate = fate_of(source.name, of);
    if (!fate) {
      return fate.error();
    }
    if (fate.value().name.empty()) {
      model.left_out.push_back({index, fate.value().why});
      continue;
    }
    const bool is_cut = of.family == Family::kGemma3 && fate.value().name == "token_embd.weight";
    auto tensor = make_tensor(source, std::move(fate.value()), is_cut ? embedding_rows : 0);
    if (!tensor) {
      return tensor.error();
    }
    tensor.value().source = index;
    model.tensors.push_back(std::move(tensor.value()));
  }
  return {};
}

Result<uint64_t> count_elements(const std::vector<ModelTensor> &tensors) {
  uint64_t all = 0;
  for (const ModelTensor &tensor : tensors) {
    const auto elements = checked_product(tensor.shape);
    const auto sum = elements ? checked_add(all, *elements) : std::nullopt;
    if (!sum) {
      return Error{ErrorCode::kLimitExceeded,
                   "The tensors have more than 2^64 elements.",
                   {},
                   tensor.name,
                   {}};
    }
    all = *sum;
  }
  return all;
}

} // namespace

Result<LlamaModel> make_llama_model(const SideFiles &files, std::span<const SourceTensor> tensors,
                                    const ModelWishes &wishes) {
  const auto config = read_side_file("config.json", files.config);
  if (!config) {
    return config.error();
  }
  auto hyperparameters = read_hyperparameters(config.value());
  if (!hyperparameters) {
    return hyperparameters.error();
  }
  LlamaModel model;
  model.hyperparameters = std::move(hyperparameters.value());
  if (auto refused = refuse_other_uses(files, config.value(), model.hyperparameters)) {
    return *refused;
  }
  auto tokenizer =
      tokenizer_keys(files, config.value(), model.hyperparameters, wishes.pretokenizer);
  if (!tokenizer) {
    return tokenizer.error();
  }
  if (const auto done = add_tensors(tensors, tokenizer.value().embedding_rows, model); !done) {
    return done.error();
  }
  const auto elements = count_elements(model.tensors);
  if (!elements) {
    return elements.error();
  }
  model.keys.set("general.architecture", std::string(family_name(model.hyperparameters.family)));
  const auto general =
      add_general_keys(files, config.value(), wishes.name, elements.value(), model.keys);
  if (!general) {
    return general.error();
  }
  add_model_keys(model.hyperparameters, wishes.file_type, model.keys);
  model.keys.set("general.quantization_version", kQuantizationVersion);
  model.keys.append(std::move(tokenizer.value().keys));
  return model;
}

} // namespace monoquant::llama_cpp
