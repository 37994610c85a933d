#include <algorithm>
#include <array>
#include <set>

#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"
#include "monoquant/base/text.h"
#include "monoquant/base/utf8.h"
#include "monoquant/catalog/sources.h"
#include "monoquant/container/gguf.h"
#include "monoquant/container/imatrix.h"

namespace monoquant::catalog {
namespace {

using container::GgufFile;
using container::GgufTensor;

constexpr uint64_t kMostDataset = 4096; // bytes of its name

struct PlainType {
  uint32_t type; // ggml_type
  Dtype dtype;
};
constexpr std::array<PlainType, 8> kPlainTypes = {{{0, Dtype::kF32},
                                                   {1, Dtype::kF16},
                                                   {24, Dtype::kI8},
                                                   {25, Dtype::kI16},
                                                   {26, Dtype::kI32},
                                                   {27, Dtype::kI64},
                                                   {28, Dtype::kF64},
                                                   {30, Dtype::kBF16}}};

Error unsupported(std::string message) {
  return {ErrorCode::kUnsupportedFormat,
          std::move(message),
          "Use a file that llama-imatrix has made.",
          {},
          0};
}

Result<Tensor> tensor_of(const GgufTensor &entry, bool big_endian, uint64_t file_bytes) {
  const auto dtype = dtype_of_gguf(entry.type);
  if (!dtype) {
    return unsupported(concat("Expected plain numbers in \"", entry.name,
                              "\", found them quantized (ggml's type ", entry.type, ")."));
  }
  return plain_gguf_tensor(entry, *dtype, big_endian, file_bytes);
}

/// The first text of a list of texts: its number, 8 bytes, stands before the lengths and bytes of each.
std::string first_text(const container::GgufKey &key, const GgufFile &file,
                       const ByteWindow &window) {
  constexpr uint64_t kBefore = 4 + 4 + 8 + 8; // type, type of elements, count, length
  if (key.type != container::GgufType::kArray || key.element != container::GgufType::kString ||
      key.count == 0 || file.big_endian || key.end - key.begin < kBefore) {
    return {};
  }
  const auto bytes = window.find(key.begin, key.end - key.begin);
  const uint64_t length = bytes ? load_le<uint64_t>(bytes->data() + kBefore - 8) : UINT64_MAX;
  if (length > kMostDataset || length > bytes->size() - kBefore) {
    return {};
  }
  const std::string_view text = text_view(bytes->subspan(kBefore, static_cast<size_t>(length)));
  return is_utf8(text) ? std::string(text) : std::string();
}

void note_data(const GgufFile &file, const ByteWindow &window, Catalog &catalog) {
  for (const container::GgufKey &key : file.keys) {
    if (key.name == kImatrixDataset) {
      catalog.metadata.emplace_back(kImatrixDataset, first_text(key, file, window));
    } else if (key.name == kImatrixChunks && key.type == container::GgufType::kU32) {
      const auto *number = reinterpret_cast<const uint8_t *>(key.text.data());
      catalog.metadata.emplace_back(kImatrixChunks, concat(load_le<uint32_t>(number)));
    }
  }
}

Result<Parsed<Catalog>> from_gguf(const ByteWindow &window) {
  using Step = Parsed<Catalog>;
  auto parsed = container::read_gguf(window);
  if (!parsed) {
    return parsed.error();
  }
  if (Needs *needs = std::get_if<Needs>(&parsed.value())) {
    return Step(std::move(*needs));
  }
  const auto &file = *std::get_if<GgufFile>(&parsed.value());
  constexpr std::string_view kType = "imatrix";
  if (file.text("general.type") != kType) {
    return unsupported(
        "Expected captured inputs or statistics of them, found a GGUF file of something else.");
  }
  Catalog catalog;
  catalog.file_bytes = window.file_size();
  catalog.format = "gguf";
  note_data(file, window, catalog);
  std::set<std::string_view> names;
  for (const GgufTensor &entry : file.tensors) {
    if (!names.insert(entry.name).second) {
      return Error{ErrorCode::kMalformedFile,
                   concat("Expected each tensor once, found \"", entry.name, "\" twice."),
                   "The file is damaged: get it again.", entry.name, 0};
    }
    auto tensor = tensor_of(entry, file.big_endian, window.file_size());
    if (!tensor) {
      return tensor.error();
    }
    catalog.tensors.push_back(std::move(tensor.value()));
  }
  return Step(std::move(catalog));
}

/// The values are called as in the newer files: sums over as many inputs as there were calls.
Result<Parsed<Catalog>> from_imatrix(const ByteWindow &window) {
  using Step = Parsed<Catalog>;
  auto parsed = container::read_imatrix(window);
  if (!parsed) {
    return parsed.error();
  }
  if (Needs *needs = std::get_if<Needs>(&parsed.value())) {
    return Step(std::move(*needs));
  }
  Catalog catalog;
  catalog.file_bytes = window.file_size();
  catalog.format = "imatrix";
  const auto &file = *std::get_if<container::ImatrixFile>(&parsed.value());
  catalog.metadata.emplace_back(kImatrixDataset, file.dataset);
  catalog.metadata.emplace_back(kImatrixChunks, concat(file.chunks));
  std::set<std::string_view> names;
  for (const auto &entry : file.entries) {
    if (!names.insert(entry.name).second) {
      return Error{ErrorCode::kMalformedFile,
                   concat("Expected each entry once, found \"", entry.name, "\" twice."),
                   "The file is damaged: get it again.", entry.name, 0};
    }
    catalog.tensors.push_back({concat(entry.name, ".in_sum2"),
                               Dtype::kF32,
                               {entry.values},
                               entry.values,
                               entry.values_offset,
                               entry.values * sizeof(float)});
    catalog.tensors.push_back(
        {concat(entry.name, ".counts"), Dtype::kI32, {1}, 1, entry.calls_offset, sizeof(int32_t)});
  }
  return Step(std::move(catalog));
}

} // namespace

std::optional<Dtype> dtype_of_gguf(uint32_t type) {
  const auto *row = std::find_if(kPlainTypes.begin(), kPlainTypes.end(),
                                 [&](const PlainType &each) { return each.type == type; });
  return row == kPlainTypes.end() ? std::nullopt : std::optional(row->dtype);
}

Result<Tensor> plain_gguf_tensor(const container::GgufTensor &entry, Dtype dtype, bool big_endian,
                                 uint64_t file_bytes) {
  Tensor tensor{entry.name, dtype, entry.shape, 0, entry.offset, 0};
  const auto elements = checked_product(entry.shape);
  const auto bytes = elements ? checked_mul(*elements, dtype_bits(dtype) / 8) : std::nullopt;
  if (!bytes || *bytes > file_bytes - entry.offset) {
    return Error{ErrorCode::kMalformedFile,
                 concat("Expected \"", entry.name,
                        "\" to lie in the file, found it beyond its "
                        "end."),
                 "The file is damaged: get it again.", entry.name, entry.offset};
  }
  tensor.elements = *elements;
  tensor.bytes = *bytes;
  if (big_endian && tensor.bytes > 0 && dtype_bits(dtype) > 8) {
    View view;
    view.big_endian = true;
    view.stored_bytes = tensor.bytes;
    view.storage_bytes = tensor.bytes;
    view.strides = std::vector<uint64_t>(entry.shape.size(), 1);
    for (size_t i = entry.shape.size(); i-- > 1;) {
      view.strides[i - 1] = view.strides[i] * entry.shape[i];
    }
    tensor.view = std::make_shared<const View>(std::move(view));
  }
  return tensor;
}

bool looks_like_statistics(std::span<const uint8_t> head) {
  return container::looks_like_gguf(head) || container::looks_like_imatrix(head);
}

Result<Parsed<Catalog>> read_statistics(const ByteWindow &window, std::span<const uint8_t> head) {
  return container::looks_like_gguf(head) ? from_gguf(window) : from_imatrix(window);
}

} // namespace monoquant::catalog
