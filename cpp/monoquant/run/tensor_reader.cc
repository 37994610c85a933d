#include "monoquant/run/tensor_reader.h"

#include <algorithm>

#include "monoquant/quant/values.h"

namespace monoquant::run {
namespace {

uint32_t whole_element_bytes(const catalog::Tensor &tensor) {
  return std::max<uint32_t>(1, dtype_bits(tensor.dtype) / 8);
}

} // namespace

TensorReader::TensorReader(const catalog::Catalog &catalog, size_t block_bytes, uint32_t source)
    : assembler_(catalog, block_bytes), block_bytes_(block_bytes), source_(source) {
  uint64_t plain = 0;
  uint64_t elements = 0;
  for (const catalog::Tensor &tensor : catalog.tensors) {
    const uint64_t most = std::min(tensor.elements, kPartElements);
    plain = std::max(plain, tensor.is_assembled() ? 0 : most * whole_element_bytes(tensor));
    elements = std::max(elements, dtype_is_quantizable(tensor.dtype) ? most : 0);
  }
  if (!catalog.input_parameters.empty()) { // of one element each
    plain = std::max<uint64_t>(plain, 16);
    elements = std::max<uint64_t>(elements, 1);
  }
  plain_ = Buffer(static_cast<size_t>(plain));
  values_.resize(static_cast<size_t>(elements));
}

void TensorReader::begin(const catalog::Tensor &tensor, uint64_t begin, uint64_t end,
                         std::span<int8_t> steps) {
  tensor_ = &tensor;
  begin_ = begin * whole_element_bytes(tensor);
  end_ = std::min(end * whole_element_bytes(tensor),
                  tensor.bytes); // types of less than a byte have fewer
  begin_ = std::min(begin_, end_);
  position_ = begin_;
  if (tensor.is_assembled()) {
    assembler_.begin(tensor, begin_, end_, steps);
  }
}

std::optional<ByteRange> TensorReader::next() {
  std::optional<ByteRange> read;
  if (tensor_->is_assembled()) {
    read = assembler_.next();
  } else if (position_ < end_) {
    read = ByteRange{tensor_->offset + position_,
                     static_cast<size_t>(std::min<uint64_t>(end_ - position_, block_bytes_))};
  }
  if (read) {
    read->source = source_;
  }
  return read;
}

Result<void> TensorReader::fill(std::span<const uint8_t> bytes) {
  if (tensor_->is_assembled()) {
    return assembler_.fill(bytes);
  }
  std::copy(bytes.begin(), bytes.end(), plain_.data() + (position_ - begin_));
  position_ += bytes.size();
  return {};
}

std::span<const uint8_t> TensorReader::bytes() const {
  if (tensor_->is_assembled()) {
    return assembler_.bytes(begin_, end_);
  }
  return plain_.span().first(static_cast<size_t>(end_ - begin_));
}

std::span<const float> TensorReader::values() {
  return quant::decode_values(tensor_->dtype, bytes(), values_);
}

} // namespace monoquant::run
