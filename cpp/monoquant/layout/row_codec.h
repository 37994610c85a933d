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

/// What a stream has of a band: pieces of the same size, whose beginnings are so many bytes apart.
struct Pieces {
  uint64_t count = 1;
  uint64_t apart = 0;
};

//   rows of ours          a turned stream: the same matrix on its side
//   0 |---- columns ----|      0         outputs
//   1 |                 |      |  |##|       |   A band of rows is a strip of the stream: one piece
//   2 |#################|      |  |##|       |   in each of its rows.
//   3 |#################|      |  |##|       |
//   4 |                 |      |  |##|       |

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

  /// Called when all scales of a tensor are known before its first code: what is kept of them may go into the zero points
  /// of codes that have none.
  virtual void settle(const quant::QparamsArrays & /*qparams*/) const {}

  /// Stores `count` scopes of `size` values each, one after the other in one row, as the codes nearest to them. `qparams`
  /// are theirs. Errors are those of what is stored. Returns the end of what was written; what is left of `row_bytes` is
  /// to be zero.
  virtual uint8_t *encode(const quant::Values &values, size_t size, size_t count,
                          const quant::QparamsArrays &qparams, uint8_t *to,
                          quant::ErrorSums &sums) const = 0;

  /// Where `Stored` has blocks, whose scales the layout chooses itself: stores whole rows of so many values, one after the
  /// other. `importance`: of each column, or empty. Errors are those of what is stored. False if something of that is not
  /// finite.
  virtual bool encode_blocks(std::span<const float> /*values*/, size_t /*columns*/,
                             std::span<const float> /*importance*/, uint8_t * /*to*/,
                             quant::ErrorSums & /*sums*/) const {
    return false;
  }

  /// Whether all streams hold rows as columns. The first one is then written when a band is complete, too, and what
  /// `encode` makes of rows is only held until then.
  [[nodiscard]] virtual bool is_turned() const { return false; }
  /// Turned: what the first stream has of a band that begins at `row`, piece by piece. `rows`: what `encode` has made of
  /// it, `row_bytes` each. Returns the end of what was written, which is as large as `rows` at most.
  virtual uint8_t *turn(uint64_t /*row*/, std::span<const uint8_t> /*rows*/, uint8_t *to) const {
    return to;
  }
  /// How a stream holds a band.
  [[nodiscard]] virtual Pieces pieces(size_t /*stream*/) const { return {}; }

  /// Where a row begins in stream 1, 2, …, of a turned one in any: only rows that begin a band are asked for.
  [[nodiscard]] virtual uint64_t band_offset(size_t stream, uint64_t row) const = 0;
  /// Stores what stream 1, 2, … has of a band that begins at `row` (counted over all matrices), piece by piece.
  /// `qparams`: those of its scopes. Returns the end of what was written.
  virtual uint8_t *encode_band(size_t stream, uint64_t row, const quant::QparamsArrays &qparams,
                               uint8_t *to) const = 0;
};

} // namespace monoquant::layout
