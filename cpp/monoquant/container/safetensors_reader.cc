#include <algorithm>
#include <cstring>
#include <functional>

#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"
#include "monoquant/base/sort.h"
#include "monoquant/base/text.h"
#include "monoquant/container/safetensors.h"
#include "monoquant/container/safetensors_header.h"

namespace monoquant::container {
namespace {

// Enough for the header of most models in one read, and cheap where it is not.
constexpr uint64_t kFirstRead = 256ULL * 1024;

/// Names must be unique: a reader that takes the last one would silently lose the first.
Result<void> check_unique(const SafetensorsFile &file) {
  std::vector<std::string_view> names;
  names.reserve(file.entries.size());
  for (const SafetensorsEntry &entry : file.entries) {
    names.emplace_back(entry.name);
  }
  sort(names, std::less<>());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) {
    return malformed_safetensors(concat("tensor \"", *twice, "\" occurs twice in the header"),
                                 kSafetensorsPrefix, std::string(*twice));
  }
  names.clear();
  for (const auto &[key, value] : file.metadata) {
    names.emplace_back(key);
  }
  sort(names, std::less<>());
  const auto key = std::adjacent_find(names.begin(), names.end());
  if (key != names.end()) {
    return malformed_safetensors(concat("__metadata__ has the key \"", *key, "\" twice"),
                                 kSafetensorsPrefix);
  }
  return {};
}

/// Every tensor's bytes must follow from its shape, and all of them must tile the data exactly.
Result<void> check_ranges(std::vector<SafetensorsEntry> &entries, uint64_t data_start,
                          uint64_t file_size) {
  sort(entries, [](const auto &a, const auto &b) {
    return a.offset != b.offset ? a.offset < b.offset : a.bytes < b.bytes;
  });
  uint64_t position = 0;
  for (SafetensorsEntry &entry : entries) {
    const auto elements = checked_product(entry.shape);
    const auto bits = elements ? checked_mul(*elements, dtype_bits(entry.dtype)) : std::nullopt;
    if (!bits || *bits % 8 != 0 || *bits / 8 != entry.bytes) {
      return malformed_safetensors(
          concat("tensor \"", entry.name, "\" of shape ", shape_text(entry.shape), " and dtype ",
                 dtype_name(entry.dtype), " cannot have ", entry.bytes, " bytes"),
          kSafetensorsPrefix, entry.name);
    }
    if (entry.offset != position) {
      return malformed_safetensors(
          concat("tensor \"", entry.name, "\" begins at ", entry.offset, " of the data where ",
                 position, " was expected (tensors must neither overlap nor leave holes)"),
          data_start, entry.name);
    }
    position += entry.bytes; // no overflow: each is at most its end offset, and those are u64
    entry.offset += data_start;
  }
  const uint64_t expected = data_start + position;
  if (expected < position || expected > file_size) {
    return Error{ErrorCode::kFileTruncated,
                 concat("The file has ", file_size, " bytes, but its header describes ", position,
                        " bytes of tensors after ", data_start, " bytes of header."),
                 "Download or copy the file again: it is incomplete.",
                 {},
                 file_size};
  }
  if (expected < file_size) {
    return malformed_safetensors(concat("the file has ", file_size - expected,
                                        " bytes after its last tensor, which ends at ", expected),
                                 expected);
  }
  return {};
}

} // namespace

bool looks_like_safetensors(std::span<const uint8_t> head, uint64_t file_size) {
  if (head.size() <= kSafetensorsPrefix) {
    return false;
  }
  const auto length = load_le<uint64_t>(head.data());
  const uint8_t first = head[kSafetensorsPrefix];
  const bool json = first == '{' || first == ' ' || first == '\n' || first == '\r' || first == '\t';
  return json && length <= kMaxHeaderBytes && length <= file_size - kSafetensorsPrefix;
}

Result<Parsed<SafetensorsFile>> read_safetensors(const ByteWindow &window) {
  using Step = Parsed<SafetensorsFile>;
  const uint64_t size = window.file_size();
  if (size < kSafetensorsPrefix) {
    return Error{ErrorCode::kFileTruncated,
                 concat("A safetensors file has at least 8 bytes, this one has ", size, "."),
                 "Download or export the file again.",
                 {},
                 size};
  }
  const auto prefix = window.find(0, kSafetensorsPrefix);
  if (!prefix) {
    return Step(Needs{{0, std::min(size, kFirstRead)}});
  }
  const auto length = load_le<uint64_t>(prefix->data());
  if (length > kMaxHeaderBytes) {
    return malformed_safetensors(
        concat("the header claims ", length, " bytes, the format allows ", kMaxHeaderBytes), 0);
  }
  if (length > size - kSafetensorsPrefix) {
    return Error{ErrorCode::kFileTruncated,
                 concat("The header claims ", length, " bytes, but the file has only ", size, "."),
                 "Download or copy the file again: it is incomplete.",
                 {},
                 0};
  }
  const auto header = window.find(kSafetensorsPrefix, length);
  if (!header) {
    return Step(Needs{{0, kSafetensorsPrefix + length}});
  }
  auto parsed = parse_safetensors_header(*header);
  if (!parsed) {
    return parsed.error();
  }
  SafetensorsFile file = std::move(parsed.value());
  if (auto unique = check_unique(file); !unique) {
    return unique.error();
  }
  if (auto ranges = check_ranges(file.entries, kSafetensorsPrefix + length, size); !ranges) {
    return ranges.error();
  }
  return Step(std::move(file));
}

} // namespace monoquant::container
