#include "support/zip_file.h"

#include "monoquant/container/deflate.h"
#include "support/answer.h"

namespace monoquant::test {
namespace {

template <typename T> void put(Bytes &to, T value) {
  const size_t at = to.size();
  to.resize(at + sizeof(T));
  patch(to, at, value);
}

void put(Bytes &to, const Bytes &bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }
void put_text(Bytes &to, std::string_view text) { to.insert(to.end(), text.begin(), text.end()); }

uint32_t or_ones(uint64_t number, bool ones) {
  return ones ? 0xFFFFFFFFU : static_cast<uint32_t>(number);
}

void put_local(Bytes &file, const ZipEntry &entry) {
  const std::string name = entry.local_name.value_or(entry.name);
  Bytes extra;
  if (entry.zip64) {
    put<uint16_t>(extra, 1);
    put<uint16_t>(extra, 16);
    put<uint64_t>(extra, entry.bytes);
    put<uint64_t>(extra, entry.stored.size());
  }
  put(extra, entry.local_extra);
  put<uint32_t>(file, 0x04034B50);
  put<uint16_t>(file, 20);
  put<uint16_t>(file, static_cast<uint16_t>(entry.flags | (entry.streamed ? 8U : 0U)));
  put<uint16_t>(file, entry.method);
  put<uint32_t>(file, 0); // time and date
  put<uint32_t>(file, entry.streamed ? 0 : entry.crc32);
  put<uint32_t>(file, entry.streamed ? 0 : or_ones(entry.stored.size(), entry.zip64));
  put<uint32_t>(file, entry.streamed ? 0 : or_ones(entry.bytes, entry.zip64));
  put<uint16_t>(file, static_cast<uint16_t>(name.size()));
  put<uint16_t>(file, static_cast<uint16_t>(extra.size()));
  put_text(file, name);
  put(file, extra);
  put(file, entry.stored);
  if (entry.streamed) {
    put<uint32_t>(file, 0x08074B50);
    put<uint32_t>(file, entry.crc32);
    put<uint32_t>(file, static_cast<uint32_t>(entry.stored.size()));
    put<uint32_t>(file, static_cast<uint32_t>(entry.bytes));
  }
}

void put_central(Bytes &file, const ZipEntry &entry, uint64_t offset) {
  Bytes extra;
  if (entry.zip64) {
    put<uint16_t>(extra, 1);
    put<uint16_t>(extra, 24);
    put<uint64_t>(extra, entry.bytes);
    put<uint64_t>(extra, entry.stored.size());
    put<uint64_t>(extra, offset);
  }
  put(extra, entry.central_extra);
  put<uint32_t>(file, 0x02014B50);
  put<uint32_t>(file, 20U << 16U | 20U);
  put<uint16_t>(file, static_cast<uint16_t>(entry.flags | (entry.streamed ? 8U : 0U)));
  put<uint16_t>(file, entry.method);
  put<uint32_t>(file, 0);
  put<uint32_t>(file, entry.crc32);
  put<uint32_t>(file, or_ones(entry.stored.size(), entry.zip64));
  put<uint32_t>(file, or_ones(entry.bytes, entry.zip64));
  put<uint16_t>(file, static_cast<uint16_t>(entry.name.size()));
  put<uint16_t>(file, static_cast<uint16_t>(extra.size()));
  put<uint16_t>(file, static_cast<uint16_t>(entry.comment.size()));
  put<uint16_t>(file, entry.disk);
  put<uint16_t>(file, 0);
  put<uint32_t>(file, 0); // attributes
  put<uint32_t>(file, or_ones(offset, entry.zip64));
  put_text(file, entry.name);
  put(file, extra);
  put_text(file, entry.comment);
}

} // namespace

Bytes bytes_from_hex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  Bytes bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(digit(hex[i]) * 16 + digit(hex[i + 1])));
  }
  return bytes;
}

Bytes bytes_from_text(std::string_view text) { return {text.begin(), text.end()}; }

ZipEntry stored_entry(std::string name, Bytes content) {
  ZipEntry entry;
  entry.name = std::move(name);
  entry.crc32 = container::crc32(0, content);
  entry.stored = std::move(content);
  return entry;
}

ZipEntry deflated_zeros() {
  ZipEntry entry;
  entry.name = "zeros";
  entry.stored =
      bytes_from_hex("edc13101000000c2a0f54f6d0d0fa0" + std::string(192, '0') + "805703");
  entry.method = 8;
  entry.bytes = 100'000;
  entry.crc32 = 0xD411957D;
  return entry;
}

Bytes sample_zip(bool zip64) {
  ZipEntry deflated = deflated_zeros();
  deflated.zip64 = zip64;
  ZipEntry streamed = stored_entry("a/data/0", bytes_from_text("01234567"));
  streamed.streamed = true;
  streamed.local_extra = bytes_from_hex("464203005a5a5a"); // torch.save's padding
  ZipShape shape;
  shape.zip64_end = zip64;
  return make_zip({stored_entry("a/data.pkl", bytes_from_text("pickle")), streamed, deflated},
                  shape);
}

Bytes make_zip(const std::vector<ZipEntry> &entries, const ZipShape &shape) {
  Bytes file;
  Bytes directory;
  for (ZipEntry entry : entries) {
    if (entry.method == 0 && entry.bytes == 0) {
      entry.bytes = entry.stored.size();
    }
    put_central(directory, entry, entry.header_offset.value_or(file.size()));
    put_local(file, entry);
  }
  put(file, shape.before_directory);
  const uint64_t offset = file.size();
  const uint64_t members = shape.members.value_or(entries.size());
  put(file, directory);
  put(file, shape.before_end);
  const uint64_t end = file.size();
  if (shape.zip64_end) {
    put<uint32_t>(file, 0x06064B50);
    put<uint64_t>(file, 44);
    put<uint32_t>(file, 45U << 16U | 45U);
    put<uint64_t>(file, 0); // disks
    put<uint64_t>(file, members);
    put<uint64_t>(file, members);
    put<uint64_t>(file, directory.size());
    put<uint64_t>(file, offset);
    put<uint32_t>(file, 0x07064B50);
    put<uint32_t>(file, 0);
    put<uint64_t>(file, end);
    put<uint32_t>(file, 1);
  }
  put<uint32_t>(file, 0x06054B50);
  put<uint32_t>(file, shape.zip64_end ? 0xFFFFFFFFU : 0U); // disks
  for (int i = 0; i < 2; ++i) {
    put<uint16_t>(file, static_cast<uint16_t>(shape.zip64_end ? 0xFFFFU : members));
  }
  put<uint32_t>(file, or_ones(directory.size(), shape.zip64_end));
  put<uint32_t>(file, or_ones(offset, shape.zip64_end));
  put<uint16_t>(file, static_cast<uint16_t>(shape.comment.size()));
  put_text(file, shape.comment);
  return file;
}

Result<container::ZipDirectory> read_directory(const Bytes &file) {
  ByteWindow window(file.size());
  return parse_all<container::ZipDirectory>(window, file, container::read_zip_directory, 4);
}

Result<container::ZipContent> read_member(const Bytes &file, const container::ZipMember &member,
                                          uint64_t max_bytes) {
  ByteWindow window(file.size());
  const auto parse = [&](const ByteWindow &known) {
    return container::read_zip_member(known, member, max_bytes);
  };
  return parse_all<container::ZipContent>(window, file, parse, 3);
}

} // namespace monoquant::test
