// One pass over a file: blocks of bytes come in, blocks of bytes go out.
// It exists so that one loop in the host drives encoding, verifying and whatever comes later.
// The engine says what to read and what to write where; the host only moves bytes and keeps the order.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "monoquant/base/buffer.h"
#include "monoquant/base/json_writer.h"
#include "monoquant/base/result.h"
#include "monoquant/run/write.h"

namespace monoquant::run {

struct ByteRange {
  uint64_t offset = 0;
  size_t length = 0;   // 0: this step needs no bytes
  uint32_t source = 0; // which file, where a stage has several
};

/// Order of calls: `next` gives a slot its read; when the bytes are in `input`, `process`, in the order of
/// `next`; then the writes of that slot; then the slot may be given to `next` again. All memory is allocated
/// by the constructors, so that no address changes while a stage runs.
class Stage {
public:
  /// Blocks have `block_bytes`, but no more than the `file_bytes` that there are, and enough for one unit.
  Stage(size_t slots, size_t block_bytes, uint64_t file_bytes);
  virtual ~Stage() = default;
  Stage(const Stage &) = delete;
  Stage &operator=(const Stage &) = delete;

  /// The next read, into this slot. Nothing at the end; or, while steps are under way, where these decide what
  /// is to be read: ask again after `process`.
  virtual std::optional<ByteRange> next(size_t slot) = 0;
  virtual Result<void> process(size_t slot) = 0;
  /// Valid until the slot is handed out again.
  [[nodiscard]] virtual std::span<const Write> writes(size_t slot) const = 0;
  /// The tensor of the step processed last.
  [[nodiscard]] virtual std::string_view tensor() const = 0;
  /// Bytes of work in all, and done so far.
  [[nodiscard]] virtual uint64_t total_bytes() const = 0;
  [[nodiscard]] uint64_t done_bytes() const { return done_bytes_; }
  /// What came out, as TypeScript's StageResult. Ask when everything was processed.
  virtual void write_result(JsonWriter &json) const = 0;
  [[nodiscard]] std::string result_json() const {
    JsonWriter json;
    write_result(json);
    return json.take();
  }

  [[nodiscard]] size_t slots() const { return inputs_.size(); }
  [[nodiscard]] std::span<uint8_t> input(size_t slot) const { return inputs_[slot].span(); }

protected:
  [[nodiscard]] size_t block_bytes() const { return block_bytes_; }
  void add_done(uint64_t bytes) { done_bytes_ += bytes; }

private:
  size_t block_bytes_;
  uint64_t done_bytes_ = 0;
  std::vector<Buffer> inputs_;
};

} // namespace monoquant::run
