#include "monoquant/container/zip_end.h"

#include <algorithm>

#include "monoquant/base/bytes.h"
#include "monoquant/container/zip_records.h"

namespace monoquant::container::zip {
namespace {

using Bytes = std::span<const uint8_t>;

// An end record with the longest comment, both zip64 records and the directory of most checkpoints.
constexpr uint64_t kTail = End::kBytes + kSaturated16 + 32ULL * 1024;

struct EndRecord {
  uint64_t offset = 0;
  bool last = false; // nothing but zeros follows it and its comment
};

Error cut_off(uint64_t file_size) {
  return Error{ErrorCode::kFileTruncated,
               concat("Expected the directory of a zip archive at the end of the file, found none "
                      "in its last bytes (it has ",
                      file_size, ")."),
               "Download or copy the file again: it is incomplete.",
               {},
               file_size};
}

/// The last end record, which is the one that Python and PyTorch take. A comment that holds another one would be a
/// second archive for whoever looks from the front: an error.
Result<std::optional<EndRecord>> find_end(Bytes tail, uint64_t tail_offset) {
  std::optional<EndRecord> end;
  if (tail.size() < End::kBytes) {
    return end;
  }
  const size_t lowest = tail.size() - std::min(tail.size(), End::kBytes + kSaturated16);
  for (size_t at = tail.size() - End::kBytes + 1; at-- > lowest;) {
    if (load_le<uint32_t>(&tail[at]) != End::kSignature) {
      continue;
    }
    const size_t comment = load_le<uint16_t>(&tail[at + End::kCommentLength]);
    const size_t rest = tail.size() - at - End::kBytes;
    if (end && comment == rest) {
      return malformed(concat("two end records, at ", tail_offset + at, " and at ", end->offset,
                              ": two archives in one file"),
                       end->offset);
    }
    if (!end && comment <= rest) {
      const auto behind = tail.last(rest - comment);
      const bool padded =
          std::all_of(behind.begin(), behind.end(), [](uint8_t byte) { return byte == 0; });
      end = EndRecord{tail_offset + at, padded};
    }
  }
  return end;
}

/// Reads the zip64 end record that `locator` points to, and lets it agree with the plain one.
Result<Parsed<DirectoryPlace>> read_zip64_end(const ByteWindow &window, const uint8_t *locator,
                                              uint64_t locator_offset, DirectoryPlace plain) {
  using Step = Parsed<DirectoryPlace>;
  const auto offset = load_le<uint64_t>(locator + Zip64Locator::kEndOffset);
  if (load_le<uint32_t>(locator + Zip64Locator::kDisk) != 0 ||
      load_le<uint32_t>(locator + Zip64Locator::kDisks) > 1) {
    return malformed("one part of an archive that is split into several files", locator_offset);
  }
  if (locator_offset < Zip64End::kBytes || offset > locator_offset - Zip64End::kBytes) {
    return malformed(concat("no zip64 end record at ", offset, ", where its locator says it is"),
                     locator_offset);
  }
  const auto found = window.find(offset, Zip64End::kBytes);
  if (!found) {
    return Step(Needs{{offset, Zip64End::kBytes}});
  }
  const uint8_t *record = found->data();
  if (load_le<uint32_t>(record) != Zip64End::kSignature) {
    return malformed(concat("no zip64 end record at ", offset,
                            ", where its locator says it is (were bytes put in front?)"),
                     offset);
  }
  if (load_le<uint64_t>(record + Zip64End::kSize) !=
      locator_offset - offset - Zip64End::kSizeExcluded) {
    return malformed("a zip64 end record that does not end where its locator begins", offset);
  }
  if (load_le<uint32_t>(record + Zip64End::kDisk) != 0 ||
      load_le<uint32_t>(record + Zip64End::kDirectoryDisk) != 0) {
    return malformed("one part of an archive that is split into several files", offset);
  }
  DirectoryPlace place;
  place.members = load_le<uint64_t>(record + Zip64End::kMembers);
  place.bytes = load_le<uint64_t>(record + Zip64End::kDirectoryBytes);
  place.offset = load_le<uint64_t>(record + Zip64End::kDirectoryOffset);
  place.end = offset;
  const bool agree = (plain.members == kSaturated16 || plain.members == place.members) &&
                     (plain.bytes == kSaturated32 || plain.bytes == place.bytes) &&
                     (plain.offset == kSaturated32 || plain.offset == place.offset) &&
                     load_le<uint64_t>(record + Zip64End::kMembersHere) == place.members;
  if (!agree) {
    return malformed("two end records (plain and zip64) that contradict each other", offset);
  }
  return Step(place);
}

} // namespace

Result<Parsed<DirectoryPlace>> read_end(const ByteWindow &window) {
  using Step = Parsed<DirectoryPlace>;
  const uint64_t size = window.file_size();
  if (size < End::kBytes) {
    return cut_off(size);
  }
  const uint64_t length = std::min(size, kTail);
  const auto tail = window.find(size - length, length);
  if (!tail) {
    return Step(Needs{{size - length, length}});
  }
  auto found = find_end(*tail, size - length);
  if (!found) {
    return found.error();
  }
  const auto &end = found.value();
  if (!end) {
    return cut_off(size);
  }
  const auto at = static_cast<size_t>(end->offset - (size - length));
  const uint8_t *record = &(*tail)[at];
  const auto members = load_le<uint16_t>(record + End::kMembers);
  DirectoryPlace place{members, load_le<uint32_t>(record + End::kDirectoryOffset),
                       load_le<uint32_t>(record + End::kDirectoryBytes), end->offset};
  // 0xFFFF in an archive that has the zip64 records.
  const auto disk = load_le<uint16_t>(record + End::kDisk);
  const auto directory_disk = load_le<uint16_t>(record + End::kDirectoryDisk);
  if ((disk != 0 && disk != kSaturated16) ||
      (directory_disk != 0 && directory_disk != kSaturated16)) {
    return malformed("one part of an archive that is split into several files", end->offset);
  }
  const auto members_here = load_le<uint16_t>(record + End::kMembersHere);
  if (members_here != members) {
    return malformed(concat("an end record that counts ", members_here, " members of ", members),
                     end->offset);
  }
  if (end->offset >= Zip64Locator::kBytes) {
    const uint64_t locator_offset = end->offset - Zip64Locator::kBytes;
    const auto locator = window.find(locator_offset, Zip64Locator::kBytes);
    if (!locator) {
      return Step(Needs{{locator_offset, Zip64Locator::kBytes}});
    }
    if (load_le<uint32_t>(locator->data()) == Zip64Locator::kSignature) {
      auto zip64 = read_zip64_end(window, locator->data(), locator_offset, place);
      if (!zip64 || std::holds_alternative<Needs>(zip64.value())) {
        return !zip64 && !end->last ? cut_off(size) : zip64;
      }
      place = std::get<DirectoryPlace>(zip64.value());
    }
  }
  if (place.offset > place.end || place.bytes != place.end - place.offset) {
    if (!end->last) {
      return cut_off(size); // the end of an archive inside this one
    }
    return malformed(concat("a directory of ", place.bytes, " bytes at ", place.offset,
                            ", which does not end at ", place.end,
                            ", where the end record begins (were bytes put in front?)"),
                     end->offset);
  }
  if (!end->last) {
    return malformed("data behind its end that are none of its own", end->offset);
  }
  return Step(place);
}

} // namespace monoquant::container::zip
