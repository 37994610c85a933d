// Tensors from the calls that would rebuild them.
// It exists so that every number of such a call is checked in one place before anybody relies on it.
// What comes out lies inside the storage that the file claims to have.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "monoquant/base/dtype.h"
#include "monoquant/torch/pickle.h"
#include "monoquant/torch/rebuild_call.h"
#include "monoquant/torch/storage_claims.h"

namespace monoquant::torch {

inline constexpr size_t kMaxRank = 64; // as in PyTorch
// A tensor may be larger than its storage, for strides may be 0; what is both much larger and huge is refused.
inline constexpr uint64_t kMaxExpansion = 64;
inline constexpr uint64_t kMaxExpandedBytes = 1ULL << 30U;
inline constexpr uint64_t kMaxCheckpointBytes = (1ULL << 53U) - 1; // JavaScript's exact integers

/// Like Tensor of checkpoint.h, but in a storage that is only claimed.
struct PlainTensor {
  Dtype dtype = Dtype::kF32;
  std::vector<uint64_t> shape;
  std::vector<uint64_t> strides;
  uint64_t first = 0;
  size_t claim = 0;
  bool conjugate = false;
  bool negative = false;
  uint64_t bytes = 0; // of its elements, laid out without gaps
};

struct Rebuilt {
  PlainTensor tensor;                    // the codes, where it is quantized
  std::optional<PlainTensor> scale;      // of a quantized tensor
  std::optional<PlainTensor> zero_point; // of a quantized tensor
  std::string unreadable; // why there is no tensor; `bytes` is all that is known then
  uint64_t bytes = 0;     // of everything above
};

/// Tensors that stand outside of the pickle, by the text of their reference: in tar archives.
using ExternalTensors = std::map<std::string, PlainTensor, std::less<>>;

/// Checks what a file says about a tensor and fills in `bytes`. `unit` is the width of an element, `units` the
/// elements that its storage has. Errors: kMalformedFile, kLimitExceeded.
Result<void> check_tensor(PlainTensor &tensor, uint64_t unit, uint64_t units,
                          const std::string &name);

class Rebuilder {
public:
  /// All three live longer than this.
  Rebuilder(const Pickle &pickle, StorageClaims &claims, const ExternalTensors *external)
      : pickle_(pickle), claims_(claims), external_(external) {}

  /// Cheap: whether `rebuild` has anything to say about a node.
  [[nodiscard]] bool is_tensor(NodeId node) const;

  /// `is_tensor(node)` holds. `name` is for errors. Lives as long as this object.
  /// Errors: kMalformedFile, kLimitExceeded, kUnsupportedFormat.
  Result<const Rebuilt *> rebuild(NodeId node, const std::string &name);

private:
  [[nodiscard]] const PlainTensor *find_external(NodeId node) const;
  Result<Rebuilt> make(NodeId node, const std::string &name);
  Result<Rebuilt> make_plain(const RebuildCall &call, const std::string &name);
  Result<Rebuilt> make_quantized(const RebuildCall &call, const std::string &name);
  Result<Rebuilt> make_unreadable(NodeId node, const RebuildCall &call);
  Result<PlainTensor> parameter_tensor(NodeId node, std::span<const uint64_t> shape, uint64_t axis,
                                       bool is_scale, const std::string &name);

  const Pickle &pickle_;
  StorageClaims &claims_;
  const ExternalTensors *external_;
  std::map<NodeId, Rebuilt> made_;
};

} // namespace monoquant::torch
