#include <algorithm>

#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"
#include "monoquant/container/deflate.h"
#include "monoquant/container/zip.h"
#include "monoquant/container/zip_records.h"

namespace monoquant::container {
namespace {

using namespace zip;
using Bytes = std::span<const uint8_t>;

// Deflate makes at most 258 bytes of 2 bits.
constexpr uint64_t kMaxRatio = 1032;
// What a local header's extra fields mostly stay under; with it one read brings a whole member.
constexpr uint64_t kUsualExtra = 256;
constexpr size_t kFirstOutput = 64UL * 1024;

/// What a compressed member may be at most in the file: every stream of use is shorter.
constexpr uint64_t most_stored(uint64_t max_bytes) { return max_bytes + max_bytes / 8 + 1024; }

Error lying_size(const ZipMember &member, std::string_view how) {
  return malformed(concat("\"", member.name, "\", which ", how, " the ", member.bytes,
                          " bytes that the directory says"),
                   member.header_offset);
}

Result<std::vector<uint8_t>> inflate_all(Bytes stored, const ZipMember &member) {
  Inflater inflater;
  std::vector<uint8_t> bytes;
  size_t produced = 0;
  bool done = false;
  while (!done) {
    if (produced == bytes.size() && produced < member.bytes) {
      // Memory grows with what is there, not with what is claimed.
      const uint64_t more = std::max<uint64_t>(kFirstOutput, produced * 2);
      bytes.resize(static_cast<size_t>(std::min(member.bytes, more)));
    }
    auto step = inflater.inflate(stored, std::span(bytes).subspan(produced));
    if (!step) {
      step.error().message = concat("\"", member.name, "\": ", step.error().message);
      step.error().offset = member.header_offset;
      return step.error();
    }
    stored = stored.subspan(step.value().consumed);
    produced += step.value().produced;
    done = step.value().done;
    const bool full = produced == bytes.size();
    if (!done && full && produced == member.bytes) {
      // Only the mark of the stream's end may be left.
      uint8_t one_more = 0;
      auto last = inflater.inflate(stored, {&one_more, 1});
      if (last && last.value().produced > 0) {
        return lying_size(member, "holds more than");
      }
      if (!last || !last.value().done) {
        return lying_size(member, "has no end after");
      }
      stored = stored.subspan(last.value().consumed);
      done = true;
    } else if (!done && !full) {
      return lying_size(member, "ends before"); // out of input
    }
  }
  if (produced != member.bytes) {
    return lying_size(member, "holds less than");
  }
  if (!stored.empty()) {
    return malformed(concat("\"", member.name, "\" with ", stored.size(),
                            " bytes after the end of its compressed data"),
                     member.header_offset);
  }
  bytes.resize(produced);
  return bytes;
}

Result<void> check_readable(const ZipMember &member, uint64_t max_bytes) {
  if (member.encrypted || (member.method != kStored && member.method != kDeflated)) {
    return Error{ErrorCode::kUnsupportedFormat,
                 concat("Expected \"", member.name, "\" stored or deflated, found it ",
                        member.encrypted ? "encrypted" : "compressed by method ",
                        member.encrypted ? "" : std::to_string(member.method), "."),
                 "Unpack the archive and pack it again without that.",
                 {},
                 member.header_offset};
  }
  if (member.bytes > max_bytes || member.stored_bytes > most_stored(max_bytes)) {
    return Error{ErrorCode::kLimitExceeded,
                 concat("Expected \"", member.name, "\" to have at most ", max_bytes,
                        " bytes, found ", member.bytes, " (", member.stored_bytes,
                        " in the file)."),
                 "Check that the file is a checkpoint.",
                 {},
                 member.header_offset};
  }
  if (member.method == kDeflated && member.bytes / kMaxRatio > member.stored_bytes) {
    return lying_size(member, "is too small to hold");
  }
  return {};
}

} // namespace

Result<Parsed<uint64_t>> find_zip_data(const ByteWindow &window, const ZipMember &member) {
  using Step = Parsed<uint64_t>;
  const auto header = window.find(member.header_offset, LocalHeader::kBytes);
  if (!header) {
    return Step(Needs{{member.header_offset, LocalHeader::kBytes}});
  }
  if (load_le<uint32_t>(header->data()) != LocalHeader::kSignature) {
    return malformed(concat("no local header of \"", member.name, "\" at ", member.header_offset,
                            ", where the directory says it is"),
                     member.header_offset);
  }
  // Name and flags may differ from the directory's, which is what counts; sizes are often left at 0.
  const uint64_t data = member.header_offset + LocalHeader::kBytes +
                        load_le<uint16_t>(&(*header)[LocalHeader::kNameLength]) +
                        load_le<uint16_t>(&(*header)[LocalHeader::kExtraLength]);
  if (data > member.end_limit || member.stored_bytes > member.end_limit - data) {
    return malformed(concat("the data of \"", member.name, "\" (", member.stored_bytes,
                            " bytes from ", data, " on) overlapping what begins at ",
                            member.end_limit),
                     member.header_offset);
  }
  return Step(data);
}

Result<Parsed<ZipContent>> read_zip_member(const ByteWindow &window, const ZipMember &member,
                                           uint64_t max_bytes) {
  using Step = Parsed<ZipContent>;
  if (auto readable = check_readable(member, max_bytes); !readable) {
    return readable.error();
  }
  auto place = find_zip_data(window, member);
  if (!place) {
    return place.error();
  }
  if (std::holds_alternative<Needs>(place.value())) {
    const uint64_t room = member.end_limit - member.header_offset;
    const uint64_t guess =
        LocalHeader::kBytes + member.name.size() + kUsualExtra + member.stored_bytes;
    return Step(Needs{{member.header_offset, std::min(room, guess)}});
  }
  const uint64_t data = std::get<uint64_t>(place.value());
  ZipContent content;
  if (member.stored_bytes > 0) {
    const auto stored = window.find(data, member.stored_bytes);
    if (!stored) {
      return Step(Needs{{data, member.stored_bytes}});
    }
    if (member.method == kStored) {
      content.bytes.assign(stored->begin(), stored->end());
    } else {
      auto inflated = inflate_all(*stored, member);
      if (!inflated) {
        return inflated.error();
      }
      content.bytes = std::move(inflated.value());
    }
  } else if (member.method == kDeflated) {
    return lying_size(member, "is too small to hold"); // even an empty stream has an end mark
  }
  content.crc_matches = crc32(0, content.bytes) == member.crc32;
  return Step(std::move(content));
}

} // namespace monoquant::container
