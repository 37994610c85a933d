#include "monoquant/run/band_record.h"

#include <array>
#include <limits>
#include <string>
#include <string_view>

#include "monoquant/base/json.h"

namespace monoquant::run {
namespace {

constexpr size_t kDigits = 16; // of a digest
constexpr uint64_t kMostOffset = 1ULL << 53U;

std::string hexadecimal(uint64_t number) {
  constexpr std::string_view kDigit = "0123456789abcdef";
  std::string text(kDigits, '0');
  for (size_t i = kDigits; i-- > 0; number >>= 4U) {
    text[i] = kDigit[number % 16];
  }
  return text;
}

bool read_hexadecimal(const Json &value, uint64_t &number) {
  if (!value.is_string() || value.get_ref<const std::string &>().size() != kDigits) {
    return false;
  }
  number = 0;
  for (const char c : value.get_ref<const std::string &>()) {
    const bool is_digit = c >= '0' && c <= '9';
    if (!is_digit && (c < 'a' || c > 'f')) {
      return false;
    }
    number = number * 16 + static_cast<uint64_t>(is_digit ? c - '0' : c - 'a' + 10);
  }
  return true;
}

bool read_natural(const Json &value, uint64_t &number, uint64_t most = kMostOffset) {
  if (!value.is_number_unsigned()) {
    return false;
  }
  number = value.get<uint64_t>();
  return number <= most;
}

bool read_crc(const Json &value, uint32_t &crc32) {
  uint64_t number = 0;
  const bool is_read = read_natural(value, number, std::numeric_limits<uint32_t>::max());
  crc32 = static_cast<uint32_t>(number);
  return is_read;
}

/// A sum of squares or the largest of errors.
bool read_sum(const Json &value, double &number) {
  if (value.is_null()) {
    number = std::numeric_limits<double>::infinity();
    return true;
  }
  if (!value.is_number()) {
    return false;
  }
  number = value.get<double>();
  return number >= 0;
}

bool is_list(const Json &value, size_t size) { return value.is_array() && value.size() == size; }

/// Pieces that do not overlap, and end within what offsets can say.
bool read_pieces(const Json &row, WrittenRange &range) {
  layout::Pieces &pieces = range.pieces;
  return read_natural(row[4], pieces.count) && read_natural(row[5], pieces.apart) &&
         pieces.count > 1 && range.bytes > 0 && range.bytes % pieces.count == 0 &&
         range.piece_bytes() <= pieces.apart && pieces.apart <= kMostOffset / pieces.count;
}

bool read_range(const Json &row, WrittenRange &range) {
  return (is_list(row, 4) || is_list(row, 6)) && read_natural(row[0], range.offset) &&
         read_natural(row[1], range.bytes) && read_hexadecimal(row[2], range.digest) &&
         read_crc(row[3], range.crc32) && (row.size() == 4 || read_pieces(row, range));
}

bool read_errors(const Json &row, BandErrors &errors) {
  double peak = 0;
  const bool is_read = is_list(row, 6) && read_sum(row[0], errors.sums.signal) &&
                       read_sum(row[1], errors.sums.noise) && read_sum(row[2], peak) &&
                       read_natural(row[3], errors.edge_scales) &&
                       read_sum(row[4], errors.sums.output.signal) &&
                       read_sum(row[5], errors.sums.output.noise);
  errors.sums.peak = static_cast<decltype(errors.sums.peak)>(peak);
  return is_read;
}

} // namespace

void write_record(JsonWriter &json, const BandRecord &record) {
  json.begin_array();
  if (record.tensor == WrittenRange::kHeader) {
    json.value(nullptr);
  } else {
    json.value(record.tensor);
  }
  json.value(record.band);
  json.begin_array();
  for (const WrittenRange &range : record.ranges) {
    const std::string digest = hexadecimal(range.digest);
    if (range.pieces.count == 1) {
      json.row(range.offset, range.bytes, digest, range.crc32);
    } else {
      json.row(range.offset, range.bytes, digest, range.crc32, range.pieces.count,
               range.pieces.apart);
    }
  }
  json.end();
  if (const auto &errors = record.errors) {
    json.row(errors->sums.signal, errors->sums.noise, errors->sums.peak, errors->edge_scales,
             errors->sums.output.signal, errors->sums.output.noise);
  } else {
    json.value(nullptr);
  }
  if (record.crc) {
    json.row(record.crc->crc32, record.crc->bytes, record.crc->of_tensor);
  } else {
    json.value(nullptr);
  }
  json.end();
}

std::optional<BandRecord> read_record(const Json &row) {
  if (!is_list(row, 5) || !row[2].is_array()) {
    return std::nullopt;
  }
  BandRecord record;
  uint64_t tensor = 0;
  if (!row[0].is_null() &&
      !read_natural(row[0], tensor, std::numeric_limits<uint32_t>::max() - 1)) {
    return std::nullopt;
  }
  if (!row[0].is_null()) {
    record.tensor = static_cast<size_t>(tensor);
  }
  if (!read_natural(row[1], record.band)) {
    return std::nullopt;
  }
  for (const Json &each : row[2]) {
    WrittenRange range{0, 0, 0, record.tensor};
    if (!read_range(each, range)) {
      return std::nullopt;
    }
    record.ranges.push_back(range);
  }
  if (!row[3].is_null()) {
    record.errors = BandErrors{record.tensor, record.band, {}, 0};
    if (!read_errors(row[3], *record.errors)) {
      return std::nullopt;
    }
  }
  if (!row[4].is_null()) {
    record.crc = SourceCrc{record.tensor, record.band};
    if (!is_list(row[4], 3) || !read_crc(row[4][0], record.crc->crc32) ||
        !read_natural(row[4][1], record.crc->bytes) ||
        !read_crc(row[4][2], record.crc->of_tensor)) {
      return std::nullopt;
    }
  }
  return record;
}

} // namespace monoquant::run
