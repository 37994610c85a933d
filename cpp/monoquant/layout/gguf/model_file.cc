#include "monoquant/layout/gguf/model_file.h"

#include <algorithm>
#include <array>
#include <memory>
#include <set>

#include "monoquant/base/checked.h"
#include "monoquant/base/sort.h"
#include "monoquant/base/text.h"
#include "monoquant/catalog/sources.h"
#include "monoquant/container/gguf.h"
#include "monoquant/layout/gguf/block_order.h"
#include "monoquant/layout/gguf/block_types.h"
#include "monoquant/layout/gguf/gguf.h"
#include "monoquant/layout/gguf/metadata_text.h"

namespace monoquant::layout::gguf {
namespace {

using catalog::Catalog;
using catalog::Codes;
using catalog::Tensor;
using container::GgufFile;
using container::GgufTensor;

/// Numbers up to here are whole in JSON.
constexpr uint64_t kMostExtent = uint64_t{1} << 53U;

/// What the types that matter to people store besides codes; it only tells people about them.
struct BlockWords {
  BlockType type = BlockType::kF32;
  uint32_t bits = 8;
  bool has_minimum = false;
  bool is_integer = true;
};
constexpr BlockWords kBlockWords[] = {
    {BlockType::kQ40, 4},
    {BlockType::kQ41, 4, true},
    {BlockType::kQ50, 5},
    {BlockType::kQ51, 5, true},
    {BlockType::kQ80, 8},
    {BlockType::kQ81, 8},
    {BlockType::kQ2K, 2, true},
    {BlockType::kQ3K, 3},
    {BlockType::kQ4K, 4, true},
    {BlockType::kQ5K, 5, true},
    {BlockType::kQ6K, 6},
    {BlockType::kQ8K, 8},
    {BlockType::kIq2Xxs, 2},
    {BlockType::kIq2Xs, 2},
    {BlockType::kIq2S, 2},
    {BlockType::kIq3Xxs, 3},
    {BlockType::kIq3S, 3},
    {BlockType::kIq1S, 1},
    {BlockType::kIq1M, 1},
    {BlockType::kIq4Nl, 4},
    {BlockType::kIq4Xs, 4},
    {BlockType::kTq10, 2},
    {BlockType::kTq20, 2},
    {BlockType::kQ10, 1},
    {BlockType::kMxfp4, 4, false, false},
    {BlockType::kNvfp4, 4, false, false},
    {BlockType::kQ20, 2},
};

Error damaged(const GgufTensor &entry, std::string_view wanted, std::string_view found) {
  return {
      ErrorCode::kMalformedFile,
      concat("Expected ", wanted, " of the GGUF tensor \"", entry.name, "\", found ", found, "."),
      "The file is damaged: get it again.", entry.name, entry.offset};
}

Error unsupported_type(const GgufTensor &entry, std::string_view wanted, std::string_view found,
                       std::string_view suggestion) {
  return {
      ErrorCode::kUnsupportedFormat,
      concat("Expected ", wanted, " in the GGUF tensor \"", entry.name, "\", found ", found, "."),
      std::string(suggestion), entry.name, entry.offset};
}

/// How values of blocks are stored, told to people by the nearest words there are.
Codes codes_of(const BlockFacts &facts, const GgufTensor &entry, uint64_t elements, uint64_t bytes,
               bool big_endian) {
  const auto *words = std::find_if(std::begin(kBlockWords), std::end(kBlockWords),
                                   [&](const BlockWords &each) { return each.type == facts.type; });
  Codes codes;
  codes.layout = kGguf.name;
  codes.weights_only = true;
  codes.bits = words == std::end(kBlockWords) ? 8 : words->bits;
  codes.is_integer = words == std::end(kBlockWords) || words->is_integer;
  codes.elements = elements;
  codes.columns = entry.shape.back();
  codes.scope = facts.values;
  codes.data = {Dtype::kU8, entry.offset, bytes, {}};
  codes.scale.dtype = Dtype::kF16;
  if (words != std::end(kBlockWords) && words->has_minimum) {
    codes.zero_point = Codes::Part{};
  }
  codes.value_blocks = Codes::ValueBlocks{facts.name, static_cast<uint32_t>(facts.type),
                                          facts.values, facts.bytes, big_endian};
  return codes;
}

Result<Tensor> block_tensor(const GgufTensor &entry, const GgufFile &file, uint64_t file_bytes) {
  const BlockFacts *facts = find_block_type(entry.type);
  if (facts == nullptr) {
    return unsupported_type(entry, "a type that is known here", concat("ggml's type ", entry.type),
                            "Make the file again with a current version of llama.cpp, or with a "
                            "type that llama.cpp itself has.");
  }
  if (file.big_endian && !has_known_order(facts->type)) {
    return unsupported_type(entry, "a type whose byte order is known",
                            concat(facts->name, " in a file of big-endian numbers"),
                            "Convert the file to little-endian with the program that made it.");
  }
  const uint64_t columns = entry.shape.empty() ? 1 : entry.shape.back();
  if (columns % facts->values != 0) {
    return damaged(entry, concat("rows of whole blocks (", facts->name, ": ", facts->values, ")"),
                   concat("rows of ", columns));
  }
  const auto elements = checked_product(entry.shape);
  const auto bytes = elements ? block_bytes(*facts, *elements) : std::nullopt;
  const auto expanded = elements ? checked_mul(*elements, sizeof(float)) : std::nullopt;
  if (!bytes || !expanded || *bytes > file_bytes - entry.offset) {
    return damaged(entry, "the bytes", "them beyond the end of the file");
  }
  Tensor tensor{entry.name, Dtype::kF32, entry.shape, *elements, entry.offset, *expanded};
  if (*elements > 0) {
    tensor.codes =
        std::make_shared<const Codes>(codes_of(*facts, entry, *elements, *bytes, file.big_endian));
  }
  return tensor;
}

Result<Tensor> tensor_of(const GgufTensor &entry, const GgufFile &file, uint64_t file_bytes) {
  if (std::any_of(entry.shape.begin(), entry.shape.end(),
                  [](uint64_t extent) { return extent > kMostExtent; })) {
    return damaged(entry, "a shape", shape_text(entry.shape));
  }
  if (entry.offset % file.alignment != 0) {
    return damaged(entry, concat("bytes at a multiple of ", file.alignment),
                   concat("them at ", entry.offset));
  }
  const auto plain = catalog::dtype_of_gguf(entry.type);
  return plain ? catalog::plain_gguf_tensor(entry, *plain, file.big_endian, file_bytes)
               : block_tensor(entry, file, file_bytes);
}

uint64_t stored_bytes(const Tensor &tensor) {
  return tensor.codes ? tensor.codes->stored_bytes() : tensor.bytes;
}

/// Else a small file could stand for any number of large tensors.
std::optional<Error> find_overlap(std::span<const Tensor> tensors) {
  std::vector<const Tensor *> sorted;
  for (const Tensor &tensor : tensors) {
    if (tensor.elements > 0) {
      sorted.push_back(&tensor);
    }
  }
  sort(sorted, [](const Tensor *a, const Tensor *b) { return a->offset < b->offset; });
  for (size_t i = 1; i < sorted.size(); ++i) {
    if (sorted[i]->offset - sorted[i - 1]->offset < stored_bytes(*sorted[i - 1])) {
      return Error{ErrorCode::kMalformedFile,
                   concat("Expected the tensors of the GGUF file to lie apart, found bytes of \"",
                          sorted[i]->name, "\" in \"", sorted[i - 1]->name, "\"."),
                   "The file is damaged: get it again.", sorted[i]->name, sorted[i]->offset};
    }
  }
  return std::nullopt;
}

/// What a file is that holds no model, or not all of one.
std::optional<Error> refuse_kind(const Catalog &catalog) {
  const auto text = [&](std::string_view key) {
    const auto found = std::find_if(catalog.metadata.begin(), catalog.metadata.end(),
                                    [&](const auto &entry) { return entry.first == key; });
    return found == catalog.metadata.end() ? std::string_view() : std::string_view(found->second);
  };
  if (text("general.type") == "imatrix") {
    return Error{ErrorCode::kUnsupportedFormat,
                 "Expected a model, found a GGUF file of statistics of a model's inputs.",
                 "Give it beside the model, as calibration.",
                 {},
                 0};
  }
  const std::string_view parts = text("split.count");
  if (!parts.empty() && parts != "0" && parts != "1") {
    return Error{
        ErrorCode::kUnsupportedFormat,
        concat("Expected a whole model, found one of the ", parts, " parts of a split GGUF file."),
        "Merge them first: llama-gguf-split --merge FIRST-PART MODEL.gguf",
        {},
        0};
  }
  return std::nullopt;
}

Result<Catalog> catalog_of(const GgufFile &file, uint64_t file_bytes) {
  Catalog catalog;
  catalog.file_bytes = file_bytes;
  catalog.format = "gguf";
  auto metadata = metadata_text(file);
  if (!metadata) {
    return metadata.error();
  }
  catalog.metadata = std::move(metadata.value());
  if (auto refused = refuse_kind(catalog)) {
    return *refused;
  }
  std::set<std::string_view> names;
  catalog.tensors.reserve(file.tensors.size());
  for (const GgufTensor &entry : file.tensors) {
    if (!names.insert(entry.name).second) {
      return damaged(entry, "one", "two of this name");
    }
    auto tensor = tensor_of(entry, file, file_bytes);
    if (!tensor) {
      return tensor.error();
    }
    catalog.tensors.push_back(std::move(tensor.value()));
  }
  if (auto overlap = find_overlap(catalog.tensors)) {
    return *overlap;
  }
  return catalog;
}

} // namespace

Result<Parsed<Catalog>> read_model(const ByteWindow &window) {
  using Step = Parsed<Catalog>;
  auto parsed = container::read_gguf(window);
  if (!parsed) {
    return parsed.error();
  }
  if (Needs *needs = std::get_if<Needs>(&parsed.value())) {
    return Step(std::move(*needs));
  }
  auto catalog = catalog_of(*std::get_if<GgufFile>(&parsed.value()), window.file_size());
  return catalog ? Result<Step>(Step(std::move(catalog.value()))) : Result<Step>(catalog.error());
}

void forget_notes(Catalog &catalog) {
  constexpr std::array<std::string_view, 2> kOfBlocks = {"general.file_type",
                                                         "general.quantization_version"};
  for (const std::string_view key : kOfBlocks) {
    const auto found = std::find_if(catalog.metadata.begin(), catalog.metadata.end(),
                                    [&](const auto &entry) { return entry.first == key; });
    if (found != catalog.metadata.end()) {
      catalog.quantization_metadata.push_back(std::move(*found));
      catalog.metadata.erase(found);
    }
  }
}

} // namespace monoquant::layout::gguf
