#include "monoquant/catalog/inspector.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "monoquant/base/checked.h"
#include "monoquant/base/text.h"
#include "monoquant/container/safetensors.h"

namespace monoquant::catalog {
namespace {

constexpr uint64_t kHeadBytes =
    256ULL * 1024; // also holds most safetensors headers: one read is enough

struct Signature {
  std::string_view magic;
  std::string_view name;
};

// What people drop by mistake, told apart by its first bytes.
constexpr std::array<Signature, 11> kSignatures = {{
    {"PK\x03\x04", "a zip archive (PyTorch's .pt format, perhaps)"},
    {"\x80\x02", "a Python pickle (PyTorch's old .pt format, perhaps)"},
    {"\x80\x04", "a Python pickle"},
    {"GGUF", "a GGUF file"},
    {"\x89HDF", "an HDF5 (Keras) file"},
    {"\x93NUMPY", "a NumPy array"},
    {"version https://git-lfs", "a git-lfs pointer, not the file that it stands for"},
    {"<!DOCTYPE", "an HTML page (a failed download, perhaps)"},
    {"<html", "an HTML page (a failed download, perhaps)"},
    {"\x1F\x8B", "a gzip file"},
    {"\x28\xB5\x2F\xFD", "a zstd file"},
}};

Error unsupported(std::string_view found) {
  return {ErrorCode::kUnsupportedFormat,
          concat("Expected a safetensors file, found ", found, "."),
          "Save the model as .safetensors and try again.",
          {},
          0};
}

Catalog make_catalog(container::SafetensorsFile file, uint64_t file_bytes) {
  Catalog catalog;
  catalog.file_bytes = file_bytes;
  catalog.metadata = std::move(file.metadata);
  catalog.tensors.reserve(file.entries.size());
  for (container::SafetensorsEntry &entry : file.entries) {
    const uint64_t elements = *checked_product(entry.shape); // the reader has checked it
    catalog.tensors.push_back({std::move(entry.name), entry.dtype, std::move(entry.shape), elements,
                               entry.offset, entry.bytes, LayerKind::kOther});
  }
  classify(catalog.tensors);
  return catalog;
}

} // namespace

Result<std::optional<Need>> Inspector::step() {
  const uint64_t size = window_.file_size();
  if (size == 0) {
    return unsupported("an empty file");
  }
  const uint64_t head_bytes = std::min(size, kHeadBytes);
  const auto head = window_.find(0, head_bytes);
  if (!head) {
    return std::optional(Need{0, head_bytes});
  }
  const std::string_view text(reinterpret_cast<const char *>(head->data()), head->size());
  const auto *known = std::find_if(kSignatures.begin(), kSignatures.end(), [&](const auto &entry) {
    return text.starts_with(entry.magic);
  });
  if (known != kSignatures.end() && !container::looks_like_safetensors(*head, size)) {
    return unsupported(known->name);
  }
  auto parsed = container::read_safetensors(window_);
  if (!parsed) {
    return parsed.error();
  }
  if (const Needs *needs = std::get_if<Needs>(&parsed.value())) {
    return std::optional(needs->front());
  }
  catalog_ =
      make_catalog(std::move(*std::get_if<container::SafetensorsFile>(&parsed.value())), size);
  window_ = ByteWindow(size); // the header's text is not needed any more
  return std::optional<Need>();
}

} // namespace monoquant::catalog
