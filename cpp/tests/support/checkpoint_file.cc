#include "support/checkpoint_file.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "monoquant/container/deflate.h"
#include "monoquant/container/tar.h"
#include "monoquant/container/zip.h"

namespace monoquant::test {
namespace {

using Bytes = std::vector<uint8_t>;
using Reader = Result<Parsed<torch::Checkpoint>> (*)(const ByteWindow &, const torch::Choice &);

Reader reader_for(const Bytes &file) {
  if (container::looks_like_zip(file)) {
    return torch::read_zip_checkpoint;
  }
  const auto head = std::span(file).first(std::min<size_t>(file.size(), 512));
  return container::looks_like_tar(head) ? torch::read_tar_checkpoint
                                         : torch::read_legacy_checkpoint;
}

std::optional<Bytes> storage_bytes(const Bytes &file, const torch::Storage &storage) {
  if (!storage.literal.empty()) {
    return storage.literal;
  }
  if (storage.offset > file.size() || storage.stored_bytes > file.size() - storage.offset) {
    return std::nullopt;
  }
  const auto *begin = file.data() + storage.offset;
  Bytes stored(begin, begin + storage.stored_bytes);
  if (storage.deflated) {
    Bytes content(storage.bytes);
    container::Inflater inflater;
    const auto step = inflater.inflate(stored, content);
    if (!step || step.value().produced != content.size() ||
        (!step.value().done && step.value().consumed != stored.size())) {
      return std::nullopt;
    }
    stored = std::move(content);
  }
  if (storage.crc32 && container::crc32(0, stored) != *storage.crc32) {
    return std::nullopt;
  }
  return stored;
}

/// Flips the sign of a float of 2, 4 or 8 bytes.
void flip_sign(uint8_t *value, size_t width) { value[width - 1] ^= 0x80U; }

/// One element after it has been copied out: byte order first, then signs.
void finish_element(uint8_t *element, size_t width, const torch::Tensor &tensor, bool big_endian) {
  const bool is_complex =
      tensor.dtype == Dtype::kC32 || tensor.dtype == Dtype::kC64 || tensor.dtype == Dtype::kC128;
  const size_t part = is_complex ? width / 2 : width;
  for (size_t i = 0; big_endian && i < width; i += part) {
    std::reverse(element + i, element + i + part);
  }
  if (tensor.negative) {
    for (size_t i = 0; i < width; i += part) {
      flip_sign(element + i, part);
    }
  }
  if (tensor.conjugate) {
    flip_sign(element + part, part);
  }
}

} // namespace

OpenedCheckpoint open_checkpoint(const Bytes &file, const torch::Choice &choice) {
  ByteWindow window(file.size());
  OpenedCheckpoint opened{Error{}, 0, 0};
  const Reader read = reader_for(file);
  constexpr size_t kMaxRounds = 10'000;
  while (true) {
    auto parsed = read(window, choice);
    if (!parsed) {
      opened.checkpoint = parsed.error();
      return opened;
    }
    const Needs *needs = std::get_if<Needs>(&parsed.value());
    if (needs == nullptr) {
      opened.checkpoint = std::move(*std::get_if<torch::Checkpoint>(&parsed.value()));
      return opened;
    }
    if (++opened.rounds > kMaxRounds || needs->empty()) {
      std::abort(); // a reader that makes no progress
    }
    for (const Need &need : *needs) {
      if (!window.contains(need.offset, need.length)) {
        std::abort(); // it asks for what is not there
      }
      const auto *begin = file.data() + need.offset;
      window.add(need.offset, Bytes(begin, begin + need.length));
      opened.fetched += need.length;
    }
  }
}

std::optional<Bytes> tensor_bytes(const Bytes &file, const torch::Checkpoint &checkpoint,
                                  const torch::Tensor &tensor) {
  const auto storage = storage_bytes(file, checkpoint.storages.at(tensor.storage));
  if (!storage) {
    return std::nullopt;
  }
  const size_t width = dtype_bits(tensor.dtype) / 8;
  uint64_t elements = 1;
  for (const uint64_t extent : tensor.shape) {
    elements *= extent;
  }
  Bytes bytes(elements * width);
  for (uint64_t i = 0; i < elements; ++i) {
    uint64_t rest = i;
    uint64_t element = tensor.first;
    for (size_t dimension = tensor.shape.size(); dimension-- > 0;) {
      element += rest % tensor.shape[dimension] * tensor.strides[dimension];
      rest /= tensor.shape[dimension];
    }
    if ((element + 1) * width > storage->size()) {
      return std::nullopt;
    }
    std::memcpy(&bytes[i * width], &(*storage)[element * width], width);
    finish_element(&bytes[i * width], width, tensor, checkpoint.big_endian);
  }
  return bytes;
}

std::optional<torch::Danger> danger_in(const torch::Checkpoint &checkpoint, std::string_view module,
                                       std::string_view name) {
  for (const torch::Global &global : checkpoint.globals) {
    if (global.module == module && global.name == name) {
      return global.danger;
    }
  }
  return std::nullopt;
}

} // namespace monoquant::test
