#include "monoquant/run/seal_stage.h"

#include <algorithm>
#include <array>

#include "monoquant/base/json.h"
#include "monoquant/base/sort.h"
#include "monoquant/base/text.h"
#include "monoquant/container/deflate.h"
#include "monoquant/container/zip_writer.h"

namespace monoquant::run {
namespace {

/// A row of unsigned numbers; false where it is anything else.
template <size_t N> bool read_row(const Json &row, std::array<uint64_t, N> &numbers) {
  if (!row.is_array() || row.size() != N) {
    return false;
  }
  for (size_t i = 0; i < N; ++i) {
    if (!row[i].is_number_unsigned()) {
      return false;
    }
    numbers[i] = row[i].get<uint64_t>();
  }
  return true;
}

} // namespace

SealStage::SealStage(EncodeStage &encode, std::string_view results)
    : Stage(1, 0, 0), encode_(encode), source_(encode.plan().catalog->tensors.size()) {
  const Json document = parse_json(results);
  is_readable_ =
      document.is_array() && std::all_of(document.begin(), document.end(),
                                         [](const Json &result) { return result.is_object(); });
  for (size_t i = 0; is_readable_ && i < document.size(); ++i) {
    for (const Json &row : document[i].value("source", Json::array())) {
      std::array<uint64_t, 4> numbers{}; // tensor, band, CRC, bytes
      is_readable_ = is_readable_ && read_row(row, numbers) && numbers[0] < source_.size();
      if (is_readable_) {
        source_[static_cast<size_t>(numbers[0])].push_back(
            {numbers[1], numbers[3], static_cast<uint32_t>(numbers[2])});
      }
    }
    for (const Json &row : document[i].value("output", Json::array())) {
      std::array<uint64_t, 3> numbers{}; // offset, bytes, CRC
      is_readable_ = is_readable_ && read_row(row, numbers);
      output_.push_back({numbers[0], numbers[1], static_cast<uint32_t>(numbers[2])});
    }
  }
  const auto by_offset = [](const Part &a, const Part &b) { return a.offset < b.offset; };
  sort(output_, by_offset);
  for (std::vector<Part> &bands : source_) {
    sort(bands, by_offset);
  }
}

std::optional<ByteRange> SealStage::next(size_t /*slot*/) {
  if (done_) {
    return std::nullopt;
  }
  done_ = true;
  return ByteRange{0, 0};
}

Result<void> SealStage::process(size_t /*slot*/) {
  if (!is_readable_) {
    return Error{ErrorCode::kInternal, "The results of the shares cannot be read.", {}, {}, {}};
  }
  if (auto damaged = check_sources()) {
    return *damaged;
  }
  if (!encode_.plan().records.empty()) {
    write_zip();
  }
  return {};
}

std::optional<Error> SealStage::check_sources() const {
  const auto &tensors = encode_.plan().catalog->tensors;
  for (size_t i = 0; i < source_.size(); ++i) {
    uint32_t crc32 = 0;
    for (const Part &band : source_[i]) {
      crc32 = container::crc32_combine(crc32, band.crc32, band.bytes);
    }
    if (!source_[i].empty() && crc32 != tensors[i].crc32) {
      return damaged_source(tensors[i]);
    }
  }
  return std::nullopt;
}

/// One a record, put together from everything that was written into it.
std::vector<uint32_t> SealStage::record_crcs() const {
  std::vector<uint32_t> crcs;
  size_t part = 0;
  for (const container::ZipRecord &record : encode_.plan().records) {
    uint32_t crc32 = 0;
    while (part < output_.size() && output_[part].offset < record.offset + record.bytes) {
      crc32 = container::crc32_combine(crc32, output_[part].crc32, output_[part].bytes);
      ++part;
    }
    crcs.push_back(crc32);
  }
  return crcs;
}

void SealStage::write_zip() {
  const plan::Plan &plan = encode_.plan();
  const std::vector<uint32_t> crcs = record_crcs();
  std::vector<uint64_t> offsets;
  for (size_t i = 0; i < crcs.size(); ++i) {
    bytes_.push_back(container::zip_local_header(plan.records[i], crcs[i]));
    offsets.push_back(plan.records[i].offset - bytes_.back().size());
  }
  bytes_.push_back(container::zip_directory(plan.records, crcs, plan.zip));
  offsets.push_back(plan.zip.directory_offset);
  std::vector<WrittenRange> extents;
  for (size_t i = 0; i < bytes_.size(); ++i) {
    pieces_.push_back({offsets[i], bytes_[i]});
    extents.push_back(extent_of(plan, offsets[i], bytes_[i], WrittenRange::kHeader));
  }
  encode_.add_extents(extents);
}

void SealStage::write_result(JsonWriter &json) const {
  uint64_t bytes = 0;
  for (const Write &write : pieces_) {
    bytes += write.bytes.size();
  }
  json.begin_object().member("bytes", bytes);
  json.end();
}

} // namespace monoquant::run
