#include "support/npz_file.h"

#include <algorithm>
#include <cstdlib>

#include "monoquant/base/text.h"
#include "monoquant/container/deflate.h"
#include "support/view_file.h"

namespace monoquant::test {
namespace {

std::string tuple_text(const std::vector<uint64_t> &shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) {
    text += concat(i == 0 ? "" : ", ", shape[i]);
  }
  return text + (shape.size() == 1 ? ",)" : ")");
}

std::string_view type_code(Dtype dtype) {
  switch (dtype) {
  case Dtype::kF16:
    return "f2";
  case Dtype::kF32:
    return "f4";
  case Dtype::kF64:
    return "f8";
  case Dtype::kI64:
    return "i8";
  case Dtype::kU8:
    return "u1";
  case Dtype::kC64:
    return "c8";
  default:
    std::abort();
  }
}

/// Elements in the order in which the first index runs fastest.
Bytes in_fortran_order(const FileTensor &tensor, size_t width) {
  Bytes bytes(tensor.bytes.size());
  for (size_t element = 0; element * width < bytes.size(); ++element) {
    size_t left = element;
    std::vector<size_t> index(tensor.shape.size());
    for (size_t i = tensor.shape.size(); i-- > 0;) {
      index[i] = left % tensor.shape[i];
      left /= static_cast<size_t>(tensor.shape[i]);
    }
    size_t place = 0;
    for (size_t i = tensor.shape.size(); i-- > 0;) {
      place = place * static_cast<size_t>(tensor.shape[i]) + index[i];
    }
    std::copy_n(tensor.bytes.data() + element * width, width, bytes.data() + place * width);
  }
  return bytes;
}

} // namespace

Bytes npy_with_header(const std::string &header, const Bytes &data, uint8_t version) {
  Bytes file = bytes_from_hex("934e554d5059");
  file.push_back(version);
  file.push_back(0);
  for (size_t i = 0; i < (version == 1 ? 2U : 4U); ++i) {
    file.push_back(static_cast<uint8_t>(header.size() >> (8 * i)));
  }
  file.insert(file.end(), header.begin(), header.end());
  file.insert(file.end(), data.begin(), data.end());
  return file;
}

Bytes make_npy(const NpyShape &shape, const Bytes &data) {
  std::string header = concat("{'descr': '", shape.descr,
                              "', 'fortran_order': ", shape.fortran_order ? "True" : "False",
                              ", 'shape': ", shape.shape, ", }");
  const size_t before = shape.version == 1 ? 10 : 12;
  while ((before + header.size() + 1) % shape.alignment != 0) {
    header += ' ';
  }
  return npy_with_header(header + "\n", data, shape.version);
}

ZipEntry npz_entry(const FileTensor &tensor, const NpzStoring &how, Random &random) {
  const size_t width = dtype_bits(tensor.dtype) / 8;
  Bytes data = how.fortran_order ? in_fortran_order(tensor, width) : tensor.bytes;
  const size_t swapped = tensor.dtype == Dtype::kC64 ? width / 2 : width;
  for (size_t i = 0; how.big_endian && i < data.size(); i += swapped) {
    std::reverse(data.begin() + static_cast<std::ptrdiff_t>(i),
                 data.begin() + static_cast<std::ptrdiff_t>(i + swapped));
  }
  const char order = width == 1 ? '|' : how.big_endian ? '>' : '<';
  const Bytes file = make_npy({concat(std::string(1, order), type_code(tensor.dtype)),
                               how.fortran_order, tuple_text(tensor.shape)},
                              data);
  ZipEntry entry = stored_entry(tensor.name + ".npy", file);
  if (how.deflated) {
    entry.method = 8;
    entry.bytes = file.size();
    entry.stored = deflate_stored(random, file);
  }
  return entry;
}

} // namespace monoquant::test
