// The other half of zip.h: an archive of stored records at places that are known before their bytes are.
// It exists because records are written by many hands at once; only their checksums have to be waited for.
// Data begin at multiples of 64, as torch.save has it; sizes from 4 GiB on use zip64.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "monoquant/base/result.h"

namespace monoquant::container {

inline constexpr uint64_t kZipAlignment = 64;

struct ZipRecord {
  std::string name;
  uint64_t bytes = 0;
  // Filled in by `layout_zip`:
  uint64_t header_offset =
      0;               // of its local header in the file: where the record in front of it ends
  uint64_t offset = 0; // of its data
};

struct ZipLayout {
  uint64_t directory_offset = 0;
  uint64_t file_bytes = 0;
};

/// Assigns offsets, in the order of the records, whose names must be unique. What it allows,
/// `read_zip_directory` reads. Errors: kLimitExceeded (a name over 65535 bytes, all names together over 64 MiB,
/// a file over 2^53 - 1 bytes, more records than kMaxZipMembers).
Result<ZipLayout> layout_zip(std::span<ZipRecord> records);

/// What stands in front of a record's data, padding included: from `header_offset` to `offset`.
std::vector<uint8_t> zip_local_header(const ZipRecord &record, uint32_t crc32);

/// What stands behind the last record: central directory, zip64 end record and locator (always, as torch.save
/// has it), end record. One checksum a record.
std::vector<uint8_t> zip_directory(std::span<const ZipRecord> records,
                                   std::span<const uint32_t> crc32s, const ZipLayout &layout);

} // namespace monoquant::container
