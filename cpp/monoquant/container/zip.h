// The zip container: named byte runs behind a central directory.
// Reader and writer share this header so that one drawing of the layout serves both.
// The reader believes the central directory, checks it against the file, and lets no two members overlap.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "monoquant/base/byte_window.h"
#include "monoquant/base/limits.h"
#include "monoquant/base/result.h"

namespace monoquant::container {

//  +--------------+------+--------------+------+ -- +-------------------+----------+---------+------+
//  | local header | data | local header | data |    | central directory | zip64 end| locator | end  |
//  +--------------+------+--------------+------+ -- +-------------------+----------+---------+------+
//  Source: PKWARE's APPNOTE 6.3, §4.3.

/// A record a tensor, and as many beside them: code, constants, what describes the archive.
inline constexpr size_t kMaxZipMembers = 2 * kMaxTensors;

struct ZipMember {
  std::string name;
  uint16_t method = 0; // 0: stored, 8: deflated
  bool encrypted = false;
  uint32_t crc32 = 0;
  uint64_t stored_bytes = 0;
  uint64_t bytes = 0;
  uint64_t header_offset = 0; // of its local header in the file
  uint64_t end_limit = 0;     // where the next member or the directory begins
};

struct ZipDirectory {
  std::vector<ZipMember> members; // in the order of the directory; names are unique
  std::vector<uint32_t> by_name;  // indices, sorted by the names

  [[nodiscard]] const ZipMember *find(std::string_view name) const;
};

/// PyTorch looks members up without regard to case (A to Z), and takes one of those that it finds; Python's zipfile
/// takes another. Errors: kMalformedFile.
Result<void> require_names_differ_by_more_than_case(const ZipDirectory &directory);

/// True where the first bytes are those of a zip archive.
bool looks_like_zip(std::span<const uint8_t> head);

/// Reads the central directory. Errors: kMalformedFile, kFileTruncated (no end record), kLimitExceeded.
Result<Parsed<ZipDirectory>> read_zip_directory(const ByteWindow &window);

/// Where a member's data begin, from its local header; its data are inside the file and before `end_limit`.
/// Asks for nothing but local headers. Errors: kMalformedFile.
Result<Parsed<uint64_t>> find_zip_data(const ByteWindow &window, const ZipMember &member);

struct ZipContent {
  std::vector<uint8_t> bytes;
  bool crc_matches = true;
};

/// A whole member, inflated where need be. Errors: kMalformedFile, kLimitExceeded (more than `max_bytes`),
/// kUnsupportedFormat (encrypted, or another compression).
Result<Parsed<ZipContent>> read_zip_member(const ByteWindow &window, const ZipMember &member,
                                           uint64_t max_bytes);

} // namespace monoquant::container
