#include <algorithm>
#include <numeric>

#include "monoquant/base/bytes.h"
#include "monoquant/base/json.h"
#include "monoquant/base/text.h"
#include "monoquant/container/safetensors.h"

namespace monoquant::container {
namespace {

std::string entry_json(const SafetensorsEntry &entry, uint64_t begin) {
  std::string text =
      concat(json_text(entry.name), R"(:{"dtype":")", dtype_name(entry.dtype), R"(","shape":[)");
  for (size_t i = 0; i < entry.shape.size(); ++i) {
    text += concat(i == 0 ? "" : ",", entry.shape[i]);
  }
  return text + concat(R"(],"data_offsets":[)", begin, ",", begin + entry.bytes, "]}");
}

std::string metadata_json(Metadata metadata) {
  std::sort(metadata.begin(), metadata.end());
  std::string text = R"("__metadata__":{)";
  for (size_t i = 0; i < metadata.size(); ++i) {
    text +=
        concat(i == 0 ? "" : ",", json_text(metadata[i].first), ":", json_text(metadata[i].second));
  }
  return text + "}";
}

} // namespace

Result<SafetensorsLayout> layout_safetensors(const Metadata &metadata,
                                             std::vector<SafetensorsEntry> &entries) {
  SafetensorsLayout layout;
  layout.order.resize(entries.size());
  std::iota(layout.order.begin(), layout.order.end(), size_t{0});
  std::sort(layout.order.begin(), layout.order.end(), [&](size_t a, size_t b) {
    const SafetensorsEntry &left = entries[a];
    const SafetensorsEntry &right = entries[b];
    return left.dtype != right.dtype ? left.dtype > right.dtype : left.name < right.name;
  });

  std::string json = "{";
  if (!metadata.empty()) {
    json += metadata_json(metadata);
  }
  uint64_t position = 0;
  for (const size_t index : layout.order) {
    if (json.size() > 1) {
      json += ",";
    }
    json += entry_json(entries[index], position);
    entries[index].offset = position;
    position += entries[index].bytes;
  }
  json += "}";
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
