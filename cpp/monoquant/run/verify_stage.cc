#include "monoquant/run/verify_stage.h"

#include <algorithm>
#include <map>

#include "monoquant/base/sort.h"
#include "monoquant/base/text.h"

namespace monoquant::run {
namespace {

/// `begin`: of its file in the output.
bool is_as_planned(const catalog::Tensor &found, const plan::Output &expected, uint64_t begin) {
  const bool is_in_blocks = found.codes && found.codes->value_blocks;
  const std::string_view type =
      is_in_blocks ? found.codes->value_blocks->name : dtype_name(found.dtype);
  // A row of one is how GGUF has a single number.
  const bool is_number = expected.shape.empty() && found.shape == std::vector<uint64_t>{1};
  return type == expected.type_name() && (found.shape == expected.shape || is_number) &&
         begin + found.offset == expected.offset;
}

} // namespace

std::optional<Error> compare_structure(const plan::Plan &plan, size_t file,
                                       const catalog::Catalog &output) {
  const uint64_t begin = plan.files[file].begin;
  const uint64_t bytes = plan.files[file].bytes;
  std::map<std::string_view, const catalog::Tensor *> found;
  for (const catalog::Tensor &tensor : output.tensors) {
    found.emplace(tensor.name, &tensor);
  }
  size_t planned = 0;
  std::optional<Error> differs;
  const auto check = [&](const plan::Output &expected) {
    if (plan::file_of(plan, expected) != file) {
      return;
    }
    ++planned;
    const auto tensor = found.find(expected.name);
    if (!differs && (tensor == found.end() || !is_as_planned(*tensor->second, expected, begin))) {
      differs = output_differs(concat("tensor ", expected.name, " is not there as planned."),
                               expected.name, expected.offset);
    }
  };
  for (const plan::TensorPlan &entry : plan.tensors) {
    for (const plan::Output &expected : plan::outputs(plan, entry.source)) {
      check(expected);
    }
  }
  std::for_each(plan.added.begin(), plan.added.end(), check);
  if (differs) {
    return differs;
  }
  if (planned != output.tensors.size() || output.file_bytes != bytes) {
    return output_differs(concat("expected ", planned, " tensors in ", bytes, " bytes, found ",
                                 output.tensors.size(), " in ", output.file_bytes, "."),
                          {}, begin);
  }
  return std::nullopt;
}

VerifyStage::VerifyStage(const EncodeStage &encode, const catalog::Catalog &output, size_t slots,
                         size_t block_bytes)
    : VerifyStage(encode, slots, block_bytes) {
  structure_ = compare_structure(encode.plan(), 0, output);
}

VerifyStage::VerifyStage(const EncodeStage &encode, size_t slots, size_t block_bytes)
    : Stage(slots, block_bytes, encode.plan().file_bytes), read_back_(&encode.plan()),
      lengths_(this->slots()) {
  std::vector<WrittenRange> extents = encode.extents();
  std::erase_if(extents, [](const WrittenRange &e) { return e.bytes == 0 || e.is_read_back; });
  sort(extents, [](const WrittenRange &a, const WrittenRange &b) { return a.offset < b.offset; });
  read_back_.add_all(std::move(extents));
}

std::optional<ByteRange> VerifyStage::next(size_t slot) {
  const auto block = read_back_.next(block_bytes());
  if (!block) {
    return std::nullopt;
  }
  lengths_[slot] = block->length;
  return ByteRange{block->offset, block->length};
}

Result<void> VerifyStage::process(size_t slot) {
  if (structure_) {
    return *structure_;
  }
  const std::span<const uint8_t> bytes = input(slot).first(lengths_[slot]);
  add_done(bytes.size());
  read_back_.take(bytes);
  return read_back_.check();
}

} // namespace monoquant::run
