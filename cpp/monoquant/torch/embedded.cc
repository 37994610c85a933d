#include "monoquant/torch/embedded.h"

#include <algorithm>

#include "monoquant/base/text.h"
#include "monoquant/container/tar.h"
#include "monoquant/torch/member_kind.h"
#include "monoquant/torch/pickle.h"
#include "monoquant/torch/script_code.h"

namespace monoquant::torch {
namespace {

using container::ZipMember;
using Bytes = std::span<const uint8_t>;

constexpr uint64_t kHeadOfPart = 512; // a tar header
constexpr uint64_t kFirstPickleRead = 64ULL * 1024;
constexpr uint64_t kPickleGrowth = 8;

/// Of "archive/" in "archive/data.pkl".
size_t top_bytes(const ZipMember &member) { return member.name.find('/') + 1; }

/// All that Python imports is made of these.
bool is_identifier(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char letter) {
    const bool is_plain = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                          (letter >= '0' && letter <= '9') || letter == '_' || letter == '.';
    return is_plain || static_cast<unsigned char>(letter) >= 0x80;
  });
}

/// Text beside a checkpoint may begin as a pickle of protocol 0 does, such as labels with "cat" and "dog" in front: then
/// the names that it seems to have are no identifiers, or nothing comes of them.
bool does_something(const Pickle &pickle) {
  bool has_names = false;
  for (const NodeId node : pickle.globals()) {
    const auto module = pickle.global_module(node);
    const auto name = pickle.global_name(node);
    if (is_identifier(module) && is_identifier(name)) {
      has_names = true;
      if (danger_of(module, name) == Danger::kDangerous) {
        return true;
      }
    }
  }
  for (NodeId node = 0; has_names && node < pickle.node_count(); ++node) {
    if (pickle.kind(node) == NodeKind::kObject) {
      return true;
    }
  }
  return false;
}

} // namespace

void EmbeddedReader::want(const Part &part, const Needs &lacking) {
  for (const Need &need : lacking) {
    needs.push_back({part.offset + need.offset, need.length});
  }
}

void EmbeddedReader::hide(std::string_view path, std::string reason) {
  opaque.push_back({std::string(path), std::move(reason)});
}

void EmbeddedReader::read(const ByteWindow &window, const ZipMember &member, Unpickler unpickler) {
  read_member({window, 0, {}, 0, unpickler}, member);
}

void EmbeddedReader::read_file(const ByteWindow &file) { read_part({file, 0, {}, 0}); }

void EmbeddedReader::read_member(const Part &archive, const ZipMember &member) {
  if (member.bytes == 0) {
    return;
  }
  const std::string path =
      archive.path.empty() ? member.name : concat(archive.path, "/", member.name);
  const bool is_module = archive.unpickler == Unpickler::kScript &&
                         is_script_module(std::string_view(member.name).substr(top_bytes(member)));
  if (is_module) {
    code.push_back(path);
  } else if (const auto kind = code_kind(lower_case(member.name), {})) {
    return hide(path, std::string(*kind));
  }
  if (++parts_ > kMaxEmbedded) {
    if (parts_ == kMaxEmbedded + 1) {
      hide(path, "one of more parts than are looked into");
    }
    return;
  }
  constexpr uint16_t kStored = 0;
  constexpr uint16_t kDeflated = 8;
  if (member.encrypted || (member.method != kStored && member.method != kDeflated)) {
    return hide(path, "encrypted, or compressed in a way that is not read here");
  }
  if (member.method == kDeflated) {
    if (member.bytes > kMaxPickleBytes || bytes_ + member.bytes > kMaxEmbeddedBytes) {
      return hide(path, "too large to be looked into");
    }
    auto content = container::read_zip_member(archive.window, member, kMaxPickleBytes);
    if (!content) {
      return hide(path, "a part that cannot be read");
    }
    if (const Needs *lacking = std::get_if<Needs>(&content.value())) {
      return want(archive, *lacking);
    }
    bytes_ += member.bytes;
    ByteWindow inflated(member.bytes);
    inflated.add(0, std::move(std::get<container::ZipContent>(content.value()).bytes));
    const Part part{inflated, 0, path, archive.depth + 1, archive.unpickler};
    return is_module ? read_module(part) : read_part(part);
  }
  auto place = container::find_zip_data(archive.window, member);
  if (!place) {
    return hide(path, "a part that cannot be read");
  }
  if (const Needs *lacking = std::get_if<Needs>(&place.value())) {
    return want(archive, *lacking);
  }
  const uint64_t begin = *std::get_if<uint64_t>(&place.value());
  const ByteWindow inside = archive.window.part(begin, member.bytes);
  const Part part{inside, archive.offset + begin, path, archive.depth + 1, archive.unpickler};
  return is_module ? read_module(part) : read_part(part);
}

std::optional<Bytes> EmbeddedReader::head(const Part &part, uint64_t length) {
  const auto found = part.window.find(0, length);
  if (!found) {
    needs.push_back({part.offset, length});
  }
  return found;
}

void EmbeddedReader::read_part(const Part &part) {
  const uint64_t size = part.window.file_size();
  const auto begin = head(part, std::min(size, kHeadOfPart));
  if (!begin) {
    return;
  }
  const std::string name = lower_case(part.path);
  bool is_archive = false;
  if (const auto kind = code_kind(name, *begin)) {
    hide(part.path, std::string(*kind));
  } else if (container::looks_like_zip(*begin)) {
    is_archive = read_archive(part);
  } else if (container::looks_like_tar(*begin)) {
    hide(part.path, "a tar archive inside of another archive");
    is_archive = read_tar(part);
  } else if (const auto array = find_array_pickle(*begin); array && *array < size) {
    const ByteWindow inside = part.window.part(*array, size - *array);
    return read_pickles({inside, part.offset + *array, part.path, part.depth, part.unpickler},
                        true);
  }
  // Whatever it looks like: "MZ" and "PK", with which programs and archives begin, are opcodes of a pickle as well.
  is_archive ? list_names(part) : read_pickles(part, must_be_pickle(name, *begin));
}

void EmbeddedReader::list_names(const Part &part) {
  const auto begin = head(part, std::min(part.window.file_size(), kFirstPickleRead));
  if (begin) {
    globals.add(read_pickle_names(*begin).pickle, part.unpickler);
  }
}

void EmbeddedReader::read_module(const Part &part) {
  const uint64_t size = part.window.file_size();
  if (size > kMaxPickleBytes || bytes_ + size > kMaxEmbeddedBytes) {
    return hide(part.path, "too large to be looked into");
  }
  if (const auto text = head(part, size)) {
    list_operators({reinterpret_cast<const char *>(text->data()), text->size()}, globals);
    bytes_ += size;
  }
}

bool EmbeddedReader::read_tar(const Part &part) {
  const auto parsed = container::read_tar(part.window);
  if (!parsed) {
    return false;
  }
  if (const Needs *lacking = std::get_if<Needs>(&parsed.value())) {
    want(part, *lacking);
    return true;
  }
  for (const auto &member : *std::get_if<std::vector<container::TarMember>>(&parsed.value())) {
    const std::string path = concat(part.path, part.path.empty() ? "" : "/", member.name);
    if (member.bytes != 0 && part.depth <= kMaxNesting && ++parts_ <= kMaxEmbedded) {
      const ByteWindow inside = part.window.part(member.offset, member.bytes);
      read_part({inside, part.offset + member.offset, path, part.depth + 1});
    }
  }
  return true;
}

bool EmbeddedReader::read_archive(const Part &part) {
  if (part.depth > kMaxNesting) {
    hide(part.path, "an archive inside of too many others");
    return false;
  }
  auto parsed = container::read_zip_directory(part.window);
  if (!parsed) {
    hide(part.path, "an archive that cannot be read");
    return false;
  }
  if (const Needs *lacking = std::get_if<Needs>(&parsed.value())) {
    want(part, *lacking);
    return true;
  }
  const auto &directory = std::get<container::ZipDirectory>(parsed.value());
  if (!container::require_names_differ_by_more_than_case(directory)) {
    hide(part.path, "an archive with two members of one name");
  }
  const bool is_script =
      std::any_of(directory.members.begin(), directory.members.end(), [](const ZipMember &member) {
        return std::string_view(member.name).ends_with("/constants.pkl");
      });
  Part archive = part;
  archive.unpickler = is_script ? Unpickler::kScript : Unpickler::kPython;
  for (const ZipMember &member : directory.members) {
    const size_t top = top_bytes(member);
    if (top == 0 || !is_plain_record(std::string_view(member.name).substr(top))) {
      read_member(archive, member);
    }
  }
  return true;
}

void EmbeddedReader::read_pickles(const Part &part, bool must_be_one) {
  const uint64_t size = part.window.file_size();
  uint64_t length = std::min(size, kFirstPickleRead);
  constexpr int kMostPickles = 5; // of the stream of torch.save before 1.6
  uint64_t position = 0;
  for (int pickles = 0; pickles < kMostPickles && position < size;) {
    const auto bytes = head(part, length);
    if (!bytes) {
      return;
    }
    const auto rest = bytes->subspan(static_cast<size_t>(position));
    const auto read = read_pickle(rest, length == size, position);
    if (read && !read.value()) { // it goes on
      const uint64_t more = std::min(size, length * kPickleGrowth);
      if (length >= kMaxPickleBytes || bytes_ + more > kMaxEmbeddedBytes) {
        return hide(part.path, "too large to be looked into");
      }
      length = more;
      continue;
    }
    if (read) {
      globals.add(read.value()->pickle, part.unpickler);
      position += read.value()->end;
      ++pickles;
      continue;
    }
    const PickleNames names = read_pickle_names(rest);
    if (pickles == 0 && (must_be_one || does_something(names.pickle))) {
      globals.add(names.pickle, part.unpickler);
      hide(part.path, "a pickle that cannot be read");
    } else if (does_something(names.pickle)) {
      globals.add(names.pickle, part.unpickler);
    }
    break;
  }
  bytes_ += length;
}

} // namespace monoquant::torch
