// Zip archives made by hand, right ones and wrong ones.
// It exists because tests of the reader must not trust the writer, and need archives that it never writes.
// What is not said is filled in as a well-behaved tool would.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "monoquant/base/result.h"
#include "monoquant/container/zip.h"

namespace monoquant::test {

using Bytes = std::vector<uint8_t>;

Bytes bytes_from_hex(std::string_view hex);
Bytes bytes_from_text(std::string_view text);

struct ZipEntry {
  std::string name;
  Bytes stored; // as it lies in the file
  uint16_t method = 0;
  uint64_t bytes = 0; // inflated; taken from `stored` where the method is 0
  uint32_t crc32 = 0;
  uint16_t flags = 0;
  uint16_t disk = 0;
  Bytes local_extra;
  Bytes central_extra;
  std::string comment;
  bool streamed = false; // sizes behind the data, in a descriptor
  bool zip64 = false;    // sizes and offset in a zip64 field
  std::optional<std::string> local_name;
  std::optional<uint64_t> header_offset; // where the directory says that it is
};

struct ZipShape {
  bool zip64_end = false;
  std::string comment;
  Bytes before_directory;
  Bytes before_end;
  std::optional<uint64_t> members; // that the end record counts
};

Bytes make_zip(const std::vector<ZipEntry> &entries, const ZipShape &shape = {});
/// An entry with the right checksum.
ZipEntry stored_entry(std::string name, Bytes content);

/// 100,000 zeros, deflated by zlib to 114 bytes.
ZipEntry deflated_zeros();
/// Three members that a checkpoint could have: stored, streamed and deflated.
Bytes sample_zip(bool zip64);

/// Little-endian number at an offset, of the type named.
template <typename T> void patch(Bytes &file, size_t offset, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) {
    file.at(offset + i) = static_cast<uint8_t>(static_cast<uint64_t>(value) >> (8 * i));
  }
}

/// The directory of an archive and the content of one of its members, read from memory.
Result<container::ZipDirectory> read_directory(const Bytes &file);
Result<container::ZipContent> read_member(const Bytes &file, const container::ZipMember &member,
                                          uint64_t max_bytes = 1 << 20);

} // namespace monoquant::test
