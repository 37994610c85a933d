#include <algorithm>
#include <numeric>

#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"
#include "monoquant/base/sort.h"
#include "monoquant/base/text.h"
#include "monoquant/container/zip.h"
#include "monoquant/container/zip_end.h"
#include "monoquant/container/zip_records.h"

namespace monoquant::container {
namespace {

using namespace zip;
using Bytes = std::span<const uint8_t>;

/// Takes 64-bit numbers from the zip64 field for those that are saturated in the header.
Result<void> read_extra(Bytes extra, ZipMember &member, uint64_t at) {
  while (extra.size() >= kExtraHeaderBytes) {
    const auto id = load_le<uint16_t>(extra.data());
    const size_t length = load_le<uint16_t>(&extra[2]);
    extra = extra.subspan(kExtraHeaderBytes);
    if (length > extra.size()) {
      return malformed(concat("extra fields of \"", member.name,
                              "\" that are longer than they may "
                              "be"),
                       at);
    }
    if (id == kZip64Extra) {
      Bytes field = extra.first(length);
      for (uint64_t *number : {&member.bytes, &member.stored_bytes, &member.header_offset}) {
        if (*number != kSaturated32) {
          continue;
        }
        if (field.size() < sizeof(uint64_t)) {
          return malformed(concat("a zip64 field of \"", member.name, "\" that is too short"), at);
        }
        *number = load_le<uint64_t>(field.data());
        field = field.subspan(sizeof(uint64_t));
      }
      return {};
    }
    extra = extra.subspan(length);
  }
  return {};
}

Result<std::vector<ZipMember>> read_members(Bytes directory, const DirectoryPlace &place) {
  std::vector<ZipMember> members;
  members.reserve(static_cast<size_t>(place.members));
  size_t at = 0;
  while (members.size() < place.members) {
    const uint64_t offset = place.offset + at;
    const size_t left = directory.size() - at;
    if (left < CentralHeader::kBytes ||
        load_le<uint32_t>(&directory[at]) != CentralHeader::kSignature) {
      return malformed(
          concat("no directory entry for member ", members.size() + 1, " of ", place.members),
          offset);
    }
    const uint8_t *header = &directory[at];
    const size_t name = load_le<uint16_t>(header + CentralHeader::kNameLength);
    const size_t extra = load_le<uint16_t>(header + CentralHeader::kExtraLength);
    const size_t comment = load_le<uint16_t>(header + CentralHeader::kCommentLength);
    if (name + extra + comment > left - CentralHeader::kBytes) {
      return malformed("a directory entry that is longer than the directory", offset);
    }
    ZipMember member;
    member.name.assign(reinterpret_cast<const char *>(header + CentralHeader::kBytes), name);
    member.method = load_le<uint16_t>(header + CentralHeader::kMethod);
    // Bits 0 and 6: encrypted, in the old way and the new; 13: even the directory is.
    member.encrypted = (load_le<uint16_t>(header + CentralHeader::kFlags) & 0x2041U) != 0;
    member.crc32 = load_le<uint32_t>(header + CentralHeader::kCrc);
    member.stored_bytes = load_le<uint32_t>(header + CentralHeader::kStoredBytes);
    member.bytes = load_le<uint32_t>(header + CentralHeader::kPlainBytes);
    member.header_offset = load_le<uint32_t>(header + CentralHeader::kHeaderOffset);
    const auto disk = load_le<uint16_t>(header + CentralHeader::kDisk);
    if (disk != 0 && disk != kSaturated16) {
      return malformed("one part of an archive that is split into several files", offset);
    }
    if (auto read = read_extra({header + CentralHeader::kBytes + name, extra}, member, offset);
        !read) {
      return read.error();
    }
    if (member.method == kStored && !member.encrypted && member.bytes != member.stored_bytes) {
      return malformed(concat("\"", member.name, "\" of ", member.bytes, " bytes stored as ",
                              member.stored_bytes),
                       offset);
    }
    members.push_back(std::move(member));
    at += CentralHeader::kBytes + name + extra + comment;
  }
  if (at != directory.size()) {
    return malformed(
        concat(directory.size() - at, " bytes of directory after its ", place.members, " members"),
        place.offset + at);
  }
  return members;
}

/// Says of each member where it must end at the latest. No two may share a byte: an archive of 100 kB could
/// otherwise claim to hold a petabyte.
Result<void> bound_members(std::vector<ZipMember> &members, uint64_t directory_offset) {
  std::vector<ZipMember *> order;
  order.reserve(members.size());
  for (ZipMember &member : members) {
    order.push_back(&member);
  }
  sort(order,
       [](const ZipMember *a, const ZipMember *b) { return a->header_offset < b->header_offset; });
  for (size_t i = 0; i < order.size(); ++i) {
    ZipMember &member = *order[i];
    member.end_limit = i + 1 < order.size() ? order[i + 1]->header_offset : directory_offset;
    const auto bytes = checked_add(member.stored_bytes, LocalHeader::kBytes + member.name.size());
    const auto end = bytes ? checked_add(member.header_offset, *bytes) : std::nullopt;
    if (!end || *end > member.end_limit) {
      return malformed(concat("\"", member.name, "\" (", member.stored_bytes, " bytes from ",
                              member.header_offset, " on) overlapping what begins at ",
                              member.end_limit),
                       member.header_offset);
    }
  }
  if (!order.empty() && order.front()->header_offset != 0) {
    return malformed(concat(order.front()->header_offset,
                            " bytes in front of its first member: is another archive there?"),
                     0);
  }
  return {};
}

/// Names must be unique: a reader that takes the last one would silently lose the first.
Result<void> index_names(ZipDirectory &directory) {
  const auto &members = directory.members;
  auto &by_name = directory.by_name;
  by_name.resize(members.size());
  std::iota(by_name.begin(), by_name.end(), uint32_t{0});
  sort(by_name, [&](uint32_t a, uint32_t b) { return members[a].name < members[b].name; });
  const auto twice =
      std::adjacent_find(by_name.begin(), by_name.end(), [&](uint32_t a, uint32_t b) {
        return members[a].name == members[b].name;
      });
  if (twice != by_name.end()) {
    return malformed(concat("two members of the name \"", members[*twice].name, "\""),
                     members[*twice].header_offset);
  }
  return {};
}

} // namespace

const ZipMember *ZipDirectory::find(std::string_view name) const {
  const auto found = std::lower_bound(
      by_name.begin(), by_name.end(), name,
      [&](uint32_t index, std::string_view key) { return members[index].name < key; });
  return found == by_name.end() || members[*found].name != name ? nullptr : &members[*found];
}

Result<void> require_names_differ_by_more_than_case(const ZipDirectory &directory) {
  std::vector<std::pair<std::string, const ZipMember *>> names;
  names.reserve(directory.members.size());
  for (const ZipMember &member : directory.members) {
    names.emplace_back(lower_case(member.name), &member);
  }
  sort(names, [](const auto &a, const auto &b) { return a.first < b.first; });
  const auto twice = std::adjacent_find(
      names.begin(), names.end(), [](const auto &a, const auto &b) { return a.first == b.first; });
  if (twice != names.end()) {
    return malformed(concat("two members that differ by case alone, \"", twice[0].second->name,
                            "\" and \"", twice[1].second->name, "\""),
                     twice[1].second->header_offset);
  }
  return {};
}

bool looks_like_zip(Bytes head) {
  if (head.size() < sizeof(uint32_t)) {
    return false;
  }
  const auto signature = load_le<uint32_t>(head.data());
  return signature == LocalHeader::kSignature || signature == End::kSignature;
}

Result<Parsed<ZipDirectory>> read_zip_directory(const ByteWindow &window) {
  using Step = Parsed<ZipDirectory>;
  auto end = read_end(window);
  if (!end) {
    return end.error();
  }
  if (auto *needs = std::get_if<Needs>(&end.value())) {
    return Step(std::move(*needs));
  }
  const auto place = std::get<DirectoryPlace>(end.value());
  if (place.bytes > kMaxDirectoryBytes || place.members > kMaxZipMembers) {
    return Error{ErrorCode::kLimitExceeded,
                 concat("Expected a zip archive of at most ", kMaxZipMembers,
                        " members and a directory of at most ", kMaxDirectoryBytes,
                        " bytes, found ", place.members, " and ", place.bytes, "."),
                 "Check that this is a checkpoint; split it into several files if it is.",
                 {},
                 place.offset};
  }
  if (place.members > place.bytes / CentralHeader::kBytes) {
    return malformed(concat(place.members, " members in a directory of ", place.bytes, " bytes"),
                     place.offset);
  }
  const auto directory = window.find(place.offset, place.bytes);
  if (!directory) {
    return Step(Needs{{place.offset, place.bytes}});
  }
  auto members = read_members(*directory, place);
  if (!members) {
    return members.error();
  }
  if (auto bounded = bound_members(members.value(), place.offset); !bounded) {
    return bounded.error();
  }
  ZipDirectory result{std::move(members.value()), {}};
  if (auto indexed = index_names(result); !indexed) {
    return indexed.error();
  }
  return Step(std::move(result));
}

} // namespace monoquant::container
