// The older files in which llama.cpp keeps mean squares of a model's inputs: imatrix.dat.
// It exists because people have them, and each takes hours to make.
// Nothing marks such a file: it is told by what its first entry looks like.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "monoquant/base/byte_window.h"
#include "monoquant/base/result.h"

namespace monoquant::container {

//  i32 entries   | i32 length | name | i32 calls | i32 values | f32 … |  …  | i32 chunks | i32 length | data set |
//                 '------------------- an entry ---------------------'
//  A value is the mean square of an input, times the calls. Source: llama.cpp's tools/imatrix, legacy format.

struct ImatrixEntry {
  std::string name;
  uint64_t calls_offset = 0; // of the I32, in the file
  uint64_t values = 0;
  uint64_t values_offset = 0;
};

struct ImatrixFile {
  std::vector<ImatrixEntry> entries;
  uint64_t chunks = 0; // of text that was read; 0 and empty if the file ends behind its entries
  std::string dataset;
};

bool looks_like_imatrix(std::span<const uint8_t> head);

/// Errors: kMalformedFile, kLimitExceeded.
Result<Parsed<ImatrixFile>> read_imatrix(const ByteWindow &window);

} // namespace monoquant::container
