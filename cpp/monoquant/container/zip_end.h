// Where a zip archive's directory is, from the records at the end of the file.
// It stands apart because there are two kinds of them (plain and zip64), which must not contradict each other.
// The directory ends where the end records begin: nothing hides between or in front.
#pragma once

#include <cstdint>

#include "monoquant/base/byte_window.h"
#include "monoquant/base/result.h"

namespace monoquant::container::zip {

struct DirectoryPlace {
  uint64_t members = 0;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  uint64_t end = 0; // offset + bytes: where the end records begin
};

/// Errors: kMalformedFile, kFileTruncated (no end record).
Result<Parsed<DirectoryPlace>> read_end(const ByteWindow &window);

} // namespace monoquant::container::zip
