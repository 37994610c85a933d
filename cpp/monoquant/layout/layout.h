// One way of storing quantized tensors in a file, in both directions.
// It exists so that everything that is known of it stands in one folder: adding a layout is adding one, and a line in
// registry.cc. A layout never sees a plan: it is told what is stored, and says streams and bytes.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "monoquant/base/byte_window.h"
#include "monoquant/catalog/catalog.h"
#include "monoquant/layout/joining.h"
#include "monoquant/layout/part_decoder.h"
#include "monoquant/layout/row_codec.h"
#include "monoquant/layout/stored.h"

namespace monoquant::layout {

/// When the bytes of a stream are known.
enum class Written : uint8_t {
  kByRow,  // while rows are encoded
  kByBand, // when all scales of a band of rows are known
  kFixed,  // before anything is read
};

/// A tensor of the file that is a part of a quantized one.
struct Stream {
  Written written = Written::kByRow;
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<uint64_t> shape;
  std::string fixed = {}; // the bytes, where they are known
  const gguf::BlockFacts *blocks =
      nullptr; // what its values are stored in, if they are no plain ones of `dtype`
};

/// What the configuration says of a tensor of the model.
struct Described {
  const Stored *stored = nullptr;     // null: it stays as it was
  const StoredInput *input = nullptr; // null: quantized as it comes, or not at all
};

/// A layout that is only read has nothing of what is about writing (null).
struct Layout {
  std::string_view
      name; // OutputFormat of js/api/types.ts, and what its configuration calls itself (quant_method)

  /// Makes a scheme one that can be stored; if none can be made of it, says what is expected instead. The same again for
  /// one that was made.
  std::string_view (*fit)(quant::Scheme &scheme, bool weights_only) = nullptr;

  /// What is expected of all quantized tensors together, if they cannot stand in one file; "" if they can. Null: they can.
  std::string_view (*fits_together)(std::span<const Described> tensors) = nullptr;
  /// Whether scales of codes that are no integers are stored as the weights were, if these are BF16, and as F32 else.
  bool scales_as_weights = false;
  /// Why this tensor cannot be stored so, as its loaders would read it: it stays as it is; "" if it can. May see
  /// it as other rows. Null: every tensor can.
  std::string (*arrange)(const catalog::Tensor &tensor, Stored &stored) = nullptr;

  /// What this tensor is, if its loaders' own tools leave it alone, which is done by default; "" if not. Null: they
  /// leave none alone.
  std::string_view (*spare)(const catalog::Tensor &tensor) = nullptr;

  /// The tensors that stand for a quantized one: first the one that is written by rows.
  std::vector<Stream> (*streams)(const catalog::Tensor &tensor, const Stored &stored) = nullptr;
  /// Ends of names that would be taken for a part of a quantized tensor, whether this one has such a part or not.
  std::span<const std::string_view> part_suffixes = {};
  /// Where rows become bytes. `stored` must outlive it.
  std::unique_ptr<RowCodec> (*make_codec)(const Stored &stored) = nullptr;

  /// Whether scales of the layer's inputs can be stored beside such codes, and the tensors that hold them.
  bool (*stores_inputs)(const Stored &stored) = nullptr;
  std::vector<Stream> (*input_streams)(const catalog::Tensor &tensor,
                                       const StoredInput &input) = nullptr;
  /// The names, behind "MODULE.", of what readers take for such a tensor.
  std::span<const std::string_view> input_names = {};

  /// The value of `config_key` as JSON text. `tensors`: one for each of the catalog.
  std::string (*configuration)(const catalog::Catalog &catalog,
                               std::span<const Described> tensors) = nullptr;
  /// Where it stands in a file's metadata; config.json has none of another key.
  std::string_view config_key = catalog::kQuantizationConfig;

  /// What has to be read of an opened file before its streams can be joined. Null: nothing.
  Needs (*needs)(const catalog::Catalog &catalog, const ByteWindow &window) = nullptr;
  /// Finds the quantized tensors of an opened file.
  void (*join)(Joining &joining) = nullptr;
  /// What is wrong with a configuration (JSON text, of `where`), or with what it says of the tensors of a file. Null:
  /// nothing that could be told.
  void (*check)(const catalog::Catalog &catalog, std::string_view config, std::string_view where,
                std::vector<catalog::Problem> &problems) = nullptr;
  /// Parts without their codes. Null: a part means nothing by itself.
  void (*find_leftovers)(const catalog::Catalog &catalog,
                         std::vector<catalog::Problem> &problems) = nullptr;
  /// Where bytes become values again. `block_bytes`: of the largest read. Null: all codes have a decoding, which
  /// coded::make_decoder reads.
  std::unique_ptr<PartDecoder> (*make_decoder)(size_t block_bytes) = nullptr;

  // What loaders of single files and of one tool ask for; a layout without such wishes has none of these.

  /// Why its loaders do not take this tensor as codes, as a sentence without an end; "" where they do.
  std::string (*refuse)(const catalog::Tensor &tensor, const Stored &stored) = nullptr;
  /// The type of scales beside weights of this type; null: what the plan chooses. `wanted`: by whoever asked for one.
  Dtype (*scale_type)(Dtype weights, std::optional<Dtype> wanted) = nullptr;
  /// Whether one number of bits, one scheme and one group size serve all tensors of a file.
  bool has_one_scheme = false;
  /// The size of groups that a row of the format has if nobody asks for another one.
  uint64_t usual_group = 128;
  /// Why transformers does not load such codes of this kind of model, as a sentence; "" if it does. Null: it always does,
  /// or is none of its loaders.
  std::string (*fault_of_loading)(const catalog::Catalog &catalog) = nullptr;
  /// What the metadata of a safetensors file call its framework. Empty: streams are not of safetensors alone.
  std::string_view safetensors_format = {};

  [[nodiscard]] bool is_written() const { return streams != nullptr; }
};

/// All of them; the first one is the default.
std::span<const Layout *const> layouts();

/// By its name; null where there is none.
const Layout *find_layout(std::string_view name);

} // namespace monoquant::layout
