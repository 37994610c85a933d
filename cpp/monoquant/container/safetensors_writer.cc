#include <algorithm>
#include <numeric>

#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"
#include "monoquant/base/json_writer.h"
#include "monoquant/base/sort.h"
#include "monoquant/base/text.h"
#include "monoquant/container/safetensors.h"

namespace monoquant::container {
namespace {

struct ByteCount final : JsonWriter::Sink {
  size_t bytes = 0;

  void take(std::string_view piece) override { bytes += piece.size(); }
};

void write_entry(JsonWriter &json, const SafetensorsEntry &entry, uint64_t begin) {
  json.key(entry.name).begin_object();
  json.member("dtype", dtype_name(entry.dtype));
  json.member("shape", entry.shape);
  json.key("data_offsets").row(begin, begin + entry.bytes);
  json.end();
}

void write_metadata(JsonWriter &json, const Metadata &metadata) {
  std::vector<const Metadata::value_type *> sorted;
  sorted.reserve(metadata.size());
  for (const auto &note : metadata) {
    sorted.push_back(&note);
  }
  sort(sorted, [](const auto *a, const auto *b) { return *a < *b; });
  json.key("__metadata__").begin_object();
  for (const auto *note : sorted) {
    json.key(note->first).value(note->second);
  }
  json.end();
}

void write_header(JsonWriter &json, const Metadata &metadata,
                  const std::vector<SafetensorsEntry> &entries, const std::vector<size_t> &order) {
  json.begin_object();
  if (!metadata.empty()) {
    write_metadata(json, metadata);
  }
  uint64_t position = 0;
  for (const size_t index : order) {
    write_entry(json, entries[index], position);
    position += entries[index].bytes;
  }
  json.end();
}

} // namespace

Result<SafetensorsLayout> layout_safetensors(const Metadata &metadata,
                                             std::vector<SafetensorsEntry> &entries) {
  SafetensorsLayout layout;
  layout.order.resize(entries.size());
  std::iota(layout.order.begin(), layout.order.end(), size_t{0});
  sort(layout.order, [&](size_t a, size_t b) {
    const SafetensorsEntry &left = entries[a];
    const SafetensorsEntry &right = entries[b];
    return left.dtype != right.dtype ? left.dtype > right.dtype : left.name < right.name;
  });

  // Counted first: a text of many names that grows would be in memory three times.
  ByteCount count;
  JsonWriter counter(count);
  write_header(counter, metadata, entries, layout.order);
  counter.finish();
  const size_t bytes = count.bytes;
  const auto padded = static_cast<size_t>(divide_up(bytes, 8) * 8);
  if (padded > kMaxHeaderBytes) {
    return Error{ErrorCode::kLimitExceeded,
                 concat("The output's header would have ", padded,
                        " bytes; the safetensors format allows ", kMaxHeaderBytes, "."),
                 "Split the checkpoint into several files.",
                 {},
                 {}};
  }
  JsonWriter header;
  header.reserve(kSafetensorsPrefix + padded);
  write_header(header, metadata, entries, layout.order);
  layout.header = header.take();
  layout.header.append(padded - bytes, ' ');
  layout.header.insert(0, kSafetensorsPrefix, '\0');
  store_le<uint64_t>(reinterpret_cast<uint8_t *>(layout.header.data()), padded);
  uint64_t position = layout.header.size();
  for (const size_t index : layout.order) {
    entries[index].offset = position;
    position += entries[index].bytes;
  }
  layout.file_bytes = position;
  return layout;
}

} // namespace monoquant::container
