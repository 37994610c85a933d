// Some elements of one tensor of any of several files, read part by part and kept whole.
// It exists for layers that are executed: they need codes with their scales, and more than one part at a time.
// What is kept does not depend on blocks or parts; whoever asks bounds its size.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "monoquant/catalog/catalog.h"
#include "monoquant/run/tensor_reader.h"

namespace monoquant::run {

/// What is to be read.
struct ElementRange {
  uint32_t source = 0; // which file
  const catalog::Tensor *tensor = nullptr;
  uint64_t begin = 0; // elements, at least one
  uint64_t end = 0;
  bool values = true;
  uint64_t group =
      0; // codes, too, with a scale for every `group` elements; 0: no codes. A divisor of Codes::scope
};

struct Elements {
  std::vector<float> values;
  std::vector<int8_t> codes;        // unsigned ones less 128
  std::vector<float> scales;        // one a group
  std::vector<int32_t> zero_points; // the same; of unsigned codes less 128
};

class ElementReader {
public:
  static constexpr size_t kSources = 3;

  /// Catalogs by the number of their file, or nothing.
  ElementReader(const std::array<const catalog::Catalog *, kSources> &catalogs, size_t block_bytes);

  /// Values are those of dtypes that can be quantized, and of I8.
  void begin(const ElementRange &range);

  /// The next read; nothing when the stretch is complete.
  std::optional<ByteRange> next();
  Result<void> fill(std::span<const uint8_t> bytes);

  Elements &elements() { return elements_; }

private:
  TensorReader &reader() { return *readers_[range_.source]; }
  void begin_part();
  void finish_part();

  std::array<std::optional<TensorReader>, kSources> readers_;
  ElementRange range_;
  Elements elements_;
  uint64_t begin_ = 0; // the part at work
  uint64_t end_ = 0;
};

} // namespace monoquant::run
