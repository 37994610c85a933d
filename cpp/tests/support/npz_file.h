// NumPy's archives made by hand, right ones and wrong ones.
// It exists because the readers must take every version and layout that NumPy has ever written, and refuse the rest.
// What is not said is as numpy.savez writes it today.
#pragma once

#include <string>
#include <vector>

#include "support/random.h"
#include "support/tensor_file.h"
#include "support/zip_file.h"

namespace monoquant::test {

struct NpyShape {
  std::string descr = "<f4";
  bool fortran_order = false;
  std::string shape; // "(2, 3)"
  uint8_t version = 1;
  size_t alignment = 64; // of the data
};

/// An .npy file with this header.
Bytes make_npy(const NpyShape &shape, const Bytes &data);
/// An .npy file whose header is this text.
Bytes npy_with_header(const std::string &header, const Bytes &data, uint8_t version = 1);

/// How an array is stored in an archive.
struct NpzStoring {
  bool fortran_order = false;
  bool big_endian = false;
  bool deflated = false;
};

/// The tensor as a member of an archive.
ZipEntry npz_entry(const FileTensor &tensor, const NpzStoring &how, Random &random);

} // namespace monoquant::test
