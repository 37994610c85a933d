#include "support/checkpoint_builder.h"

#include <bit>
#include <cstdio>

#include "monoquant/base/text.h"
#include "support/zip_file.h"

namespace monoquant::test {
namespace {

Py entries_of(const std::vector<std::pair<Py, Py>> &entries) {
  Py text = "(";
  for (const auto &[key, value] : entries) {
    text += key + value;
  }
  return text + "u";
}

std::vector<uint8_t> text_bytes(std::string_view text) { return {text.begin(), text.end()}; }

} // namespace

std::string le_bytes(uint64_t value, size_t width) {
  std::string text;
  for (size_t i = 0; i < width; ++i) {
    text += static_cast<char>(static_cast<uint8_t>(value >> (8 * i)));
  }
  return text;
}

Py py_none() { return "N"; }
Py py_bool(bool value) { return value ? "\x88" : "\x89"; }
Py py_int(int64_t value) { return "\x8a\x08" + le_bytes(static_cast<uint64_t>(value), 8); }
Py py_float(double value) {
  Py text = "G";
  const auto bits = std::bit_cast<uint64_t>(value);
  for (size_t i = 8; i-- > 0;) {
    text += static_cast<char>(static_cast<uint8_t>(bits >> (8 * i)));
  }
  return text;
}
Py py_text(std::string_view text) { return "X" + le_bytes(text.size(), 4) + std::string(text); }

Py py_tuple(const std::vector<Py> &elements) {
  Py text = "(";
  for (const Py &element : elements) {
    text += element;
  }
  return text + "t";
}

Py py_list(const std::vector<Py> &elements) {
  Py text = "](";
  for (const Py &element : elements) {
    text += element;
  }
  return text + "e";
}

Py py_dict(const std::vector<std::pair<Py, Py>> &entries) { return "}" + entries_of(entries); }
Py py_global(std::string_view module, std::string_view name) {
  return concat("c", module, "\n", name, "\n");
}
Py py_call(const Py &callable, const std::vector<Py> &arguments) {
  return callable + py_tuple(arguments) + "R";
}
Py py_object(const Py &type, const Py &state) { return type + ")\x81" + state + "b"; }
Py py_with_items(const Py &object, const std::vector<std::pair<Py, Py>> &entries) {
  return object + entries_of(entries);
}
Py py_persistent(const Py &id) { return id + "Q"; }

Py py_text_dict(const std::vector<std::pair<std::string, Py>> &entries) {
  std::vector<std::pair<Py, Py>> coded;
  for (const auto &[key, value] : entries) {
    coded.emplace_back(py_text(key), value);
  }
  return py_dict(coded);
}

Py py_storage(std::string_view type, std::string_view key, int64_t units) {
  return py_persistent(py_tuple({py_text("storage"), py_global("torch", concat(type, "Storage")),
                                 py_text(key), py_text("cpu"), py_int(units)}));
}

Py py_ints(const std::vector<int64_t> &values) {
  std::vector<Py> coded;
  for (const int64_t value : values) {
    coded.push_back(py_int(value));
  }
  return py_tuple(coded);
}

Py py_view(const Py &storage, int64_t first, const std::vector<int64_t> &shape,
           const std::vector<int64_t> &strides) {
  return py_call(py_global("torch._utils", "_rebuild_tensor_v2"),
                 {storage, py_int(first), py_ints(shape), py_ints(strides), py_bool(false),
                  py_call(py_global("collections", "OrderedDict"), {})});
}

Py py_tensor(std::string_view key, const std::vector<int64_t> &shape, std::string_view type) {
  std::vector<int64_t> strides(shape.size());
  int64_t elements = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = elements;
    elements *= shape[i];
  }
  return py_view(py_storage(type, key, elements), 0, shape, strides);
}

std::string finish_pickle(const Py &root, int protocol) {
  return "\x80" + std::string(1, static_cast<char>(protocol)) + root + ".";
}

std::vector<uint8_t> zip_checkpoint(const Py &root, const Records &records) {
  std::vector<ZipEntry> entries = {
      stored_entry("archive/data.pkl", text_bytes(finish_pickle(root)))};
  for (const auto &[name, content] : records) {
    entries.push_back(stored_entry("archive/" + name, text_bytes(content)));
  }
  return make_zip(entries);
}

std::vector<uint8_t> legacy_checkpoint(const Py &root, const std::vector<LegacyRecord> &storages) {
  std::vector<Py> keys;
  std::string data;
  for (const LegacyRecord &storage : storages) {
    keys.push_back(py_text(storage.key));
    data += le_bytes(storage.elements, 8) + storage.bytes;
  }
  const std::string magic("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 12);
  return text_bytes(finish_pickle(magic) + finish_pickle(py_int(1001)) +
                    finish_pickle(py_text_dict({{"little_endian", py_bool(true)}})) +
                    finish_pickle(root) + finish_pickle(py_list(keys)) + data);
}

std::vector<uint8_t> tar_archive(const Records &members) {
  constexpr size_t kBlock = 512;
  constexpr size_t kChecksum = 148;
  std::string archive;
  for (const auto &[name, content] : members) {
    std::string header(kBlock, '\0');
    header.replace(0, name.size(), name);
    header.replace(100, 8, std::string("0000644\0", 8));
    char size[12] = {};
    std::snprintf(size, sizeof(size), "%011o", static_cast<unsigned>(content.size()));
    header.replace(124, 11, size);
    header.replace(136, 11, "00000000000");
    header.replace(kChecksum, 8, "        ");
    header[156] = '0';
    header.replace(257, 8,
                   std::string("ustar\0"
                               "00",
                               8));
    unsigned sum = 0;
    for (const char byte : header) {
      sum += static_cast<uint8_t>(byte);
    }
    char checksum[8] = {};
    std::snprintf(checksum, sizeof(checksum), "%06o", sum);
    header.replace(kChecksum, 7, std::string(checksum, 7));
    archive += header + content + std::string((kBlock - content.size() % kBlock) % kBlock, '\0');
  }
  return text_bytes(archive + std::string(2 * kBlock, '\0'));
}

std::string floats_from(int first, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    text += le_bytes(std::bit_cast<uint32_t>(static_cast<float>(first + static_cast<int>(i))), 4);
  }
  return text;
}

} // namespace monoquant::test
