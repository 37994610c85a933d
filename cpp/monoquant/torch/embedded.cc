#include "monoquant/torch/embedded.h"

#include <algorithm>
#include <array>

#include "monoquant/base/text.h"
#include "monoquant/container/tar.h"
#include "monoquant/torch/pickle.h"

namespace monoquant::torch {
namespace {

using container::ZipMember;
using Bytes = std::span<const uint8_t>;

constexpr uint64_t kHeadOfPart = 512; // a tar header
constexpr uint64_t kFirstPickleRead = 64ULL * 1024;
constexpr uint64_t kPickleGrowth = 8;

bool ends_with_any(std::string_view name, std::span<const std::string_view> ends) {
  return std::any_of(ends.begin(), ends.end(),
                     [&](std::string_view end) { return name.ends_with(end); });
}

/// What loads as a program of the machine or of Python, by its name or its first bytes: ELF, PE, Mach-O.
bool is_code(std::string_view name, std::string_view head) {
  using namespace std::string_view_literals;
  constexpr std::array kEnds = {".so"sv,  ".dll"sv, ".dylib"sv, ".o"sv,       ".obj"sv,
                                ".a"sv,   ".pyd"sv, ".cubin"sv, ".hsaco"sv,   ".ptx"sv,
                                ".exe"sv, ".spv"sv, ".pyc"sv,   ".metallib"sv};
  constexpr std::array kHeads = {"\x7f"
                                 "ELF"sv,
                                 "MZ"sv, "\xcf\xfa\xed\xfe"sv, "\xca\xfe\xba\xbe"sv};
  return ends_with_any(name, kEnds) ||
         std::any_of(kHeads.begin(), kHeads.end(),
                     [&](std::string_view start) { return head.starts_with(start); }) ||
         name.find(".so.") != std::string_view::npos;
}

bool is_pickle_name(std::string_view name) {
  using namespace std::string_view_literals;
  constexpr std::array kEnds = {".pkl"sv,  ".pickle"sv,    ".pt"sv,    ".pth"sv,
                                ".ckpt"sv, ".debug_pkl"sv, ".joblib"sv};
  return ends_with_any(name, kEnds);
}

/// Protocol 2 to 5 in its first bytes.
bool begins_as_pickle(Bytes head) {
  return head.size() >= 2 && head[0] == 0x80 && head[1] >= 2 && head[1] <= 5;
}

bool is_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char digit) { return digit >= '0' && digit <= '9'; });
}

/// Text beside a checkpoint may begin as a pickle of protocol 0 does: then the names that it seems to have are no
/// identifiers, which all that Python imports is made of.
bool names_something(const Pickle &pickle) {
  const auto is_name = [](std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char letter) {
      const bool is_plain = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                            (letter >= '0' && letter <= '9') || letter == '_' || letter == '.';
      return is_plain || static_cast<unsigned char>(letter) >= 0x80;
    });
  };
  return std::any_of(pickle.globals().begin(), pickle.globals().end(), [&](NodeId node) {
    return is_name(pickle.global_module(node)) && is_name(pickle.global_name(node));
  });
}

} // namespace

bool is_plain_fact(std::string_view name) {
  constexpr std::array<std::string_view, 7> kFacts = {
      "version",         "byteorder",          ".data/version", ".data/serialization_id",
      ".format_version", ".storage_alignment", "metadata.json"};
  return std::find(kFacts.begin(), kFacts.end(), name) != kFacts.end();
}

bool is_plain_record(std::string_view name, bool is_script) {
  for (const std::string_view folder : {"data/", "constants/", "traced_inputs/", "tensors/"}) {
    if (name.starts_with(folder) && is_digits(name.substr(folder.size()))) {
      return true;
    }
  }
  return is_plain_fact(name) || (is_script && name.starts_with("code/") && name.ends_with(".py"));
}

void EmbeddedReader::hide(std::string_view path, std::string reason) {
  opaque.push_back({std::string(path), std::move(reason)});
}

void EmbeddedReader::read(const ByteWindow &window, const ZipMember &member, Unpickler unpickler) {
  read_member({window, 0, {}, 0, unpickler}, member);
}

void EmbeddedReader::read_member(const Part &archive, const ZipMember &member) {
  if (member.bytes == 0) {
    return;
  }
  const std::string path =
      archive.path.empty() ? member.name : concat(archive.path, "/", member.name);
  const std::string name = lower_case(member.name);
  if (is_code(name, {})) {
    return hide(path, "native code");
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
      for (const Need &need : *lacking) {
        needs.push_back({archive.offset + need.offset, need.length});
      }
      return;
    }
    bytes_ += member.bytes;
    ByteWindow inflated(member.bytes);
    inflated.add(0, std::move(std::get<container::ZipContent>(content.value()).bytes));
    return read_part({inflated, 0, path, archive.depth + 1, archive.unpickler});
  }
  auto place = container::find_zip_data(archive.window, member);
  if (!place) {
    return hide(path, "a part that cannot be read");
  }
  if (const Needs *lacking = std::get_if<Needs>(&place.value())) {
    for (const Need &need : *lacking) {
      needs.push_back({archive.offset + need.offset, need.length});
    }
    return;
  }
  const uint64_t begin = *std::get_if<uint64_t>(&place.value());
  const ByteWindow inside = archive.window.part(begin, member.bytes);
  read_part({inside, archive.offset + begin, path, archive.depth + 1, archive.unpickler});
}

std::optional<Bytes> EmbeddedReader::head(const Part &part, uint64_t length) {
  const auto found = part.window.find(0, length);
  if (!found) {
    needs.push_back({part.offset, length});
  }
  return found;
}

void EmbeddedReader::read_part(const Part &part) {
  const auto begin = head(part, std::min(part.window.file_size(), kHeadOfPart));
  if (!begin) {
    return;
  }
  const std::string name = lower_case(part.path);
  if (is_code(name, {reinterpret_cast<const char *>(begin->data()), begin->size()})) {
    hide(part.path, "native code");
  } else if (container::looks_like_zip(*begin)) {
    read_archive(part);
  } else if (container::looks_like_tar(*begin)) {
    hide(part.path, "a tar archive inside of another archive");
  } else {
    read_pickles(part, is_pickle_name(name) || begins_as_pickle(*begin));
  }
}

void EmbeddedReader::read_archive(const Part &part) {
  if (part.depth > kMaxNesting) {
    return hide(part.path, "an archive inside of too many others");
  }
  auto parsed = container::read_zip_directory(part.window);
  if (!parsed) {
    return hide(part.path, "an archive that cannot be read");
  }
  if (const Needs *lacking = std::get_if<Needs>(&parsed.value())) {
    for (const Need &need : *lacking) {
      needs.push_back({part.offset + need.offset, need.length});
    }
    return;
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
    const std::string_view name = member.name;
    const size_t slash = name.find('/');
    if (slash == std::string_view::npos || !is_plain_record(name.substr(slash + 1), is_script)) {
      read_member(archive, member);
    }
  }
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
    if (pickles == 0 && (must_be_one || names_something(names.pickle))) {
      globals.add(names.pickle, part.unpickler);
      hide(part.path, "a pickle that cannot be read");
    } else if (names_something(names.pickle)) {
      globals.add(names.pickle, part.unpickler);
    }
    break;
  }
  bytes_ += length;
}

} // namespace monoquant::torch
