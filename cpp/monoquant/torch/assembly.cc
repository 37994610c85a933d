#include "monoquant/torch/assembly.h"

#include <algorithm>
#include <map>

#include "monoquant/base/limits.h"
#include "monoquant/base/text.h"
#include "monoquant/torch/globals.h"
#include "monoquant/torch/object_graph.h"
#include "monoquant/torch/state_dict_choice.h"
#include "monoquant/torch/tensor_walk.h"

namespace monoquant::torch {
namespace {

class Assembler {
public:
  Assembler(const Pickle &pickle, StorageClaims claims, const AssemblyOptions &options)
      : pickle_(pickle), options_(options), claims_(std::move(claims)),
        rebuilder_(pickle, claims_, options.external) {}

  Result<Assembly> assemble() {
    auto walk = find_tensors(pickle_, rebuilder_, options_.choice.key);
    if (!walk) {
      return walk.error();
    }
    walk_ = std::move(walk.value());
    if (auto rebuilt = rebuild_all(); !rebuilt) {
      return rebuilt.error();
    }
    auto chosen = choose_state_dict(walk_, bytes_, options_.choice);
    if (!chosen) {
      return chosen.error();
    }
    Checkpoint &checkpoint = assembly_.checkpoint;
    checkpoint.key = std::move(chosen.value().key);
    checkpoint.left_out = std::move(chosen.value().left_out);
    checkpoint.candidates = std::move(chosen.value().candidates);
    GlobalList globals;
    globals.add(pickle_, options_.is_script ? Unpickler::kScript : Unpickler::kPython);
    checkpoint.globals = globals.list();
    for (const size_t index : chosen.value().taken) {
      if (auto added = add(index); !added) {
        return added.error();
      }
    }
    return std::move(assembly_);
  }

private:
  Result<void> rebuild_all() {
    uint64_t total = 0;
    for (const FoundTensor &found : walk_.tensors) {
      auto rebuilt = rebuilder_.rebuild(found.node, found.path);
      if (!rebuilt) {
        return rebuilt.error();
      }
      rebuilt_.push_back(rebuilt.value());
      bytes_.push_back(rebuilt.value()->bytes);
      total += rebuilt.value()->bytes; // both at most 2^53 and a little
      if (total > kMaxCheckpointBytes) {
        return Error{ErrorCode::kLimitExceeded,
                     "The checkpoint's tensors have more than 2^53 bytes together.",
                     "Save the tensors before they are expanded.", found.path, std::nullopt};
      }
    }
    return {};
  }

  Result<void> add(size_t index) {
    const FoundTensor &found = walk_.tensors[index];
    const Rebuilt &rebuilt = *rebuilt_[index];
    const std::string_view reason = reason_to_leave(found, rebuilt);
    if (!reason.empty()) {
      const bool is_lost = !rebuilt.unreadable.empty() || !found.is_named;
      assembly_.checkpoint.left_out.push_back(
          {options_.prefix + found.path, std::string(reason), 1, rebuilt.bytes, is_lost});
      return {};
    }
    const std::string name = name_of(found);
    const auto [known, is_new] = names_.try_emplace(name, found.node);
    if (!is_new && known->second == found.node) {
      return {}; // one tensor, reached by two ways of the same name
    }
    const std::string type = found.holder ? module_type(pickle_, *found.holder) : std::string();
    auto added = is_new ? Result<void>() : twice(name);
    added = added ? add_tensor(name, type, rebuilt.tensor) : added;
    if (added && rebuilt.scale) {
      added = add_parameter(name + "_scale", type, *rebuilt.scale, found.node);
    }
    if (added && rebuilt.zero_point) {
      added = add_parameter(name + "_zero_point", type, *rebuilt.zero_point, found.node);
    }
    return added;
  }

  [[nodiscard]] std::string_view reason_to_leave(const FoundTensor &found,
                                                 const Rebuilt &rebuilt) const {
    if (!rebuilt.unreadable.empty()) {
      return rebuilt.unreadable;
    }
    if (!found.is_named) {
      return "a tensor under a key that is an object and no name";
    }
    // state_dict() knows parameters and buffers. The archive does not tell them from other attributes, but
    // those that programs keep between calls are empty when they are saved.
    if (options_.is_script && rebuilt.tensor.bytes == 0) {
      return "an attribute without elements";
    }
    return {};
  }

  [[nodiscard]] std::string name_of(const FoundTensor &found) const {
    const std::string &key = assembly_.checkpoint.key;
    const size_t skipped = key.empty() ? 0 : std::min(key.size() + 1, found.path.size());
    return options_.prefix + found.path.substr(skipped);
  }

  static Result<void> twice(const std::string &name) {
    return malformed_checkpoint(concat("two tensors have the name \"", name, "\""), name);
  }

  Result<void> add_parameter(const std::string &name, const std::string &type,
                             const PlainTensor &tensor, NodeId node) {
    if (!names_.try_emplace(name, node).second) {
      return twice(name);
    }
    return add_tensor(name, type, tensor);
  }

  Result<void> add_tensor(std::string name, const std::string &type, const PlainTensor &plain) {
    std::vector<Tensor> &tensors = assembly_.checkpoint.tensors;
    if (tensors.size() == kMaxTensors) {
      return Error{ErrorCode::kLimitExceeded,
                   concat("The checkpoint has more than ", kMaxTensors, " tensors."),
                   "Split the checkpoint into several files.",
                   {},
                   {}};
    }
    Tensor tensor;
    tensor.name = std::move(name);
    tensor.module_type = type;
    tensor.dtype = plain.dtype;
    tensor.shape = plain.shape;
    tensor.strides = plain.strides;
    tensor.storage = use(plain.claim);
    tensor.first = plain.first;
    tensor.conjugate = plain.conjugate;
    tensor.negative = plain.negative;
    tensors.push_back(std::move(tensor));
    return {};
  }

  /// The number of a claim among those that are used.
  size_t use(size_t claim) {
    const auto [entry, is_new] = used_.try_emplace(claim, assembly_.claims.size());
    if (is_new) {
      assembly_.claims.push_back(claims_.at(claim));
    }
    return entry->second;
  }

  const Pickle &pickle_;
  const AssemblyOptions &options_;
  StorageClaims claims_;
  Rebuilder rebuilder_;
  TensorWalk walk_;
  std::vector<const Rebuilt *> rebuilt_; // of each found tensor
  std::vector<uint64_t> bytes_;          // of each found tensor
  std::map<std::string, NodeId> names_;
  std::map<size_t, size_t> used_;
  Assembly assembly_;
};

} // namespace

Result<Assembly> assemble(const Pickle &pickle, StorageClaims claims,
                          const AssemblyOptions &options) {
  return Assembler(pickle, std::move(claims), options).assemble();
}

Result<void> require_tensors(const Checkpoint &checkpoint) {
  if (!checkpoint.tensors.empty()) {
    return {};
  }
  const auto dangerous =
      std::find_if(checkpoint.globals.begin(), checkpoint.globals.end(),
                   [](const Global &global) { return global.danger == Danger::kDangerous; });
  std::string found = "Expected a checkpoint with tensors, found none";
  if (dangerous != checkpoint.globals.end()) {
    found += concat("; the file would call ", dangerous->module, ".", dangerous->name,
                    " where it is loaded by Python (nothing of it was run here)");
  } else if (!checkpoint.left_out.empty()) {
    const LeftOut &first = checkpoint.left_out.front();
    found += concat(" that can be read; \"", first.name, "\" is ", first.reason);
  }
  return Error{ErrorCode::kUnsupportedFormat,
               found + ".",
               "Save the state dict of the model: torch.save(model.state_dict(), path).",
               {},
               {}};
}

} // namespace monoquant::torch
