#include <algorithm>
#include <functional>
#include <numeric>

#include "monoquant/base/bytes.h"
#include "monoquant/base/json_writer.h"
#include "monoquant/base/sort.h"
#include "monoquant/base/text.h"
#include "monoquant/container/safetensors.h"

namespace monoquant::container {
namespace {

void write_entry(JsonWriter &json, const SafetensorsEntry &entry, uint64_t begin) {
  json.key(entry.name).begin_object();
  json.member("dtype", dtype_name(entry.dtype));
  json.member("shape", entry.shape);
  json.key("data_offsets").row(begin, begin + entry.bytes);
  json.end();
}

void write_metadata(JsonWriter &json, Metadata metadata) {
  sort(metadata, std::less<>());
  json.key("__metadata__").begin_object();
  for (const auto &[key, value] : metadata) {
    json.key(key).value(value);
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

  JsonWriter header;
  header.begin_object();
  if (!metadata.empty()) {
    write_metadata(header, metadata);
  }
  uint64_t position = 0;
  for (const size_t index : layout.order) {
    write_entry(header, entries[index], position);
    entries[index].offset = position;
    position += entries[index].bytes;
  }
  header.end();
  std::string json = header.take();
  json.append((8 - json.size() % 8) % 8, ' ');
  if (json.size() > kMaxHeaderBytes) {
    return Error{ErrorCode::kLimitExceeded,
                 concat("The output's header would have ", json.size(),
                        " bytes; the safetensors format allows ", kMaxHeaderBytes, "."),
                 "Split the checkpoint into several files.",
                 {},
                 {}};
  }

  layout.header.resize(kSafetensorsPrefix);
  store_le<uint64_t>(reinterpret_cast<uint8_t *>(layout.header.data()), json.size());
  layout.header += json;
  for (SafetensorsEntry &entry : entries) {
    entry.offset += layout.header.size();
  }
  layout.file_bytes = layout.header.size() + position;
  return layout;
}

} // namespace monoquant::container
