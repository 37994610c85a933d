// Between rows of values and the bytes of the streams that hold them.
// It exists so that a run moves rows and bytes, and only the layout knows how the one become the other.
// Codecs keep no state of a run: one serves all threads.
#pragma once

#include <cstdint>
#include <span>

#include "monoquant/layout/stored.h"
#include "monoquant/quant/error_sums.h"
#include "monoquant/quant/qparams.h"
#include "monoquant/quant/values.h"

namespace monoquant::layout {

/// Writes one tensor. Its first stream is written row by row; the others when the scales of a band of rows are known.
class RowCodec {
public:
  RowCodec() = default;
  virtual ~RowCodec() = default;
  RowCodec(const RowCodec &) = delete;
  RowCodec &operator=(const RowCodec &) = delete;

  /// Rows that a band must be a multiple of; the rows of one matrix where no number of rows would do.
  [[nodiscard]] virtual uint64_t row_quantum() const { return 1; }
  /// Bytes of the first stream for a row's first columns: for all of them, or a multiple of 16384.
  [[nodiscard]] virtual uint64_t row_bytes(uint64_t columns) const = 0;
  /// Bytes of all other streams together, of so many rows at most.
  [[nodiscard]] virtual uint64_t most_band_bytes(uint64_t rows) const = 0;

  /// Stores `count` scopes of `size` values each, one after the other in one row, as the codes nearest to them. `qparams`
  /// are theirs. Errors are those of what is stored. Returns the end of what was written; what is left of `row_bytes` is
  /// to be zero.
  virtual uint8_t *encode(const quant::Values &values, size_t size, size_t count,
                          const quant::QparamsArrays &qparams, uint8_t *to,
                          quant::ErrorSums &sums) const = 0;

  /// Where a row begins in stream 1, 2, …: only rows that begin a band are asked for.
  [[nodiscard]] virtual uint64_t band_offset(size_t stream, uint64_t row) const = 0;
  /// Stores what stream 1, 2, … has of a band that begins at `row` (counted over all matrices). `qparams`: those of its
  /// scopes. Returns the end of what was written.
  virtual uint8_t *encode_band(size_t stream, uint64_t row, const quant::QparamsArrays &qparams,
                               uint8_t *to) const = 0;
};

} // namespace monoquant::layout
