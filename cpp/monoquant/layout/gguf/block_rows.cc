#include "monoquant/layout/gguf/block_rows.h"

#include <algorithm>
#include <cmath>

#include "monoquant/layout/gguf/decode.h"
#include "monoquant/layout/gguf/encode.h"
#include "monoquant/layout/gguf/search.h"
#include "monoquant/quant/values.h"

namespace monoquant::layout::gguf {
namespace {

/// Values that are decoded at once, to see what was lost: whole blocks of every type.
constexpr size_t kChecked = 16384;

class BlockRowCodec final : public RowCodec {
public:
  explicit BlockRowCodec(const Stored &stored)
      : rows_(*stored.blocks), facts_(facts_of(rows_.type)), columns_(stored.columns) {}

  [[nodiscard]] uint64_t row_quantum() const override {
    return rows_.change == RowChange::kInterleave ? rows_.head_rows : 1;
  }
  [[nodiscard]] uint64_t row_bytes(uint64_t columns) const override {
    return columns / facts_.values * facts_.bytes;
  }
  [[nodiscard]] uint64_t most_band_bytes(uint64_t /*rows*/) const override { return 0; }
  [[nodiscard]] uint64_t band_offset(size_t /*stream*/, uint64_t row) const override {
    return row * row_bytes(columns_);
  }
  /// Rows that change places do so when all of their heads are there.
  [[nodiscard]] bool is_turned() const override { return rows_.change == RowChange::kInterleave; }
  uint8_t *turn(uint64_t /*row*/, std::span<const uint8_t> rows, uint8_t *to) const override {
    const auto bytes = static_cast<size_t>(row_bytes(columns_));
    const auto half = static_cast<size_t>(rows_.head_rows / 2);
    for (size_t row = 0; row < rows.size() / bytes; ++row) {
      const size_t in_head = row % (2 * half);
      const size_t place = row - in_head + in_head % half * 2 + in_head / half;
      std::copy_n(rows.begin() + static_cast<std::ptrdiff_t>(row * bytes), bytes,
                  to + place * bytes);
    }
    return to + rows.size();
  }
  uint8_t *encode_band(size_t /*stream*/, uint64_t /*row*/, const quant::QparamsArrays & /*of*/,
                       uint8_t *to) const override {
    return to;
  }
  uint8_t *encode(const quant::Values & /*values*/, size_t /*size*/, size_t /*count*/,
                  const quant::QparamsArrays & /*qparams*/, uint8_t *to,
                  quant::ErrorSums & /*sums*/) const override {
    return to; // there are no scales to choose before: see encode_blocks
  }

  bool encode_blocks(std::span<const float> values, size_t columns,
                     std::span<const float> importance, uint8_t *to,
                     quant::ErrorSums &sums) const override {
    std::vector<float> changed;
    if (rows_.change == RowChange::kAddOne) {
      changed.assign(values.begin(), values.end());
      for (float &value : changed) {
        value += 1.0F;
      }
      values = changed;
    }
    bool is_finite = true;
    std::vector<float> stored(std::min(columns, kChecked));
    const auto bytes = static_cast<size_t>(row_bytes(columns));
    for (size_t at = 0; at < values.size(); at += columns, to += bytes) {
      const std::span row = values.subspan(at, columns);
      const auto encode = rows_.is_searched ? search_row : encode_row;
      const bool is_encoded = encode(rows_.type, row, importance, {to, bytes}).has_value();
      is_finite = is_finite && is_encoded && add_errors(row, importance, {to, bytes}, stored, sums);
    }
    return is_finite;
  }

private:
  /// False if what is stored is not finite.
  bool add_errors(std::span<const float> row, std::span<const float> importance,
                  std::span<const uint8_t> bytes, std::span<float> scratch,
                  quant::ErrorSums &sums) const {
    for (size_t at = 0; at < row.size(); at += scratch.size()) {
      const size_t count = std::min(scratch.size(), row.size() - at);
      const std::span stored = scratch.first(count);
      const auto from = static_cast<size_t>(row_bytes(at));
      const auto length = static_cast<size_t>(row_bytes(count));
      if (!decode_blocks(rows_.type, bytes.subspan(from, length), stored)) {
        return false;
      }
      const std::span values = row.subspan(at, count);
      quant::ErrorSums lost = quant::exact_errors(values, std::span<const float>(stored));
      if (!std::isfinite(lost.noise)) {
        return rows_.type == BlockType::kF32; // nothing is lost, whatever it is
      }
      for (size_t i = 0; i < count && !importance.empty(); ++i) {
        const double weight = importance[at + i];
        const double error = double{values[i]} - double{stored[i]};
        lost.output.signal += weight * values[i] * values[i];
        lost.output.noise += weight * error * error;
      }
      sums.add(lost);
    }
    return true;
  }

  BlockRows rows_;
  const BlockFacts &facts_;
  uint64_t columns_;
};

} // namespace

std::unique_ptr<RowCodec> make_block_rows(const Stored &stored) {
  return std::make_unique<BlockRowCodec>(stored);
}

std::vector<Stream> block_streams(const catalog::Tensor &tensor, const Stored &stored) {
  const BlockFacts &facts = facts_of(stored.blocks->type);
  Stream stream{Written::kByRow, tensor.name, Dtype::kF32, tensor.shape};
  if (!stream.shape.empty() && tensor.elements > 0) { // perhaps only its first rows are kept
    const uint64_t others = tensor.elements / tensor.shape.front();
    stream.shape.front() = stored.matrices * stored.rows * stored.columns / others;
  }
  stream.blocks = &facts;
  return {std::move(stream)};
}

} // namespace monoquant::layout::gguf
