#include "support/view_file.h"

#include <algorithm>
#include <numeric>

#include "monoquant/base/bytes.h"
#include "support/sample_tensors.h"

namespace monoquant::test {
namespace {

bool is_complex(Dtype dtype) {
  return dtype == Dtype::kC32 || dtype == Dtype::kC64 || dtype == Dtype::kC128;
}

void append_bytes(Bytes &to, const Bytes &from) { to.insert(to.end(), from.begin(), from.end()); }

/// The numbers of a tensor as they are stored: complex ones are two.
Bytes stored_numbers(const FileTensor &tensor, const Storing &how) {
  const size_t width = dtype_bits(tensor.dtype) / 8 / (is_complex(tensor.dtype) ? 2 : 1);
  Bytes bytes = tensor.bytes;
  for (size_t number = 0; number < bytes.size() / width; ++number) {
    uint8_t *at = bytes.data() + number * width;
    const bool imaginary = is_complex(tensor.dtype) && number % 2 == 1;
    if (how.negative != (how.conjugate && imaginary)) {
      at[width - 1] = static_cast<uint8_t>(at[width - 1] ^ 0x80U);
    }
    if (how.big_endian) {
      std::reverse(at, at + width);
    }
  }
  return bytes;
}

/// Strides of the dimensions in some other order, each with room for elements of somebody else.
std::vector<uint64_t> gapped_strides(Random &random, const std::vector<uint64_t> &shape) {
  std::vector<size_t> order(shape.size());
  std::iota(order.begin(), order.end(), size_t{0});
  for (size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[random.index(i)]);
  }
  std::vector<uint64_t> strides(shape.size(), 1);
  uint64_t stride = 1 + random.below(2);
  for (const size_t i : order) {
    strides[i] = stride;
    stride = stride * shape[i] + random.below(3);
  }
  return strides;
}

std::vector<uint64_t> plain_strides(const std::vector<uint64_t> &shape) {
  std::vector<uint64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) {
    strides[i - 1] = strides[i] * shape[i];
  }
  return strides;
}

/// The storage: the tensor's elements where the strides say, random ones elsewhere.
Bytes scatter(Random &random, const Bytes &elements, const std::vector<uint64_t> &shape,
              const catalog::View &view, size_t width) {
  uint64_t last = view.first;
  for (size_t i = 0; i < shape.size(); ++i) {
    last += (shape[i] - 1) * view.strides[i];
  }
  Bytes storage(static_cast<size_t>(last + 1 + random.below(3)) * width);
  for (uint8_t &byte : storage) {
    byte = static_cast<uint8_t>(random.bits());
  }
  for (size_t element = 0; element < elements.size() / width; ++element) {
    uint64_t at = view.first;
    uint64_t left = element;
    for (size_t i = shape.size(); i-- > 0;) {
      at += left % shape[i] * view.strides[i];
      left /= shape[i];
    }
    std::copy_n(elements.data() + element * width, width, storage.data() + at * width);
  }
  return storage;
}

} // namespace

void ViewFile::append(const Bytes &stored) {
  append_bytes(bytes_, stored);
  bytes_.push_back(0xEE); // nobody's
}

void ViewFile::add_plain(const FileTensor &tensor) {
  catalog::Tensor entry{tensor.name,   tensor.dtype,
                        tensor.shape,  element_count(tensor.shape),
                        bytes_.size(), tensor.bytes.size()};
  if (!tensor.bytes.empty()) {
    entry.crc32 = reference_crc32(tensor.bytes);
  }
  tensors_.push_back(std::move(entry));
  append(tensor.bytes);
}

void ViewFile::add(const FileTensor &tensor, const Storing &how) {
  const size_t width = dtype_bits(tensor.dtype) / 8;
  catalog::View view;
  view.big_endian = how.big_endian;
  view.negative = how.negative;
  view.conjugate = how.conjugate;
  view.deflated = how.deflated;
  view.first = how.strided ? random_.below(5) : 0;
  view.strides = how.strided ? gapped_strides(random_, tensor.shape) : plain_strides(tensor.shape);
  const Bytes numbers = stored_numbers(tensor, how);
  const Bytes content =
      how.strided ? scatter(random_, numbers, tensor.shape, view, width) : numbers;
  view.storage_bytes = content.size();
  view.crc32 = reference_crc32(content);
  Bytes stored;
  if (how.literal) {
    view.literal = content;
  } else {
    stored = how.deflated ? deflate_stored(random_, content) : content;
  }
  add_view(tensor, stored, std::move(view));
}

void ViewFile::add_view(const FileTensor &tensor, const Bytes &stored, catalog::View view) {
  view.stored_bytes = stored.size();
  catalog::Tensor entry{tensor.name,   tensor.dtype,
                        tensor.shape,  element_count(tensor.shape),
                        bytes_.size(), tensor.bytes.size()};
  entry.view = std::make_shared<const catalog::View>(std::move(view));
  tensors_.push_back(std::move(entry));
  append(stored);
}

catalog::Catalog ViewFile::catalog() const {
  catalog::Catalog catalog;
  catalog.file_bytes = bytes_.size();
  catalog.tensors = tensors_;
  catalog::classify(catalog.tensors);
  return catalog;
}

// RFC 1951, 3.2.4: three bits of header, to the next byte; the length twice, the second time inverted; bytes.
Bytes deflate_stored(Random &random, const Bytes &content) {
  Bytes stream;
  size_t at = 0;
  do {
    const size_t most = random.chance(3) ? random.index(65536) : random.index(300);
    const size_t length = std::min(content.size() - at, most);
    const bool last = at + length == content.size();
    stream.push_back(last ? 1 : 0);
    for (const size_t number : {length, length ^ 0xFFFFU}) {
      stream.push_back(static_cast<uint8_t>(number));
      stream.push_back(static_cast<uint8_t>(number >> 8U));
    }
    const auto begin = content.begin() + static_cast<std::ptrdiff_t>(at);
    stream.insert(stream.end(), begin, begin + static_cast<std::ptrdiff_t>(length));
    at += length;
  } while (at < content.size());
  return stream;
}

uint32_t reference_crc32(const Bytes &bytes) {
  uint32_t crc = 0xFFFFFFFFU;
  for (const uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? 0xEDB88320U : 0U);
    }
  }
  return ~crc;
}

} // namespace monoquant::test
