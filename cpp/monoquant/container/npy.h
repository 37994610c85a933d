// The header of NumPy's .npy files: what the elements are, and their shape.
// It exists because an .npz archive is a zip of such files, and nothing else in it says what its members hold.
// A header is a Python literal; it is read by its own small grammar and never evaluated.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "monoquant/base/dtype.h"
#include "monoquant/base/result.h"

namespace monoquant::container {

//  0       6        8 (v1: 2, v2 and v3: 4 bytes)    header                        data
//  +-------+--------+---------------+--------------------------------+-------------------+
//  | magic | 1 0    | header length | {'descr': '<f4', 'fortran_…',} | shape's product   |
//  +-------+--------+---------------+--------------------------------+-------------------+
//  Source: NumPy's documentation of numpy.lib.format. NumPy pads the header so that data begin at a multiple of 64
//  (before 1.14: 16).

/// No header of a plain array is longer, and NumPy itself evaluates none of more than 10,000 bytes.
inline constexpr size_t kMaxNpyHeader = 4096;
inline constexpr size_t kMaxNpyDimensions = 64; // NumPy's own limit

struct NpyHeader {
  Dtype dtype = Dtype::kF32;
  bool big_endian = false;
  bool fortran_order = false; // the first dimension runs fastest
  std::vector<uint64_t> shape;
  uint64_t data_offset = 0; // of the first element, in the file
};

/// `head`: the beginning of the file, kMaxNpyHeader bytes of it or all there are; `name` is for messages.
/// Errors: kMalformedFile; kUnsupportedFormat (objects, records, types that no tensor has); kLimitExceeded.
Result<NpyHeader> read_npy_header(std::span<const uint8_t> head, std::string_view name);

} // namespace monoquant::container
