// What ComfyUI's files say of the codes of each layer: {"format": "int8_tensorwise", "convrot": true, ..}.
// It exists because a layer without its note looks like another one: rotated rows look like plain ones.
#pragma once

#include <string>
#include <string_view>

#include "monoquant/base/byte_window.h"
#include "monoquant/base/json.h"
#include "monoquant/catalog/catalog.h"

namespace monoquant::layout::comfyui {

/// Behind the name of a module: a tensor of bytes that holds the note.
inline constexpr std::string_view kNote = ".comfy_quant";
/// Of the whole file: {"layers": {MODULE: note}}.
inline constexpr std::string_view kNotes = "_quantization_metadata";

/// What has to be read before notes can be asked for.
Needs note_needs(const catalog::Catalog &catalog, const ByteWindow &window);

class Notes {
public:
  /// Both must outlive it.
  Notes(const catalog::Catalog &catalog, const ByteWindow &window);

  /// `tensor`: that of the module's own note, or null. Null where nothing is said; no object where it is no JSON.
  [[nodiscard]] Json of(std::string_view module, const catalog::Tensor *tensor) const;

private:
  const ByteWindow &window_;
  Json layers_; // of the metadata
};

/// A member of a note, which may stand in its "params".
Json member_of(const Json &note, const char *key);
/// Whether weights were rotated before they became codes.
bool is_rotated(const Json &note);

} // namespace monoquant::layout::comfyui
