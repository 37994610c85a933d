// Ends an output when all its shares are written: what only all of them together can say.
// It exists because checksums of whole records are known last: those of the source are compared, those of a zip
// are written, with its headers and directory.
// One share does it for all; what it writes is verified with that share's own extents.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "monoquant/run/encode_stage.h"

namespace monoquant::run {

class SealStage final : public Stage {
public:
  /// `encode` is one of the shares, complete; it must outlive the stage. `results` is a JSON array of the results
  /// of all shares.
  SealStage(EncodeStage &encode, std::string_view results);

  std::optional<ByteRange> next(size_t slot) override;
  /// Errors: kMalformedFile (a tensor of the source has not the checksum that its container says).
  Result<void> process(size_t slot) override;
  [[nodiscard]] std::span<const Write> writes(size_t /*slot*/) const override { return pieces_; }
  [[nodiscard]] std::string_view tensor() const override { return {}; }
  [[nodiscard]] uint64_t total_bytes() const override { return 0; }
  void write_result(JsonWriter &json) const override;

private:
  /// A run of bytes with its CRC-32.
  struct Part {
    uint64_t offset = 0; // or the number of a band
    uint64_t bytes = 0;
    uint32_t crc32 = 0;
  };

  [[nodiscard]] std::optional<Error> check_sources() const;
  [[nodiscard]] std::vector<uint32_t> record_crcs() const;
  void write_zip();

  EncodeStage &encode_;
  bool is_readable_ = true;               // whether `results` was
  std::vector<std::vector<Part>> source_; // a tensor of the catalog
  std::vector<Part> output_;              // by offset
  bool done_ = false;
  std::vector<std::vector<uint8_t>> bytes_;
  std::vector<Write> pieces_;
};

} // namespace monoquant::run
