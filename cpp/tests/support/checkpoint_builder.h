// Checkpoints made by hand: pickles from Python-like calls, in a zip archive or in the old stream.
// It exists for what PyTorch writes seldom or never, and so must be made up.
// Pickles are of protocol 2, as torch.save has it, but without a memo: every value is written where it is used.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace monoquant::test {

/// A piece of a pickle that leaves one value on the stack.
using Py = std::string;

Py py_none();
Py py_bool(bool value);
Py py_int(int64_t value);
Py py_float(double value);
Py py_text(std::string_view text);
Py py_tuple(const std::vector<Py> &elements);
Py py_list(const std::vector<Py> &elements);
Py py_dict(const std::vector<std::pair<Py, Py>> &entries);
Py py_global(std::string_view module, std::string_view name);
Py py_call(const Py &callable, const std::vector<Py> &arguments);
/// NEWOBJ without arguments, then BUILD.
Py py_object(const Py &type, const Py &state);
/// A call whose result then gets entries, as OrderedDict does.
Py py_with_items(const Py &object, const std::vector<std::pair<Py, Py>> &entries);
Py py_persistent(const Py &id);

/// {"a": …, "b": …}
Py py_text_dict(const std::vector<std::pair<std::string, Py>> &entries);
/// ("storage", torch.<type>Storage, key, "cpu", units)
Py py_storage(std::string_view type, std::string_view key, int64_t units);
/// A tensor of the whole storage, contiguous.
Py py_tensor(std::string_view key, const std::vector<int64_t> &shape,
             std::string_view type = "Float");
/// _rebuild_tensor_v2 of anything.
Py py_view(const Py &storage, int64_t first, const std::vector<int64_t> &shape,
           const std::vector<int64_t> &strides);
Py py_ints(const std::vector<int64_t> &values);

using Records = std::vector<std::pair<std::string, std::string>>;

std::string finish_pickle(const Py &root, int protocol = 2);
/// A zip archive "archive/": data.pkl, and the records with their names.
std::vector<uint8_t> zip_checkpoint(const Py &root, const Records &records);
/// The old stream. `storages`: key, elements and bytes of each.
struct LegacyRecord {
  std::string key;
  uint64_t elements = 0;
  std::string bytes;
};
std::vector<uint8_t> legacy_checkpoint(const Py &root, const std::vector<LegacyRecord> &storages);
std::vector<uint8_t> tar_archive(const Records &members);

/// n, n + 1, … as little-endian f32.
std::string floats_from(int first, size_t count);
std::string le_bytes(uint64_t value, size_t width);

} // namespace monoquant::test
