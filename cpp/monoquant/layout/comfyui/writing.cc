// How ComfyUI's files are written: each layer with a note of its own, and all notes in the file's metadata as well.
// Source: ComfyUI's QUANTIZATION.md and comfy-kitchen 0.2.
#include <algorithm>
#include <array>

#include "monoquant/base/json_writer.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/coded/codebook_codec.h"
#include "monoquant/layout/comfyui/comfyui.h"
#include "monoquant/layout/comfyui/notes.h"

namespace monoquant::layout::comfyui {
namespace {

using catalog::Tensor;
using quant::Codebook;
using quant::Strategy;

/// As Python's json.dumps writes it.
std::string note_text(const quant::Scheme &scheme) {
  if (scheme.codebook == Codebook::kF8E4M3) {
    return R"({"format": "float8_e4m3fn"})";
  }
  if (scheme.rotation == 0) {
    return R"({"format": "int8_tensorwise"})";
  }
  return concat(R"({"format": "int8_tensorwise", "convrot": true, "convrot_groupsize": )",
                scheme.rotation, "}");
}

/// Parts of names of layers that producers of such files leave alone: few weights, and errors that all pixels see.
/// Source: what Comfy-Org's and others' files of Flux, Qwen-Image, Wan and SDXL have in floats.
constexpr std::array<std::string_view, 19> kSpared = {
    "embed",     "norm",       "modulation", "_mod.",       ".mod.",       "img_in",
    "txt_in",    "time_in",    "vector_in",  "guidance_in", "final_layer", "proj_out.weight",
    "time_text", "x_embedder", "patch_",     "head.head",   "adaln",       "adaLN",
    "label_emb"};

} // namespace

std::string_view fit(quant::Scheme &scheme, bool /*weights_only*/) {
  if (scheme.bits != 8) {
    return "8 bits";
  }
  if (!scheme.symmetric) {
    return "the symmetric scheme";
  }
  if (scheme.cuts_rows()) {
    return "one scale for a tensor or a channel";
  }
  scheme.scale_dtype = Dtype::kF32;
  if (scheme.codebook == Codebook::kF8E4M3) {
    scheme.strategy = Strategy::kTensor;
    return {};
  }
  if (!scheme.has_kernels() && scheme.codebook != Codebook::kEvenIntegers) {
    return "FP8, or INT8 with or without ConvRot";
  }
  scheme.codebook = Codebook::kEvenIntegers;
  scheme.strategy = Strategy::kChannel;
  return {};
}

/// Only weights of Linear layers may have a note.
std::string arrange(const Tensor &tensor, Stored &stored) {
  if (tensor.shape.size() != 2 || !tensor.name.ends_with(".weight") ||
      catalog::class_name(tensor) != "Linear") {
    return "ComfyUI has codes of Linear layers only";
  }
  quant::Scheme &scheme = stored.scheme;
  if (scheme.rotation != 0 && stored.columns % scheme.rotation != 0) {
    scheme.rotation = 0; // plain rows, which may stand beside
  }
  return {};
}

std::string_view spare(const Tensor &tensor) {
  const bool is_spared = std::any_of(kSpared.begin(), kSpared.end(), [&](std::string_view part) {
    return tensor.name.find(part) != std::string::npos;
  });
  return is_spared ? "a layer that files for ComfyUI have as floats" : std::string_view();
}

std::vector<Stream> streams(const Tensor &tensor, const Stored &stored) {
  const bool is_float = stored.scheme.codebook == Codebook::kF8E4M3;
  std::string note = note_text(stored.scheme);
  const uint64_t length = note.size();
  std::vector<uint64_t> scales;
  if (!stored.shares_scale()) {
    scales = {stored.rows, 1};
  }
  return {{Written::kByRow, tensor.name, is_float ? Dtype::kF8E4M3 : Dtype::kI8, tensor.shape},
          {Written::kByBand, concat(tensor.name, kScale), Dtype::kF32, std::move(scales)},
          {Written::kFixed,
           concat(catalog::module_name(tensor.name), kNote),
           Dtype::kU8,
           {length},
           std::move(note)}};
}

std::unique_ptr<RowCodec> make_codec(const Stored &stored) {
  return std::make_unique<coded::CodebookCodec>(stored);
}

std::string configuration(const catalog::Catalog &catalog, std::span<const Described> tensors) {
  JsonWriter json;
  json.begin_object();
  json.member("format_version", "1.0");
  json.key("layers").begin_object();
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].stored != nullptr) {
      json.key(catalog::module_name(catalog.tensors[i].name));
      json.document(note_text(tensors[i].stored->scheme));
    }
  }
  json.end().end();
  return json.take();
}

} // namespace monoquant::layout::comfyui
