#include "monoquant/layout/comfyui/notes.h"

#include "monoquant/base/bytes.h"

namespace monoquant::layout::comfyui {
namespace {

using catalog::Catalog;
using catalog::Tensor;

constexpr uint64_t kMostNoteBytes = 65536; // what a layer says of its codes has some hundred

bool is_note(const Tensor &tensor) {
  return tensor.name.ends_with(kNote) && tensor.dtype == Dtype::kU8 && !tensor.view &&
         tensor.bytes > 0 && tensor.bytes <= kMostNoteBytes;
}

} // namespace

Needs note_needs(const Catalog &catalog, const ByteWindow &window) {
  Needs needs;
  for (const Tensor &tensor : catalog.tensors) {
    if (is_note(tensor) && !window.find(tensor.offset, tensor.bytes)) {
      needs.push_back({tensor.offset, tensor.bytes});
    }
  }
  return needs;
}

Notes::Notes(const Catalog &catalog, const ByteWindow &window) : window_(window) {
  for (const auto &[key, value] : catalog.metadata) {
    if (key == kNotes) {
      const Json all = parse_json(value);
      layers_ = all.is_object() ? all.value("layers", Json()) : Json();
    }
  }
}

Json Notes::of(std::string_view module, const Tensor *tensor) const {
  if (tensor != nullptr) {
    const auto bytes =
        is_note(*tensor) ? window_.find(tensor->offset, tensor->bytes) : std::nullopt;
    return bytes ? parse_json(text_view(*bytes)) : Json(false);
  }
  const auto layer = layers_.is_object() ? layers_.find(std::string(module)) : layers_.end();
  return layers_.is_object() && layer != layers_.end() ? *layer : Json();
}

Json member_of(const Json &note, const char *key) {
  const Json params = note.is_object() ? note.value("params", Json()) : Json();
  for (const Json *object : {&note, &params}) {
    if (object->is_object() && object->contains(key)) {
      return (*object)[key];
    }
  }
  return {};
}

/// Whatever is said of a rotation but that there is none.
bool is_rotated(const Json &note) {
  const Json rotated = member_of(note, "convrot");
  return !rotated.is_null() && !(rotated.is_boolean() && !rotated.get<bool>());
}

} // namespace monoquant::layout::comfyui
