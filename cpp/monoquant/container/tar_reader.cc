#include <algorithm>
#include <optional>
#include <set>

#include "monoquant/base/text.h"
#include "monoquant/container/tar.h"

namespace monoquant::container {
namespace {

using Bytes = std::span<const uint8_t>;

//  +--------+------+---------+--------+------+---------+ -- +-------+-------+
//  | header | data | padding | header | data | padding |    | zeros | zeros |   all in blocks of 512 bytes
//  +--------+------+---------+--------+------+---------+ -- +-------+-------+
//  Source: POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".
constexpr uint64_t kBlock = 512;
struct Field {
  size_t offset;
  size_t length;
};
constexpr Field kName{0, 100}, kSize{124, 12}, kChecksum{148, 8}, kMagic{257, 6}, kPrefix{345, 155};
constexpr size_t kType = 156;

constexpr uint64_t kRead =
    64ULL * 1024; // members are few and often small: many of them in one read
constexpr uint64_t kMaxNameBytes = 64ULL * 1024;

Error malformed_tar(const std::string &found, uint64_t offset) {
  return Error{ErrorCode::kMalformedFile,
               concat("Expected a tar archive, found ", found, "."),
               "Download or export the file again; `tar -tvf` may say more.",
               {},
               offset};
}

Bytes bytes_of(Bytes header, Field field) { return header.subspan(field.offset, field.length); }

/// Up to the first NUL.
std::string text_of(Bytes bytes) {
  const auto end = std::find(bytes.begin(), bytes.end(), uint8_t{0});
  return {bytes.begin(), end};
}

/// Octal digits between spaces and NULs; or, with the highest bit set, a big-endian number.
std::optional<uint64_t> number_of(Bytes field) {
  uint64_t value = 0;
  if ((field[0] & 0x80U) != 0) {
    for (size_t i = 0; i < field.size(); ++i) {
      const uint8_t byte = i == 0 ? field[0] & 0x7FU : field[i];
      if (value >> 55U != 0) {
        return std::nullopt;
      }
      value = value << 8U | byte;
    }
    return value;
  }
  size_t at = 0;
  while (at < field.size() && field[at] == ' ') {
    ++at;
  }
  for (; at < field.size() && field[at] >= '0' && field[at] <= '7'; ++at) {
    value = value * 8 + (field[at] - '0'); // twelve digits at most
  }
  const bool clean = std::all_of(field.begin() + static_cast<std::ptrdiff_t>(at), field.end(),
                                 [](uint8_t byte) { return byte == ' ' || byte == 0; });
  return clean ? std::optional(value) : std::nullopt;
}

/// The sum of a header's bytes, its own field counted as spaces.
bool checksum_is_right(Bytes header) {
  const auto stored = number_of(bytes_of(header, kChecksum));
  uint64_t sum = 0;
  for (size_t i = 0; i < kBlock; ++i) {
    sum += i - kChecksum.offset < kChecksum.length ? uint8_t{' '} : header[i];
  }
  return stored == sum;
}

/// What headers of their own say about the member that follows them.
struct Ahead {
  std::optional<std::string> name;
  std::optional<uint64_t> bytes;
};

/// "LENGTH KEY=VALUE\n", where LENGTH counts all of it.
bool read_pax(Bytes records, Ahead &ahead) {
  while (!records.empty()) {
    size_t length = 0;
    size_t at = 0;
    for (; at < records.size() && records[at] >= '0' && records[at] <= '9'; ++at) {
      length = std::min<size_t>(length * 10 + (records[at] - '0'), records.size() + 1);
    }
    if (length > records.size() || length < at + 2 || records[at] != ' ' ||
        records[length - 1] != '\n') {
      return false;
    }
    const std::string text(records.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                           records.begin() + static_cast<std::ptrdiff_t>(length) - 1);
    const size_t equals = text.find('=');
    const std::string key = text.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : text.substr(equals + 1);
    if (key == "path") {
      ahead.name = value;
    } else if (key == "size") {
      uint64_t number = 0;
      const bool digits = !value.empty() && value.size() <= 18 &&
                          std::all_of(value.begin(), value.end(), [&](char digit) {
                            number = number * 10 + static_cast<uint64_t>(digit - '0');
                            return digit >= '0' && digit <= '9';
                          });
      if (!digits) {
        return false;
      }
      ahead.bytes = number;
    }
    records = records.subspan(length);
  }
  return true;
}

std::string name_of(Bytes header) {
  std::string name = text_of(bytes_of(header, kName));
  if (text_of(bytes_of(header, kMagic)) == "ustar") { // GNU's has a space behind, and other fields
    const std::string prefix = text_of(bytes_of(header, kPrefix));
    if (!prefix.empty()) {
      return prefix + "/" + name;
    }
  }
  return name;
}

Error cut_off(uint64_t file_size, const std::string &what) {
  return Error{ErrorCode::kFileTruncated,
               concat("The tar archive ends after ", file_size, " bytes, ", what, "."),
               "Download or copy the file again: it is incomplete.",
               {},
               file_size};
}

} // namespace

bool looks_like_tar(Bytes head) {
  return head.size() >= kBlock && head[0] != 0 && checksum_is_right(head.first(kBlock));
}

Result<Parsed<std::vector<TarMember>>> read_tar(const ByteWindow &window) {
  using Step = Parsed<std::vector<TarMember>>;
  const uint64_t size = window.file_size();
  std::vector<TarMember> members;
  std::set<std::string, std::less<>> names;
  Ahead ahead;
  uint64_t at = 0;
  for (size_t headers = 0;; ++headers) {
    if (!window.contains(at, kBlock)) {
      return cut_off(size, "before its end mark");
    }
    const auto header = window.find(at, kBlock);
    if (!header) {
      return Step(Needs{{at, std::min(size - at, kRead)}});
    }
    if (std::all_of(header->begin(), header->end(), [](uint8_t byte) { return byte == 0; })) {
      return Step(std::move(members));
    }
    if (headers > 3 * kMaxTarMembers || members.size() == kMaxTarMembers) {
      return Error{
          ErrorCode::kLimitExceeded,
          concat("Expected a tar archive of at most ", kMaxTarMembers, " members, found more."),
          "Check that this is a checkpoint: those in tar archives have four members.",
          {},
          at};
    }
    const auto stated = number_of(bytes_of(*header, kSize));
    if (!checksum_is_right(*header) || !stated) {
      return malformed_tar(concat("no valid header at ", at), at);
    }
    const uint8_t type = (*header)[kType];
    const bool about_next = type == 'x' || type == 'L';
    const bool about_any = type == 'g' || type == 'K'; // defaults for all, names of link targets
    const uint64_t bytes = about_next || about_any ? *stated : ahead.bytes.value_or(*stated);
    const uint64_t data = at + kBlock;
    if (!window.contains(data, bytes)) {
      return cut_off(size, concat("inside a member of ", bytes, " bytes that begins at ", data));
    }
    if (about_next) {
      if (bytes > kMaxNameBytes) {
        return malformed_tar(concat("a name of ", bytes, " bytes"), at);
      }
      const auto text = bytes == 0 ? Bytes() : window.find(data, bytes);
      if (!text) {
        return Step(Needs{{data, bytes}});
      }
      if (type == 'L') {
        ahead.name = text_of(*text);
      } else if (!read_pax(*text, ahead)) {
        return malformed_tar("an extended header that is none", at);
      }
    } else if (!about_any) {
      std::string name = ahead.name.value_or(name_of(*header));
      name.erase(0, name.starts_with("./") ? 2 : 0);
      // Also of links: Python takes the last entry of a name, whatever its type.
      if (!names.insert(name).second) {
        return malformed_tar(concat("two entries of the name \"", name, "\""), at);
      }
      // The oldest kind marks folders by the name alone; '7' is a file, too.
      if ((type == '0' || type == 0 || type == '7') && !name.ends_with('/')) {
        members.push_back({std::move(name), data, bytes});
      }
      ahead = {};
    }
    at = data + bytes + (kBlock - bytes % kBlock) % kBlock;
  }
}

} // namespace monoquant::container
