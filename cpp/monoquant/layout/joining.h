// Puts the streams of an opened file together: codes, scales and what belongs to them become one tensor of values.
// It exists so that a quantized file can be shown, compared and dequantized by the names that the model knows.
// Layouts find what belongs together; what seems to, but does not fit, stays as it is and is noted as a problem.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "monoquant/base/byte_window.h"
#include "monoquant/base/json_name.h"
#include "monoquant/catalog/catalog.h"

namespace monoquant::layout {

/// A quantized tensor that was found.
struct Joined {
  std::string name;
  std::vector<uint64_t> shape;
  catalog::Codes codes;
  std::vector<size_t> parts = {}; // besides the codes: indices of the catalog
};

class Joining {
public:
  /// Both must outlive it. Metadata that speak of quantized tensors go into Catalog::quantization_metadata.
  Joining(catalog::Catalog &catalog, const ByteWindow &window);

  [[nodiscard]] const catalog::Catalog &catalog() const { return catalog_; }
  [[nodiscard]] const ByteWindow &window() const { return window_; }
  /// What is said of the quantized tensors, parsed once; no object where nothing is.
  [[nodiscard]] const Json &config() const;
  [[nodiscard]] const catalog::Tensor &tensor(size_t index) const {
    return catalog_.tensors[index];
  }
  /// The index of the tensor of this name.
  [[nodiscard]] std::optional<size_t> find(std::string_view base, std::string_view suffix) const;

  void problem(std::string_view code, std::string message, std::string_view tensor) {
    catalog_.problems.push_back({code, std::move(message), std::string(tensor)});
  }

  /// Whether codes that look like a layout's are another one's.
  [[nodiscard]] bool is_claimed(size_t codes) const { return claimed_[codes]; }

  /// Takes a note out of the metadata that means nothing without the codes.
  void forget(std::string_view key);
  /// Leaves a tensor away that means nothing without the codes.
  void drop(size_t index) { consumed_[index] = true; }
  /// Puts a quantized tensor where its codes are, and leaves its parts away. A problem where another one has the name or
  /// one of the parts is another one's codes.
  void take(size_t codes, Joined joined);
  /// The same of what is stored about the inputs of the modules that have codes: tensors of one number each, named
  /// behind "MODULE.". They go into Catalog::input_parameters.
  void take_inputs(std::span<const std::string_view> names);

  /// Once, at the end.
  void finish();

private:
  catalog::Tensor joined_tensor(size_t index);

  catalog::Catalog &catalog_;
  const ByteWindow &window_;
  mutable std::shared_ptr<const Json> config_;
  std::map<std::string, size_t> by_name_;
  std::set<std::string> names_;               // of what was taken
  std::vector<std::optional<Joined>> joined_; // by index of the codes
  std::vector<bool> consumed_;                // parts
  std::vector<bool> claimed_;
};

// What layouts ask about tensors that may be parts.

/// Bytes in the file one after the other.
inline bool is_plain(const catalog::Tensor &tensor) { return !tensor.view; }
/// The same, or bytes that are given with the tensor.
bool is_at_hand(const catalog::Tensor &tensor);
bool holds_scales(Dtype dtype);
catalog::Codes::Part part_of(const catalog::Tensor &tensor);

/// How many consecutive elements share a scale; nothing if scales of that shape do not lie in the order of the
/// elements. [1] or [] for all; else leading extents, the number of groups in what is left, and ones, which may be
/// missing.
std::optional<uint64_t> scope_of(const std::vector<uint64_t> &shape, std::vector<uint64_t> scales);

/// Reads of what lies close together.
Needs read_together(std::vector<Need> needs);

/// Rows of codes: the first extent; or the first two of a stack of matrices, which its scales show.
uint64_t rows_of(const std::vector<uint64_t> &shape, const std::vector<uint64_t> &scales);

/// What has to be read before `join_quantized`.
Needs joining_needs(const catalog::Catalog &catalog, const ByteWindow &window);

/// Replaces the parts of each quantized tensor by one tensor of its values (F32, Tensor::codes), where the codes were,
/// of every layout that there is.
void join_quantized(catalog::Catalog &catalog, const ByteWindow &window);

/// What is wrong with the quantized tensors of an opened file and with what its configuration says of them.
std::vector<catalog::Problem> check_layout(const catalog::Catalog &catalog);

} // namespace monoquant::layout
