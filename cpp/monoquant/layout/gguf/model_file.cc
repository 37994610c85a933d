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
#include "monoquant/container/gguf_writer.h"
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
/// Keys with more bytes than these are not kept: vocabularies of a million words take 30 MB.
constexpr uint64_t kMostKept = uint64_t{64} << 20U;
constexpr size_t kMostKeptKeys = 4096; // models have some dozens

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
  const BlockWords words = words_of(facts.type);
  Codes codes;
  codes.layout = kGguf.name;
  codes.weights_only = true;
  codes.bits = words.bits;
  codes.is_integer = words.is_integer;
  codes.elements = elements;
  codes.columns = entry.shape.back();
  codes.scope = facts.values;
  codes.data = {Dtype::kU8, entry.offset, bytes, {}};
  codes.scale.dtype = Dtype::kF16;
  if (words.has_minimum) {
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

/// A file of a model, and where it lies among all of them.
struct Part {
  GgufFile file;
  uint64_t begin = 0;
  uint64_t end = 0;
  std::shared_ptr<const container::GgufKeys> keys = {}; // of the first one
};

/// Whole values. Null where they are not kept: see Catalog::gguf_keys.
std::shared_ptr<const container::GgufKeys> keys_of(const GgufFile &file, const ByteWindow &window) {
  if (file.big_endian || file.keys.empty() || file.keys.size() > kMostKeptKeys ||
      file.keys.back().end > kMostKept) {
    return nullptr;
  }
  const auto head = window.find(0, file.keys.back().end);
  if (!head) {
    return nullptr;
  }
  auto keys = std::make_shared<container::GgufKeys>();
  for (const container::GgufKey &key : file.keys) {
    const auto bytes =
        head->subspan(static_cast<size_t>(key.begin), static_cast<size_t>(key.end - key.begin));
    keys->set(key.name, container::GgufRaw{std::string(bytes.begin(), bytes.end())});
  }
  return keys;
}

Result<Tensor> tensor_of(const GgufTensor &entry, const Part &part) {
  const GgufFile &file = part.file;
  if (std::any_of(entry.shape.begin(), entry.shape.end(),
                  [](uint64_t extent) { return extent > kMostExtent; })) {
    return damaged(entry, "a shape", shape_text(entry.shape));
  }
  if ((entry.offset - part.begin) % file.alignment != 0) {
    return damaged(entry, concat("bytes at a multiple of ", file.alignment),
                   concat("them at ", entry.offset));
  }
  const auto plain = catalog::dtype_of_gguf(entry.type);
  return plain ? catalog::plain_gguf_tensor(entry, *plain, file.big_endian, part.end)
               : block_tensor(entry, file, part.end);
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
  return std::nullopt;
}

/// The value of a key that is a small number; nothing where there is none.
std::optional<uint64_t> number_of(const GgufFile &file, std::string_view name) {
  const auto found = std::find_if(file.keys.begin(), file.keys.end(),
                                  [&](const container::GgufKey &key) { return key.name == name; });
  if (found == file.keys.end() || found->text.empty() || found->text.size() > 4 ||
      found->type == container::GgufType::kString || found->type == container::GgufType::kF32) {
    return std::nullopt;
  }
  uint64_t value = 0;
  for (size_t i = found->text.size(); i-- > 0;) {
    value = value << 8U | static_cast<uint8_t>(found->text[i]);
  }
  return value;
}

/// Parts that are not those of one model, or not all of them. Source: llama-gguf-split; of a merged file, the count is 0.
std::optional<Error> refuse_parts(std::span<const Part> parts) {
  uint64_t tensors = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    const uint64_t count = number_of(parts[i].file, "split.count").value_or(0);
    if (std::max<uint64_t>(count, 1) != parts.size()) {
      return Error{ErrorCode::kUnsupportedFormat,
                   count < 2 ? concat("Expected ", parts.size(),
                                      " parts of a split GGUF file, found a whole one among them.")
                             : concat("Expected all ", count, " parts of a split GGUF file, found ",
                                      parts.size(), "."),
                   "Give the folder that has all of them and nothing else, or any of them if the "
                   "others lie beside it.",
                   {},
                   parts[i].begin};
    }
    if (parts.size() > 1 && (number_of(parts[i].file, "split.no").value_or(0) != i ||
                             parts[i].file.big_endian != parts[0].file.big_endian)) {
      return Error{ErrorCode::kMalformedFile,
                   concat("Expected part ", i, " of a split GGUF file, found another one."),
                   "Name the files as llama-gguf-split does: NAME-00001-of-00002.gguf.",
                   {},
                   parts[i].begin};
    }
    tensors += parts[i].file.tensors.size();
  }
  const auto expected = number_of(parts[0].file, "split.tensors.count");
  if (parts.size() > 1 && expected && *expected != tensors) {
    return Error{ErrorCode::kMalformedFile,
                 concat("Expected ", *expected,
                        " tensors in the parts of a split GGUF file, found ", tensors, "."),
                 "Get the parts again: they are not of one model.",
                 {},
                 {}};
  }
  return std::nullopt;
}

/// What it says of parts means nothing in what is made of them.
void forget_parts(Catalog &catalog) {
  std::erase_if(catalog.metadata,
                [](const auto &entry) { return entry.first.starts_with("split."); });
}

Result<Catalog> catalog_of(std::span<const Part> parts, uint64_t file_bytes) {
  Catalog catalog;
  catalog.file_bytes = file_bytes;
  catalog.format = "gguf";
  auto metadata = metadata_text(parts[0].file);
  if (!metadata) {
    return metadata.error();
  }
  catalog.metadata = std::move(metadata.value());
  catalog.gguf_keys = parts[0].keys;
  if (auto refused = refuse_kind(catalog)) {
    return *refused;
  }
  if (auto refused = refuse_parts(parts)) {
    return *refused;
  }
  if (parts.size() > 1) {
    forget_parts(catalog);
  }
  std::set<std::string_view> names;
  for (const Part &part : parts) {
    for (const GgufTensor &entry : part.file.tensors) {
      if (!names.insert(entry.name).second) {
        return damaged(entry, "one", "two of this name");
      }
      auto tensor = tensor_of(entry, part);
      if (!tensor) {
        return tensor.error();
      }
      catalog.tensors.push_back(std::move(tensor.value()));
    }
  }
  if (auto overlap = find_overlap(catalog.tensors)) {
    return *overlap;
  }
  return catalog;
}

/// A file by itself, its offsets counted in all of them.
Result<Parsed<Part>> read_part(const ByteWindow &window, uint64_t begin, uint64_t end) {
  using Step = Parsed<Part>;
  const bool is_all = begin == 0 && end == window.file_size();
  const ByteWindow &own = is_all ? window : window.part(begin, end - begin);
  auto parsed = container::read_gguf(own);
  if (!parsed) {
    return parsed.error();
  }
  if (Needs *needs = std::get_if<Needs>(&parsed.value())) {
    for (Need &need : *needs) {
      need.offset += begin;
    }
    return Step(std::move(*needs));
  }
  Part part{std::move(*std::get_if<GgufFile>(&parsed.value())), begin, end};
  if (begin == 0) {
    part.keys = keys_of(part.file, own);
  }
  for (GgufTensor &tensor : part.file.tensors) {
    tensor.offset += begin;
  }
  return Step(std::move(part));
}

} // namespace

Result<Parsed<Catalog>> read_model(const ByteWindow &window, std::span<const uint64_t> file_ends) {
  using Step = Parsed<Catalog>;
  std::vector<uint64_t> ends(file_ends.begin(), file_ends.end());
  ends.push_back(window.file_size());
  std::vector<Part> parts;
  uint64_t begin = 0;
  for (const uint64_t end : ends) {
    auto parsed = read_part(window, begin, end);
    if (!parsed) {
      return parsed.error();
    }
    if (Needs *needs = std::get_if<Needs>(&parsed.value())) {
      return Step(std::move(*needs));
    }
    parts.push_back(std::move(*std::get_if<Part>(&parsed.value())));
    begin = end;
  }
  auto catalog = catalog_of(parts, window.file_size());
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
