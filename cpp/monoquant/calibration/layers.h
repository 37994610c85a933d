// Which modules of a model have inputs that can be calibrated, and how these inputs lie in a tensor.
// It exists because data only come with names: what their dimensions mean follows from the layer of that name.
// Widths are those of the weights: they are checked, never guessed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "monoquant/catalog/catalog.h"

namespace monoquant::calibration {

/// What one layer takes.
struct Layer {
  // Linear [.., width]; a recurrent layer [.., width]; a convolution [batch, channels, ...] or [channels, ...].
  bool is_convolution = false;
  uint64_t width = 0; // features, or channels of one group
  // Of convolutions:
  size_t dimensions = 0;    // of the kernel
  uint64_t most_groups = 1; // groups are not stored: any number that divides this one may be theirs
  bool is_optional = false; // heads and routers: nobody misses their data
};

/// How the values of one batch lie: channel after channel, `per_channel` values at a time.
struct BatchShape {
  uint64_t samples = 0;
  uint64_t channels = 0;
  uint64_t inner = 1; // consecutive values of one channel
};

/// Whether a weight is multiplied with the input of its module: the first of a recurrent one, the query's of an
/// attention. Others of the module have inputs of their own.
bool takes_module_input(const catalog::Tensor &weight);

/// Layers by the name of their module. The names live as long as the catalog.
std::map<std::string_view, Layer> layers_of(const catalog::Catalog &model);

/// Nothing where the layer cannot take such an input.
std::optional<BatchShape> batch_shape(const Layer &layer, std::span<const uint64_t> shape);

/// "[…, 64]": what a layer expects, for messages.
std::string expected_shape(const Layer &layer);

/// Whether the layer can have so many input channels.
bool takes_channels(const Layer &layer, uint64_t channels);

/// Which layers read the same input, as runtimes that fuse them assume: q, k and v of an attention to itself, gate and
/// up. Data of one are data of all.
class SharedInputs {
public:
  /// The model must outlive this.
  explicit SharedInputs(const catalog::Catalog &model);

  /// The module itself if it `has` data, else the first with the same input that does, else itself again.
  template <typename Has>
  [[nodiscard]] std::string_view whose(std::string_view module, const Has &has) const {
    const auto family = families_.find(module);
    if (family == families_.end() || has(module)) {
      return module;
    }
    const auto &members = *family->second;
    const auto found = std::find_if(members.begin(), members.end(), has);
    return found == members.end() ? module : *found;
  }

private:
  std::map<std::string_view, std::shared_ptr<const std::vector<std::string_view>>> families_;
};

} // namespace monoquant::calibration
