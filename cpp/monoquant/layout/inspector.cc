#include "monoquant/layout/inspector.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include "monoquant/base/text.h"
#include "monoquant/base/utf8.h"
#include "monoquant/catalog/sources.h"
#include "monoquant/catalog/wrappers.h"
#include "monoquant/container/gguf.h"
#include "monoquant/container/tar.h"
#include "monoquant/container/zip.h"
#include "monoquant/layout/foreign.h"
#include "monoquant/layout/gguf/model_file.h"
#include "monoquant/layout/joining.h"
#include "monoquant/torch/refusal.h"

namespace monoquant::layout {
namespace {

using catalog::Catalog;
using catalog::Opening;

constexpr uint64_t kHeadBytes =
    256ULL * 1024; // also holds most safetensors headers: one read is enough

struct Signature {
  std::string_view magic;
  std::string_view name;
  std::string_view unpack = {}; // the command that takes the model out
};

// What people drop by mistake, told apart by its first bytes.
constexpr std::array<Signature, 14> kSignatures = {{
    {"\x89HDF", "an HDF5 (Keras) file"},
    {"\x93NUMPY", "a NumPy array"},
    {"version https://git-lfs", "a git-lfs pointer, not the file that it stands for"},
    {"<!DOCTYPE", "an HTML page (a failed download, perhaps)"},
    {"<!doctype", "an HTML page (a failed download, perhaps)"},
    {"<html", "an HTML page (a failed download, perhaps)"},
    {"\x89PNG", "a picture"},
    {"\xFF\xD8\xFF", "a picture"},
    {"\x1F\x8B", "a gzip file", "gunzip FILE, or tar -xzf FILE"},
    {"\x28\xB5\x2F\xFD", "a zstd file", "zstd -d FILE, or tar -xf FILE"},
    {"BZh", "a bzip2 file", "bunzip2 FILE, or tar -xjf FILE"},
    {"\xFD"
     "7zXZ",
     "an xz file", "unxz FILE, or tar -xJf FILE"},
    {"7z\xBC\xAF\x27\x1C", "a 7z archive", "7z x FILE"},
    {"Rar!\x1A\x07", "a RAR archive", "unrar x FILE"},
}};

/// The first bytes of the stream that torch.save wrote before 1.6, and of any other pickle.
bool looks_like_pickle(std::string_view head) {
  constexpr char kProtocol = '\x80'; // the opcode that every protocol from 2 on begins with
  constexpr std::string_view kMagicAsText = "L119547037146038801333356L"; // protocol 0 and 1
  return (head.size() > 1 && head[0] == kProtocol && head[1] <= 5) ||
         head.starts_with(kMagicAsText);
}

/// True where the file begins with a line of text. The length that a safetensors file begins with has zero bytes.
bool looks_like_text(std::string_view head) {
  constexpr size_t kSeen = 16;
  const std::string_view seen = head.substr(0, kSeen);
  return std::all_of(seen.begin(), seen.end(), [](char character) {
    const auto byte = static_cast<uint8_t>(character);
    return byte >= ' ' || byte == '\t' || byte == '\n' || byte == '\r';
  });
}

/// A protocol buffer that begins with a version of its format below 32 (ModelProto.ir_version) and who made it, or the
/// graph. Source: onnx.proto of ONNX 1.16.
bool looks_like_onnx(std::string_view head) {
  return head.size() > 2 && head[0] == '\x08' && head[1] > 0 && head[1] < 32 &&
         (head[2] == '\x12' || head[2] == '\x3A');
}

Error unsupported(std::string_view found, std::string_view unpack = {}) {
  return {ErrorCode::kUnsupportedFormat,
          concat("Expected a PyTorch, safetensors or GGUF file, found ", found, "."),
          unpack.empty()
              ? "Use the .pt, .pth, .bin, .ckpt, .safetensors or .gguf file that the model was "
                "saved to."
              : concat("Unpack it first (", unpack, "), and give the model that is in it."),
          {},
          0};
}

/// Asks for a PyTorch file's bytes, or makes a catalog of it.
Result<Parsed<Catalog>> read_checkpoint(Result<Parsed<torch::Checkpoint>> parsed,
                                        uint64_t file_bytes) {
  if (!parsed) {
    return parsed.error();
  }
  if (Needs *needs = std::get_if<Needs>(&parsed.value())) {
    return Parsed<Catalog>(std::move(*needs));
  }
  auto &checkpoint = *std::get_if<torch::Checkpoint>(&parsed.value());
  for (const torch::Tensor &tensor : checkpoint.tensors) {
    if (!is_utf8(tensor.name)) {
      return Error{ErrorCode::kMalformedFile,
                   concat("Expected names of tensors in Unicode, found \"", tensor.name,
                          "\", of which a part is no character."),
                   "Rename it in Python and save the model again.",
                   tensor.name,
                   {}};
    }
  }
  return Parsed<Catalog>(catalog::from_checkpoint(std::move(checkpoint), file_bytes));
}

Result<Parsed<Catalog>> read_file(const ByteWindow &window, const Opening &opening) {
  const uint64_t size = window.file_size();
  if (size == 0) {
    return unsupported("an empty file");
  }
  const uint64_t head_bytes = std::min(size, kHeadBytes);
  const auto head = window.find(0, head_bytes);
  if (!head) {
    return Parsed<Catalog>(Needs{{0, head_bytes}});
  }
  if (!container::looks_like_safetensors(*head, size)) {
    if (opening.accepts_arrays && catalog::looks_like_statistics(*head)) {
      return catalog::read_statistics(window, *head);
    }
    if (container::looks_like_gguf(*head)) {
      return gguf::read_model(window, opening.file_ends);
    }
    if (catalog::looks_like_npz(*head)) {
      return opening.accepts_arrays
                 ? catalog::read_npz(window)
                 : Result<Parsed<Catalog>>(unsupported("an archive of NumPy arrays (.npz)"));
    }
    if (container::looks_like_zip(*head)) {
      return read_checkpoint(torch::read_zip_checkpoint(window, opening.choice), size);
    }
    if (container::looks_like_tar(*head)) {
      return read_checkpoint(torch::read_tar_checkpoint(window, opening.choice), size);
    }
    const std::string_view text(reinterpret_cast<const char *>(head->data()), head->size());
    const auto *known =
        std::find_if(kSignatures.begin(), kSignatures.end(),
                     [&](const auto &entry) { return text.starts_with(entry.magic); });
    if (known != kSignatures.end()) {
      return unsupported(known->name, known->unpack);
    }
    if (looks_like_pickle(text)) {
      return read_checkpoint(torch::read_legacy_checkpoint(window, opening.choice), size);
    }
    if (looks_like_text(text)) {
      return unsupported("a text file");
    }
    if (looks_like_onnx(text)) {
      return unsupported("an ONNX model");
    }
  }
  auto parsed = container::read_safetensors(window);
  if (!parsed) {
    return parsed.error();
  }
  if (Needs *needs = std::get_if<Needs>(&parsed.value())) {
    return Parsed<Catalog>(std::move(*needs));
  }
  auto &file = *std::get_if<container::SafetensorsFile>(&parsed.value());
  return Parsed<Catalog>(catalog::from_safetensors(std::move(file), size));
}

} // namespace

/// Makes the catalog, or finds out what is needed for it.
Result<void> Inspector::read() {
  auto parsed = read_file(window_, opening_);
  if (!parsed) {
    const Needs more = torch::tell_names(window_, parsed.error());
    needs_.assign(more.begin(), more.end());
    return needs_.empty() ? Result<void>(parsed.error()) : Result<void>();
  }
  if (Needs *needs = std::get_if<Needs>(&parsed.value())) {
    needs_.assign(needs->begin(), needs->end());
    return {};
  }
  *catalog_ = std::move(*std::get_if<Catalog>(&parsed.value()));
  is_read_ = true;
  if (!opening_.join_quantized) {
    window_ = ByteWindow(window_.file_size()); // the metadata's bytes are not needed any more
  } else if (catalog_->format != "gguf") {
    const Needs shapes = joining_needs(*catalog_, window_);
    needs_.assign(shapes.begin(), shapes.end());
  }
  return {};
}

/// Everything that needs no more bytes.
Result<void> Inspector::finish() {
  catalog_->folder_config = opening_.quantization_config;
  if (opening_.join_quantized) {
    if (catalog_->format == "gguf") { // blocks have no other parts
      gguf::forget_notes(*catalog_);
    } else {
      join_quantized(*catalog_, window_);
    }
    catalog_->is_joined = true;
  }
  catalog_->foreign = find_foreign(*catalog_);
  if (opening_.refuses != catalog::Refuses::kNothing) {
    const auto refused = opening_.refuses == catalog::Refuses::kUnsound ? refuse_unsound(*catalog_)
                                                                        : refuse_foreign(*catalog_);
    if (refused) {
      return *refused;
    }
  }
  window_ = ByteWindow(window_.file_size()); // the metadata's bytes are not needed any more
  if (auto stripped = catalog::strip_names(*catalog_, opening_.strip_prefix); !stripped) {
    return stripped;
  }
  catalog_->model = opening_.model;
  catalog::classify(catalog_->tensors,
                    catalog_->model ? catalog_->model->model_type : std::string_view());
  if (catalog_->format != "safetensors") { // there, one name has the bytes and the others are notes
    catalog::choose_owners(catalog_->tensors);
  }
  return {};
}

Result<void> Inspector::select(const std::vector<size_t> &left_out,
                               const std::vector<std::pair<size_t, std::string>> &renamed) {
  std::vector<catalog::Tensor> &tensors = catalog_->tensors;
  for (const auto &[index, name] : renamed) {
    if (index < tensors.size()) {
      tensors[index].name = name;
    }
  }
  std::vector<bool> is_left(tensors.size());
  for (const size_t index : left_out) {
    if (index < tensors.size()) {
      is_left[index] = true;
    }
  }
  std::vector<size_t> places(tensors.size()); // of those that stay
  std::set<std::string_view> names;
  size_t place = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    places[i] = place;
    place += is_left[i] ? 0 : 1;
    const std::optional<size_t> owner = tensors[i].tied_to;
    const bool is_torn = !is_left[i] && owner && is_left[*owner];
    if (is_torn || (!is_left[i] && !names.insert(tensors[i].name).second)) {
      return Error{ErrorCode::kInvalidOptions,
                   is_torn ? concat("Expected tensors that are left out to stand alone, found \"",
                                    tensors[i].name, "\", which shares its bytes with one.")
                           : concat("Expected new names of tensors to differ, found \"",
                                    tensors[i].name, "\" twice."),
                   "Leave other layers out.",
                   tensors[i].name,
                   {}};
    }
  }
  std::vector<catalog::Tensor> kept;
  kept.reserve(place);
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!is_left[i]) {
      if (tensors[i].tied_to) {
        tensors[i].tied_to = places[*tensors[i].tied_to];
      }
      kept.push_back(std::move(tensors[i]));
    }
  }
  tensors = std::move(kept);
  return {};
}

Result<std::optional<Need>> Inspector::step() {
  if (needs_.empty() && !is_read_) {
    if (auto done = read(); !done) {
      return done.error();
    }
  }
  if (!needs_.empty()) {
    const Need need = needs_.front();
    needs_.pop_front();
    return std::optional(need);
  }
  if (auto done = finish(); !done) {
    return done.error();
  }
  return std::optional<Need>();
}

} // namespace monoquant::layout
