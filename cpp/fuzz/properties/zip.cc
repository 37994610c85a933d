// Any bytes as a zip archive: refused with a reason, or every member read within its limits.
// It exists because checkpoints are archives from strangers: no byte of one may lead outside of our memory.
// The last byte chooses how much a member may hold and how much more than asked for is read.
#include <optional>
#include <variant>

#include "monoquant/container/tar.h"
#include "monoquant/container/zip.h"
#include "properties.h"

namespace monoquant::fuzz {
namespace {

constexpr int kMostRounds = 5000;

/// What `parse` makes of the file; nothing where it refuses, which must come with a reason.
template <typename T, typename Parse>
std::optional<T> parse_all(ByteWindow &window, const Bytes &file, uint64_t more, Parse parse) {
  for (int round = 0; round < kMostRounds; ++round) {
    Result<Parsed<T>> step = parse(window);
    if (!step) {
      require(!step.error().message.empty());
      return std::nullopt;
    }
    if (auto *done = std::get_if<T>(&step.value())) {
      return std::move(*done);
    }
    const auto &needs = std::get<Needs>(step.value());
    require(!needs.empty());
    for (const Need need : needs) {
      require(need.length > 0 && window.contains(need.offset, need.length) &&
              !window.find(need.offset, need.length));
      const uint64_t begin = need.offset - std::min(need.offset, more);
      const uint64_t end = std::min<uint64_t>(file.size(), need.offset + need.length + more);
      window.add(begin, Bytes(file.data() + begin, file.data() + end));
    }
  }
  require(false);
  return std::nullopt;
}

void read_members(const Bytes &file, uint64_t more, uint64_t max_bytes) {
  ByteWindow window(file.size());
  const auto directory =
      parse_all<container::ZipDirectory>(window, file, more, container::read_zip_directory);
  if (!directory) {
    return;
  }
  for (const container::ZipMember &member : directory->members) {
    require(directory->find(member.name) == &member);
    require(member.header_offset <= member.end_limit && member.end_limit <= file.size());
    const auto find = [&](const ByteWindow &known) {
      return container::find_zip_data(known, member);
    };
    ByteWindow headers(file.size());
    const auto data = parse_all<uint64_t>(headers, file, more, find);
    require(!data || *data + member.stored_bytes <= member.end_limit);
    const auto read = [&](const ByteWindow &known) {
      return container::read_zip_member(known, member, max_bytes);
    };
    const auto content = parse_all<container::ZipContent>(window, file, more, read);
    require(!content || (content->bytes.size() == member.bytes && member.bytes <= max_bytes));
  }
}

} // namespace

void check_zip(Input input) {
  const Bytes file(input.begin(), input.end());
  const uint8_t choice = input.empty() ? 0 : input.back();
  read_members(file, choice / 16U * 7U, uint64_t{1} << (choice % 16U + 4U));
  ByteWindow window(file.size());
  const auto members =
      parse_all<std::vector<container::TarMember>>(window, file, 0, container::read_tar);
  if (members) {
    for (const container::TarMember &member : *members) {
      require(window.contains(member.offset, member.bytes));
    }
  }
}

} // namespace monoquant::fuzz
