// What a band has left in an output, and the text of it.
// It exists so that another run, or another machine, can take the band for done: it knows where its bytes stand, what
// their checksums are, and what was lost in it.
// Of the text nothing is believed: whoever takes a record compares the bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "monoquant/base/json_name.h"
#include "monoquant/base/json_writer.h"
#include "monoquant/layout/row_codec.h"
#include "monoquant/quant/error_sums.h"

namespace monoquant::run {

/// Bytes of the output that belong together, with their checksums: a run of them, or pieces of the same size, whose
/// beginnings are so many bytes apart.
struct WrittenRange {
  uint64_t offset = 0;
  uint64_t bytes = 0; // of all pieces
  uint64_t digest = 0;
  size_t tensor = kHeader; // index of a TensorPlan
  uint32_t crc32 = 0;      // where the container wants one
  bool is_read_back = false;
  layout::Pieces pieces = {};

  [[nodiscard]] uint64_t piece_bytes() const { return bytes / pieces.count; }
  /// Where its byte `at` stands.
  [[nodiscard]] uint64_t offset_of(uint64_t at) const {
    return pieces.count == 1 ? offset + at
                             : offset + at / piece_bytes() * pieces.apart + at % piece_bytes();
  }
  /// Bytes that follow one another from byte `at` on.
  [[nodiscard]] uint64_t run_from(uint64_t at) const {
    return pieces.count == 1 ? bytes - at : piece_bytes() - at % piece_bytes();
  }

  static constexpr size_t kHeader = ~size_t{0};
};

/// Errors of the values in one band.
struct BandErrors {
  size_t tensor = 0; // index of a TensorPlan
  uint64_t band = 0; // of this tensor
  quant::ErrorSums sums;
  uint64_t edge_scales = 0; // see UnitResult
};

/// CRC-32 of one band of the source, where the container has one of the whole tensor.
struct SourceCrc {
  size_t tensor = 0; // index of a TensorPlan
  uint64_t band = 0;
  uint32_t crc32 = 0;
  uint64_t bytes = 0;
  uint32_t of_tensor = 0; // as its container says
};

struct BandRecord {
  size_t tensor =
      WrittenRange::kHeader; // index of a TensorPlan; kHeader: what comes before all bands
  uint64_t band = 0;
  std::vector<WrittenRange> ranges = {};
  std::optional<BandErrors> errors = {};
  std::optional<SourceCrc> crc = {};
};

/// One row: [tensor, band, ranges, errors, crc]. tensor: null for kHeader; ranges: [offset, bytes, digest, crc32], the
/// digest in hexadecimal, because numbers of JavaScript are shorter, and, of several pieces, [.., pieces, apart]; errors: [signal, noise, peak, edges, signal and noise of outputs] or null, a sum
/// that is infinite null as well; crc: [crc32, bytes, that
/// of the whole tensor] or null.
void write_record(JsonWriter &json, const BandRecord &record);

/// Nothing if it is no such row.
std::optional<BandRecord> read_record(const Json &row);

} // namespace monoquant::run
