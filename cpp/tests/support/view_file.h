// Files whose tensors are no plain runs of bytes, with the catalog that a reader would make of them.
// It exists so that putting such tensors together is tested without any of the containers that have them.
// What is stored is made by undoing, step by step, what a View says.
#pragma once

#include "monoquant/catalog/catalog.h"
#include "support/memory_host.h"
#include "support/random.h"
#include "support/tensor_file.h"

namespace monoquant::test {

/// How the bytes of a tensor are stored.
struct Storing {
  bool strided = false; // in another order, with other elements in between
  bool deflated = false;
  bool big_endian = false;
  bool negative = false;
  bool conjugate = false;
  bool literal = false; // in the catalog instead of the file
};

class ViewFile {
public:
  explicit ViewFile(uint64_t seed) : random_(seed) {}

  /// A plain run of bytes, with the CRC that its container has.
  void add_plain(const FileTensor &tensor);
  void add(const FileTensor &tensor, const Storing &how);
  /// A tensor of which only `stored` is in the file: whatever the view says that it is.
  void add_view(const FileTensor &tensor, const Bytes &stored, catalog::View view);

  [[nodiscard]] const Bytes &bytes() const { return bytes_; }
  /// With the kinds that the engine gives its tensors.
  [[nodiscard]] catalog::Catalog catalog() const;

private:
  void append(const Bytes &stored);

  Random random_;
  Bytes bytes_ = {1, 2, 3}; // something in front, so that offsets are odd
  std::vector<catalog::Tensor> tensors_;
};

/// A deflate stream that stores its content as it is, in blocks of any length.
Bytes deflate_stored(Random &random, const Bytes &content);

/// CRC-32 as zip has it, bit by bit.
uint32_t reference_crc32(const Bytes &bytes);

} // namespace monoquant::test
