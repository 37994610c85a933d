// What is in a checkpoint, read from its metadata alone.
// It exists so that planning and running know one kind of input, whatever container it came in.
// Tensors stand in the order of the file, every extent was checked to lie inside it, and names are unique.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "monoquant/base/dtype.h"
#include "monoquant/catalog/codes.h"
#include "monoquant/catalog/layer_kind.h"
#include "monoquant/catalog/model_class.h"
#include "monoquant/torch/checkpoint.h"

namespace monoquant::container {
class GgufKeys;
}

namespace monoquant::catalog {

/// How a tensor's bytes are put together where they are no plain run of the file: its storage begins at the
/// tensor's offset, and its elements lie in there by strides. All of them were checked to.
struct View {
  uint64_t stored_bytes = 0; // of the storage, in the file
  uint64_t storage_bytes =
      0; // of its content: other than the stored ones where those are compressed
  bool deflated = false;
  bool big_endian = false;
  bool conjugate = false;        // imaginary parts are to be negated
  bool negative = false;         // values are to be negated
  uint64_t first = 0;            // element
  std::vector<uint64_t> strides; // in elements, one a dimension
  std::vector<uint8_t> literal;  // the content itself, where it is not in the file
  std::optional<uint32_t> crc32; // of the content
};

struct Tensor {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<uint64_t> shape;
  uint64_t elements = 0;
  uint64_t offset = 0; // of its first byte in the file, or of its storage where there is a view
  uint64_t bytes = 0;  // of its elements one after the other
  LayerKind kind = LayerKind::kOther;
  std::string module_type = {};          // the class that holds it, where the file says so
  std::shared_ptr<const View> view = {}; // nothing: `bytes` little-endian bytes from `offset` on
  std::shared_ptr<const Codes> codes =
      {}; // its values are stored as codes, the first of them at `offset`
  std::optional<uint32_t> crc32 = {}; // of these bytes, where the container has one
  std::optional<size_t> tied_to =
      {}; // the tensor, not tied itself, that it shares all its bytes with

  /// Whether its bytes have to be put together, instead of lying in the file one after the other.
  [[nodiscard]] bool is_assembled() const { return view != nullptr || codes != nullptr; }
  /// Whether it is several matrices, one an expert, each with rows and columns of its own.
  [[nodiscard]] bool is_stack() const { return kind == LayerKind::kExperts && shape.size() == 3; }
};

/// Something about the tensors that cannot be as it is.
struct Problem {
  std::string_view code; // ProblemCode in js/api/problem.ts
  std::string message;
  std::string tensor;
};

/// Tensors that are stored as codes and could not be made numbers, of one layout.
struct Foreign {
  std::string layout;   // as a sentence calls it
  std::string tensor;   // the first of them
  uint64_t tensors = 0; // how many, without their scales and the like
  bool is_read = false; // files of this layout are read here, unless something is wrong with them
  bool is_only_said = false; // by the configuration beside the file: no tensor looks like codes
};

/// Which codes are an error of opening.
enum class Refuses : uint8_t {
  kNothing,
  kUnknown, // those in a layout that is not read here
  kUnsound, // and those that have a problem
};

/// What a file is to be opened as.
struct Opening {
  torch::Choice choice;
  std::string strip_prefix;    // taken off every name, as `strip_names` does
  bool accepts_arrays = false; // data may come as NumPy's .npz; models do not
  bool join_quantized = false; // codes, scales and zero points become one tensor of values
  Refuses refuses = Refuses::kNothing;
  std::optional<ModelClass> model = {}; // from the configuration beside the file
  std::string quantization_config = {}; // the same configuration's, as JSON text
  // Of a split GGUF file, whose parts lie one behind the other: where each ends but the last. Ascending, in the file.
  std::vector<uint64_t> file_ends = {};
};

/// Keys of the metadata that speak of quantized tensors: the configuration that loaders read, as JSON text; who made
/// the codes; and of which dtype the weights were, if that of their scales does not say it.
inline constexpr std::string_view kQuantizedBy = "quantized_by";
inline constexpr std::string_view kQuantizationConfig = "quantization_config";
inline constexpr std::string_view kQuantizedFrom = "quantized_from";
/// That biases beside codes make up for the errors of these.
inline constexpr std::string_view kCorrectedBiases = "corrected_biases";
/// That inputs and weights of layers have traded magnitudes: each tensor for itself is not that of the original.
inline constexpr std::string_view kRescaled = "rescaled_layers";
bool is_of_quantization(std::string_view key);
/// Keys of the metadata of statistics that llama-imatrix has made, by its own names: the first text that was read, and
/// how many chunks of it.
inline constexpr std::string_view kImatrixDataset = "imatrix.datasets";
inline constexpr std::string_view kImatrixChunks = "imatrix.chunk_count";
/// Whether a note of a safetensors file speaks of the file, whatever its tensors are called.
bool is_of_file(std::string_view key);

struct Catalog {
  uint64_t file_bytes = 0;
  std::string_view format =
      "safetensors"; // "npz", "gguf", "imatrix", or one of torch::Checkpoint's
  std::vector<std::pair<std::string, std::string>> metadata = {};
  std::vector<Tensor> tensors = {};
  std::optional<ModelClass> model = {}; // nothing where no configuration stands beside the file
  // Only of PyTorch's files.
  std::vector<torch::LeftOut> left_out = {};
  std::vector<torch::Global> globals = {};
  std::vector<torch::Opaque> opaque = {};
  std::vector<std::string> code = {}; // modules of TorchScript
  std::string key = {};
  std::vector<torch::Candidate> candidates = {};
  bool is_joined = false; // codes, scales and what belongs to them are tensors of values
  std::vector<Problem> problems = {};
  std::vector<Foreign> foreign = {};
  std::string folder_config = {}; // Opening::quantization_config
  std::vector<Tensor> input_parameters =
      {}; // X.input_scale and X.input_zero_point of their modules X
  // What the metadata said of them, taken out of these.
  std::vector<std::pair<std::string, std::string>> quantization_metadata = {};
  // Of a GGUF file: its keys with their whole values, for a file that is made of it. Nothing if they are not those of a
  // little-endian file, or too much to be kept.
  std::shared_ptr<const container::GgufKeys> gguf_keys = {};

  /// The configuration among it, or else that of the folder; empty where there is none.
  [[nodiscard]] std::string_view quantization_config() const;
  /// The one among the metadata; empty where there is none.
  [[nodiscard]] std::string_view own_quantization_config() const;
  /// The value of one of those keys; empty where there is none.
  [[nodiscard]] std::string_view quantization_note(std::string_view key) const;
};

/// The catalog as TypeScript's Catalog.
std::string catalog_json(const Catalog &catalog);

/// A list of Problem of js/api/types.ts.
std::string problems_json(std::span<const Problem> problems);

} // namespace monoquant::catalog
