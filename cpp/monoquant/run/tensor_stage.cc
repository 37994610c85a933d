#include "monoquant/run/tensor_stage.h"

#include <algorithm>

namespace monoquant::run {
namespace {

catalog::Catalog with_only(const catalog::Catalog &file, size_t tensor) {
  catalog::Catalog only;
  only.file_bytes = file.file_bytes;
  only.tensors = {file.tensors[tensor]};
  return only;
}

} // namespace

TensorStage::TensorStage(const catalog::Catalog &file, size_t tensor, size_t block_bytes)
    : Stage(1, block_bytes, std::max(file.file_bytes, file.tensors[tensor].bytes)),
      file_(with_only(file, tensor)), reader_(file_, this->block_bytes(), 0) {}

std::optional<ByteRange> TensorStage::next(size_t /*slot*/) {
  if (length_ == 0) { // what was handed out is written by now
    if (end_ == only().elements) {
      return std::nullopt;
    }
    const uint64_t begin = end_;
    end_ = std::min(only().elements, begin + kPartElements);
    reader_.begin(only(), begin, end_);
  }
  const ByteRange read = reader_.next().value_or(ByteRange{});
  length_ = read.length;
  return read;
}

Result<void> TensorStage::process(size_t slot) {
  writes_.clear();
  if (length_ > 0) {
    return reader_.fill(input(slot).first(length_));
  }
  writes_.push_back({done_bytes(), reader_.bytes()});
  add_done(reader_.bytes().size());
  return {};
}

} // namespace monoquant::run
