#include "monoquant/run/verify_stage.h"

#include <algorithm>
#include <map>

#include "monoquant/base/sort.h"
#include "monoquant/base/text.h"

namespace monoquant::run {
namespace {

Error failed(std::string message, std::string tensor, uint64_t offset) {
  return {ErrorCode::kVerificationFailed, "The output read back differs: " + std::move(message),
          "Check the disk and run again; the input was not touched.", std::move(tensor), offset};
}

/// Every planned tensor must be in the file, where it was planned, as what it was planned.
std::optional<Error> compare_structure(const plan::Plan &plan, const catalog::Catalog &output) {
  std::map<std::string_view, const catalog::Tensor *> found;
  for (const catalog::Tensor &tensor : output.tensors) {
    found.emplace(tensor.name, &tensor);
  }
  size_t planned = 0;
  for (const plan::TensorPlan &entry : plan.tensors) {
    for (const plan::Output &expected : entry.outputs) {
      ++planned;
      const auto tensor = found.find(expected.name);
      if (tensor == found.end() || tensor->second->dtype != expected.dtype ||
          tensor->second->shape != expected.shape || tensor->second->offset != expected.offset) {
        return failed(concat("tensor ", expected.name, " is not there as planned."), expected.name,
                      expected.offset);
      }
    }
  }
  if (planned != output.tensors.size() || output.file_bytes != plan.file_bytes) {
    return failed(concat("expected ", planned, " tensors in ", plan.file_bytes, " bytes, found ",
                         output.tensors.size(), " in ", output.file_bytes, "."),
                  {}, 0);
  }
  return std::nullopt;
}

} // namespace

VerifyStage::VerifyStage(const EncodeStage &encode, const catalog::Catalog &output, size_t slots,
                         size_t block_bytes)
    : Stage(slots, block_bytes, output.file_bytes), encode_(encode),
      structure_(compare_structure(encode.plan(), output)), extents_(encode.extents()),
      blocks_(this->slots()) {
  std::erase_if(extents_, [](const Extent &extent) { return extent.bytes == 0; });
  sort(extents_, [](const Extent &a, const Extent &b) { return a.offset < b.offset; });
  for (const Extent &extent : extents_) {
    total_bytes_ += extent.bytes;
  }
}

/// Reads as far as extents follow each other without a gap.
std::optional<Read> VerifyStage::next(size_t slot) {
  if (next_extent_ == extents_.size()) {
    return std::nullopt;
  }
  Block block{std::max(next_offset_, extents_[next_extent_].offset), 0};
  uint64_t end = block.offset;
  while (next_extent_ < extents_.size() && extents_[next_extent_].offset <= end &&
         end - block.offset < block_bytes()) {
    const Extent &extent = extents_[next_extent_];
    end = std::min<uint64_t>(extent.offset + extent.bytes, block.offset + block_bytes());
    next_extent_ += end == extent.offset + extent.bytes ? 1 : 0;
  }
  next_offset_ = end;
  block.length = static_cast<size_t>(end - block.offset);
  blocks_[slot] = block;
  return Read{block.offset, block.length};
}

Result<void> VerifyStage::process(size_t slot) {
  if (structure_) {
    return *structure_;
  }
  std::span<const uint8_t> bytes = input(slot).first(blocks_[slot].length);
  add_done(bytes.size());
  while (!bytes.empty()) {
    const Extent &extent = extents_[extent_];
    const auto taken = static_cast<size_t>(std::min<uint64_t>(bytes.size(), extent.bytes - done_));
    checksum_.add(bytes.first(taken));
    bytes = bytes.subspan(taken);
    done_ += taken;
    if (done_ == extent.bytes) {
      if (checksum_.digest() != extent.digest) {
        return mismatch(extent);
      }
      checksum_.reset();
      done_ = 0;
      ++extent_;
    }
  }
  return {};
}

Error VerifyStage::mismatch(const Extent &extent) const {
  std::string name;
  if (extent.tensor != Extent::kHeader) {
    const plan::Plan &plan = encode_.plan();
    name = plan.catalog.tensors[plan.tensors[extent.tensor].source].name;
  }
  return failed(concat(extent.bytes, " bytes at ", extent.offset, " of ",
                       name.empty() ? "the header" : std::string_view(name),
                       " do not have the checksum of what was written."),
                name, extent.offset);
}

std::string_view VerifyStage::tensor() const {
  if (extent_ >= extents_.size() || extents_[extent_].tensor == Extent::kHeader) {
    return {};
  }
  const plan::Plan &plan = encode_.plan();
  return plan.catalog.tensors[plan.tensors[extents_[extent_].tensor].source].name;
}

} // namespace monoquant::run
