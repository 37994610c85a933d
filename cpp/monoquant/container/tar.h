// The tar container, as far as the first releases of PyTorch used it.
// It exists for reading only; nobody writes these any more.
// Every member lies inside the file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "monoquant/base/byte_window.h"
#include "monoquant/base/result.h"

namespace monoquant::container {

struct TarMember {
  std::string name;    // without "./" in front; unique
  uint64_t offset = 0; // of its data in the file
  uint64_t bytes = 0;
};

inline constexpr size_t kMaxTarMembers = 1000;

/// True where the first 512 bytes are a tar header with a right checksum.
bool looks_like_tar(std::span<const uint8_t> head);

/// Reads the headers (ustar and its GNU and PAX relatives; only regular files are listed).
/// Errors: kMalformedFile, kFileTruncated, kLimitExceeded.
Result<Parsed<std::vector<TarMember>>> read_tar(const ByteWindow &window);

} // namespace monoquant::container
