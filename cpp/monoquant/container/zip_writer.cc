#include "monoquant/container/zip_writer.h"

#include <algorithm>
#include <cstring>

#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"
#include "monoquant/container/zip.h"
#include "monoquant/container/zip_records.h"

namespace monoquant::container {
namespace {

using namespace zip;

constexpr uint64_t kMaxFileBytes = (uint64_t{1} << 53U) - 1; // what JavaScript counts exactly
constexpr uint16_t kVersionStored = 10;                      // 1.0
constexpr uint16_t kVersionZip64 = 45;                       // 4.5
constexpr uint16_t kNamesAreUtf8 = 0x0800;
constexpr uint16_t kFirstDay =
    0x0021; // 1980-01-01; a time of writing would make every file another one

/// Both sizes, whether or not both are too large: a local header must have both (APPNOTE 4.5.3).
constexpr size_t kLocalZip64Bytes = kExtraHeaderBytes + 16;

bool is_large(uint64_t number) { return number >= kSaturated32; }

uint32_t saturate32(uint64_t number) {
  return static_cast<uint32_t>(std::min<uint64_t>(number, kSaturated32));
}

uint16_t saturate16(uint64_t number) {
  return static_cast<uint16_t>(std::min<uint64_t>(number, kSaturated16));
}

size_t local_bytes(const ZipRecord &record) {
  return LocalHeader::kBytes + record.name.size() +
         (is_large(record.bytes) ? kLocalZip64Bytes : 0) + kExtraHeaderBytes;
}

size_t central_extra_bytes(const ZipRecord &record) {
  const size_t numbers =
      (is_large(record.bytes) ? 2U : 0U) + (is_large(record.header_offset) ? 1U : 0U);
  return numbers == 0 ? 0 : kExtraHeaderBytes + numbers * sizeof(uint64_t);
}

void put_extra(uint8_t *to, uint16_t id, size_t length) {
  store_le<uint16_t>(to, id);
  store_le<uint16_t>(to + 2, static_cast<uint16_t>(length));
}

uint16_t version_of(const ZipRecord &record) {
  return is_large(record.bytes) || is_large(record.header_offset) ? kVersionZip64 : kVersionStored;
}

uint8_t *put_central(uint8_t *to, const ZipRecord &record, uint32_t crc32) {
  const size_t extra = central_extra_bytes(record);
  store_le<uint32_t>(to, CentralHeader::kSignature);
  store_le<uint16_t>(to + CentralHeader::kMadeBy, version_of(record));
  store_le<uint16_t>(to + CentralHeader::kVersion, version_of(record));
  store_le<uint16_t>(to + CentralHeader::kFlags, kNamesAreUtf8);
  store_le<uint16_t>(to + CentralHeader::kDate, kFirstDay);
  store_le<uint32_t>(to + CentralHeader::kCrc, crc32);
  store_le<uint32_t>(to + CentralHeader::kStoredBytes, saturate32(record.bytes));
  store_le<uint32_t>(to + CentralHeader::kPlainBytes, saturate32(record.bytes));
  store_le<uint16_t>(to + CentralHeader::kNameLength, static_cast<uint16_t>(record.name.size()));
  store_le<uint16_t>(to + CentralHeader::kExtraLength, static_cast<uint16_t>(extra));
  store_le<uint32_t>(to + CentralHeader::kHeaderOffset, saturate32(record.header_offset));
  to = std::copy(record.name.begin(), record.name.end(), to + CentralHeader::kBytes);
  if (extra != 0) {
    put_extra(to, kZip64Extra, extra - kExtraHeaderBytes);
    uint8_t *number = to + kExtraHeaderBytes;
    if (is_large(record.bytes)) {
      store_le<uint64_t>(number, record.bytes);
      store_le<uint64_t>(number + 8, record.bytes);
      number += 16;
    }
    if (is_large(record.header_offset)) {
      store_le<uint64_t>(number, record.header_offset);
    }
  }
  return to + extra;
}

void put_ends(uint8_t *to, uint64_t members, uint64_t directory_offset, uint64_t directory_bytes) {
  store_le<uint32_t>(to, Zip64End::kSignature);
  store_le<uint64_t>(to + Zip64End::kSize, Zip64End::kBytes - Zip64End::kSizeExcluded);
  store_le<uint16_t>(to + Zip64End::kMadeBy, kVersionZip64);
  store_le<uint16_t>(to + Zip64End::kVersion, kVersionZip64);
  store_le<uint64_t>(to + Zip64End::kMembersHere, members);
  store_le<uint64_t>(to + Zip64End::kMembers, members);
  store_le<uint64_t>(to + Zip64End::kDirectoryBytes, directory_bytes);
  store_le<uint64_t>(to + Zip64End::kDirectoryOffset, directory_offset);
  to += Zip64End::kBytes;
  store_le<uint32_t>(to, Zip64Locator::kSignature);
  store_le<uint64_t>(to + Zip64Locator::kEndOffset, directory_offset + directory_bytes);
  store_le<uint32_t>(to + Zip64Locator::kDisks, 1);
  to += Zip64Locator::kBytes;
  store_le<uint32_t>(to, End::kSignature);
  store_le<uint16_t>(to + End::kMembersHere, saturate16(members));
  store_le<uint16_t>(to + End::kMembers, saturate16(members));
  store_le<uint32_t>(to + End::kDirectoryBytes, saturate32(directory_bytes));
  store_le<uint32_t>(to + End::kDirectoryOffset, saturate32(directory_offset));
}

constexpr size_t kEndsBytes = Zip64End::kBytes + Zip64Locator::kBytes + End::kBytes;

Error too_large(const std::string &found) {
  return Error{ErrorCode::kLimitExceeded,
               concat("Expected an output that fits a zip archive, found ", found, "."),
               "Write safetensors instead, or split the checkpoint into several files.",
               {},
               {}};
}

} // namespace

Result<ZipLayout> layout_zip(std::span<ZipRecord> records) {
  if (records.size() > kMaxZipMembers) {
    return too_large(concat(records.size(), " records (", kMaxZipMembers, " are allowed)"));
  }
  uint64_t position = 0;
  uint64_t directory_bytes = 0;
  for (ZipRecord &record : records) {
    if (record.name.size() > kSaturated16) {
      return too_large(
          concat("a name of ", record.name.size(), " bytes (", kSaturated16, " are allowed)"));
    }
    record.header_offset = position;
    record.offset = divide_up(position + local_bytes(record), kZipAlignment) * kZipAlignment;
    directory_bytes += CentralHeader::kBytes + record.name.size() + central_extra_bytes(record);
    if (record.bytes > kMaxFileBytes || record.offset + record.bytes > kMaxFileBytes) {
      return too_large(concat("one of more than ", kMaxFileBytes, " bytes"));
    }
    position = record.offset + record.bytes;
  }
  if (directory_bytes > kMaxDirectoryBytes) {
    return too_large(concat("a directory of ", directory_bytes, " bytes, most of it names (",
                            kMaxDirectoryBytes, " are allowed)"));
  }
  const ZipLayout layout{position, position + directory_bytes + kEndsBytes};
  if (layout.file_bytes > kMaxFileBytes) {
    return too_large(concat("one of more than ", kMaxFileBytes, " bytes"));
  }
  return layout;
}

std::vector<uint8_t> zip_local_header(const ZipRecord &record, uint32_t crc32) {
  std::vector<uint8_t> header(static_cast<size_t>(record.offset - record.header_offset));
  const size_t extra = header.size() - LocalHeader::kBytes - record.name.size();
  uint8_t *to = header.data();
  store_le<uint32_t>(to, LocalHeader::kSignature);
  store_le<uint16_t>(to + LocalHeader::kVersion,
                     is_large(record.bytes) ? kVersionZip64 : kVersionStored);
  store_le<uint16_t>(to + LocalHeader::kFlags, kNamesAreUtf8);
  store_le<uint16_t>(to + LocalHeader::kDate, kFirstDay);
  store_le<uint32_t>(to + LocalHeader::kCrc, crc32);
  store_le<uint32_t>(to + LocalHeader::kStoredBytes, saturate32(record.bytes));
  store_le<uint32_t>(to + LocalHeader::kPlainBytes, saturate32(record.bytes));
  store_le<uint16_t>(to + LocalHeader::kNameLength, static_cast<uint16_t>(record.name.size()));
  store_le<uint16_t>(to + LocalHeader::kExtraLength, static_cast<uint16_t>(extra));
  to = std::copy(record.name.begin(), record.name.end(), to + LocalHeader::kBytes);
  size_t left = extra;
  if (is_large(record.bytes)) {
    put_extra(to, kZip64Extra, kLocalZip64Bytes - kExtraHeaderBytes);
    store_le<uint64_t>(to + kExtraHeaderBytes, record.bytes);
    store_le<uint64_t>(to + kExtraHeaderBytes + 8, record.bytes);
    to += kLocalZip64Bytes;
    left -= kLocalZip64Bytes;
  }
  put_extra(to, kPaddingExtra, left - kExtraHeaderBytes);
  std::memset(to + kExtraHeaderBytes, 'Z', left - kExtraHeaderBytes);
  return header;
}

std::vector<uint8_t> zip_directory(std::span<const ZipRecord> records,
                                   std::span<const uint32_t> crc32s, const ZipLayout &layout) {
  std::vector<uint8_t> directory(static_cast<size_t>(layout.file_bytes - layout.directory_offset));
  uint8_t *to = directory.data();
  for (size_t i = 0; i < records.size(); ++i) {
    to = put_central(to, records[i], crc32s[i]);
  }
  put_ends(to, records.size(), layout.directory_offset,
           static_cast<uint64_t>(to - directory.data()));
  return directory;
}

} // namespace monoquant::container
