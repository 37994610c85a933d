// Quantized tensors: _rebuild_qtensor(storage, offset, size, stride, (scheme, scale, zero point[, axis]), …).
#include <cstring>

#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"
#include "monoquant/base/text.h"
#include "monoquant/torch/persistent_id.h"
#include "monoquant/torch/rebuild.h"

namespace monoquant::torch {
namespace {

/// A number of either kind as the eight bytes of an F64 (scales) or an I64 (zero points).
std::optional<uint64_t> number_bits(const Pickle &pickle, NodeId node, bool as_float) {
  const NodeKind kind = pickle.kind(node);
  if (as_float) {
    if (kind != NodeKind::kFloat && kind != NodeKind::kInt) {
      return std::nullopt;
    }
    const double value =
        kind == NodeKind::kFloat ? pickle.real(node) : static_cast<double>(pickle.integer(node));
    return std::bit_cast<uint64_t>(value);
  }
  return kind == NodeKind::kInt ? std::optional(static_cast<uint64_t>(pickle.integer(node)))
                                : std::nullopt;
}

/// Four bits or two an element, flat over the whole tensor: as many bytes as hold them.
bool flatten_packed(PlainTensor &codes, uint32_t per_byte) {
  uint64_t elements = 1;
  for (size_t i = codes.shape.size(); i-- > 0;) {
    if (codes.shape[i] != 1 && codes.strides[i] != elements) {
      return false;
    }
    elements *= codes.shape[i]; // the product was checked
  }
  if (codes.first % per_byte != 0) {
    return false;
  }
  codes.first /= per_byte;
  codes.shape = {divide_up(elements, per_byte)};
  codes.strides = {1};
  codes.bytes = codes.shape[0];
  return true;
}

} // namespace

/// Scales or zero points of a quantized tensor. For one value a tensor: [1]. For one a channel: the rank of
/// the codes, with ones everywhere but on the axis, so that (codes - zero_point) * scale broadcasts.
Result<PlainTensor> Rebuilder::parameter_tensor(NodeId node, std::span<const uint64_t> shape,
                                                uint64_t axis, bool is_scale,
                                                const std::string &name) {
  const bool per_channel = axis < shape.size();
  PlainTensor values;
  if (is_tensor(node)) {
    auto stored = make(node, name);
    if (!stored) {
      return stored.error();
    }
    values = std::move(stored.value().tensor);
    if (!stored.value().unreadable.empty() || values.shape.size() != 1) {
      return malformed_checkpoint(
          concat("the quantization parameters of tensor \"", name, "\" are no 1-D tensor"), name);
    }
  } else {
    const bool is_list =
        pickle_.kind(node) == NodeKind::kList || pickle_.kind(node) == NodeKind::kTuple;
    const auto numbers = is_list ? pickle_.children(node) : std::span<const NodeId>(&node, 1);
    std::vector<uint8_t> bytes(numbers.size() * 8);
    for (size_t i = 0; i < numbers.size(); ++i) {
      const auto bits = number_bits(pickle_, numbers[i], is_scale);
      if (!bits) {
        return malformed_checkpoint(
            concat("the quantization parameters of tensor \"", name, "\" are no numbers"), name);
      }
      store_le(bytes.data() + i * 8, *bits);
    }
    values.dtype = is_scale ? Dtype::kF64 : Dtype::kI64;
    values.shape = {numbers.size()};
    values.strides = {1};
    values.bytes = bytes.size();
    auto claim = claims_.claim_literal(std::move(bytes));
    if (!claim) {
      return claim.error();
    }
    values.claim = claim.value();
  }
  if (values.shape[0] != (per_channel ? shape[static_cast<size_t>(axis)] : 1)) {
    return malformed_checkpoint(concat("tensor \"", name, "\" of shape ", shape_text(shape),
                                       " has ", values.shape[0], " quantization parameters"),
                                name);
  }
  if (per_channel) {
    const uint64_t stride = values.strides[0];
    values.strides.assign(shape.size(), 1);
    values.strides[static_cast<size_t>(axis)] = stride;
    const uint64_t channels = values.shape[0];
    values.shape.assign(shape.size(), 1);
    values.shape[static_cast<size_t>(axis)] = channels;
  }
  return values;
}

Result<Rebuilt> Rebuilder::make_quantized(const RebuildCall &call, const std::string &name) {
  const auto arguments = call.arguments;
  const auto parameters = arguments.size() > 4 && pickle_.kind(arguments[4]) == NodeKind::kTuple
                              ? pickle_.children(arguments[4])
                              : std::span<const NodeId>();
  if (parameters.size() < 3 || pickle_.kind(parameters[0]) != NodeKind::kGlobal) {
    return malformed_checkpoint(
        concat("quantized tensor \"", name, "\" does not say how it is quantized"), name);
  }
  const std::string_view scheme = pickle_.global_name(parameters[0]);
  const bool per_channel =
      scheme == "per_channel_affine" || scheme == "per_channel_affine_float_qparams";
  if (!per_channel && scheme != "per_tensor_affine") {
    return Rebuilt{{}, {}, {}, concat("a tensor quantized by the scheme ", scheme), 0};
  }
  if (!is_storage_reference(pickle_, arguments[0])) {
    return Rebuilt{{}, {}, {}, "a tensor whose storage is not in the file", 0};
  }
  auto reference = read_storage_reference(pickle_, arguments[0]);
  if (!reference) {
    return reference.error();
  }
  // For the types narrower than a byte sizes count elements, and the storage counts bytes.
  const ElementType type = reference.value().type;
  auto made = make_plain(call, name);
  if (!made || !made.value().unreadable.empty()) {
    return made;
  }
  Rebuilt rebuilt = std::move(made.value());
  const std::vector<uint64_t> shape = rebuilt.tensor.shape;
  uint64_t axis = shape.size(); // none
  if (per_channel) {
    if (parameters.size() < 4 || pickle_.kind(parameters[3]) != NodeKind::kInt ||
        pickle_.integer(parameters[3]) < 0 ||
        static_cast<uint64_t>(pickle_.integer(parameters[3])) >= shape.size()) {
      return malformed_checkpoint(
          concat("quantized tensor \"", name, "\" has scales for an axis that it does not have"),
          name);
    }
    axis = static_cast<uint64_t>(pickle_.integer(parameters[3]));
  }
  auto scale = parameter_tensor(parameters[1], shape, axis, true, name);
  if (!scale) {
    return scale.error();
  }
  auto zero_point = parameter_tensor(parameters[2], shape, axis, false, name);
  if (!zero_point) {
    return zero_point.error();
  }
  if (type.per_byte > 1 && !flatten_packed(rebuilt.tensor, type.per_byte)) {
    rebuilt.unreadable = "a tensor of packed codes that are not side by side";
  }
  rebuilt.scale = std::move(scale.value());
  rebuilt.zero_point = std::move(zero_point.value());
  rebuilt.bytes = rebuilt.tensor.bytes + rebuilt.scale->bytes + rebuilt.zero_point->bytes;
  return rebuilt;
}

} // namespace monoquant::torch
