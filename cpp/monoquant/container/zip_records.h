// The records that a zip archive is made of, as they lie in the file.
// It stands alone so that reader and writer count the same bytes.
// All numbers are little-endian; a 32-bit size or offset of all ones means "see the zip64 extra field".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "monoquant/base/result.h"
#include "monoquant/base/text.h"

namespace monoquant::container::zip {

inline constexpr uint32_t kSaturated32 = 0xFFFFFFFFU;
inline constexpr uint16_t kSaturated16 = 0xFFFFU;
inline constexpr uint64_t kMaxDirectoryBytes = 64ULL << 20U;

inline constexpr uint16_t kStored = 0;
inline constexpr uint16_t kDeflated = 8;

// APPNOTE 4.3.7: signature 4 | version 2 | flags 2 | method 2 | time 2 | date 2 | crc 4 | stored 4 | bytes 4 |
// name length 2 | extra length 2 | name | extra fields
struct LocalHeader {
  static constexpr uint32_t kSignature = 0x04034B50;
  static constexpr size_t kBytes = 30, kVersion = 4, kFlags = 6, kMethod = 8, kDate = 12, kCrc = 14,
                          kStoredBytes = 18, kPlainBytes = 22, kNameLength = 26, kExtraLength = 28;
};

// 4.3.12: signature 4 | made by 2 | version 2 | flags 2 | method 2 | time 2 | date 2 | crc 4 | stored 4 |
// bytes 4 | name length 2 | extra length 2 | comment length 2 | disk 2 | attributes 2, 4 | header offset 4 |
// name | extra fields | comment
struct CentralHeader {
  static constexpr uint32_t kSignature = 0x02014B50;
  static constexpr size_t kBytes = 46, kMadeBy = 4, kVersion = 6, kFlags = 8, kMethod = 10,
                          kDate = 14, kCrc = 16, kStoredBytes = 20, kPlainBytes = 24,
                          kNameLength = 28, kExtraLength = 30, kCommentLength = 32, kDisk = 34,
                          kHeaderOffset = 42;
};

// 4.3.14: signature 4 | bytes that follow 8 | made by 2 | version 2 | disk 4 | directory's disk 4 |
// members here 8 | members 8 | directory bytes 8 | directory offset 8
struct Zip64End {
  static constexpr uint32_t kSignature = 0x06064B50;
  static constexpr size_t kBytes = 56, kSize = 4, kMadeBy = 12, kVersion = 14, kDisk = 16,
                          kDirectoryDisk = 20, kMembersHere = 24, kMembers = 32,
                          kDirectoryBytes = 40, kDirectoryOffset = 48;
  static constexpr size_t kSizeExcluded = 12; // kSize counts what follows it
};

// 4.3.15: signature 4 | disk 4 | offset of the zip64 end record 8 | disks 4
struct Zip64Locator {
  static constexpr uint32_t kSignature = 0x07064B50;
  static constexpr size_t kBytes = 20, kDisk = 4, kEndOffset = 8, kDisks = 16;
};

// 4.3.16: signature 4 | disk 2 | directory's disk 2 | members here 2 | members 2 | directory bytes 4 |
// directory offset 4 | comment length 2 | comment
struct End {
  static constexpr uint32_t kSignature = 0x06054B50;
  static constexpr size_t kBytes = 22, kDisk = 4, kDirectoryDisk = 6, kMembersHere = 8,
                          kMembers = 10, kDirectoryBytes = 12, kDirectoryOffset = 16,
                          kCommentLength = 20;
};

// 4.5.1: id 2 | length 2 | data. The zip64 field holds, in this order, those of bytes 8, stored bytes 8,
// header offset 8 and disk 4 that are saturated in the header.
inline constexpr size_t kExtraHeaderBytes = 4;
inline constexpr uint16_t kZip64Extra = 0x0001;
inline constexpr uint16_t kPaddingExtra = 0x4246; // "FB": torch.save's, any bytes

/// `found` ends the sentence "Expected a zip archive, found ...".
inline Error malformed(const std::string &found, uint64_t offset) {
  return Error{ErrorCode::kMalformedFile,
               concat("Expected a zip archive, found ", found, "."),
               "Download or export the file again; `unzip -t` or `zip -FF` may say more.",
               {},
               offset};
}

} // namespace monoquant::container::zip
