// The bytes of a part of a tensor, put together from where they lie in the file.
// It exists for tensors that are no plain run of the file: strided, compressed, of another byte order, or codes.
// It holds one part at a time, of bounded size; reading it again from another place is always possible.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "monoquant/base/buffer.h"
#include "monoquant/base/result.h"
#include "monoquant/catalog/catalog.h"
#include "monoquant/container/deflate.h"
#include "monoquant/layout/layout.h"
#include "monoquant/run/gather.h"
#include "monoquant/run/stage.h"

namespace monoquant::run {

/// A strip is not larger than a usual band, so that bands are read once.
inline constexpr uint64_t kStripBytes = 16ULL << 20U;

/// The most bytes of one tensor or of the whole file: a compressed or expanded tensor has more than its file.
uint64_t most_bytes(const catalog::Catalog &catalog);

class StripAssembler {
public:
  /// All memory for the tensors of this catalog is allocated here. `block_bytes`: of the largest read.
  StripAssembler(const catalog::Catalog &catalog, size_t block_bytes);

  /// Begins a strip of bytes [begin, end) of the tensor, at most kStripBytes; both are multiples of an element's
  /// width. `tensor` must be an assembled one and outlive the strip. `steps`: where the codes of a quantized one are
  /// put as well, or none (PartDecoder::begin).
  void begin(const catalog::Tensor &tensor, uint64_t begin, uint64_t end,
             std::span<int8_t> steps = {});

  /// The next read that the strip needs; nothing when it is complete. `fill` comes before the next call.
  std::optional<ByteRange> next();
  /// Takes what the read brought. Errors: kMalformedFile (compressed data that are broken, or of another size or
  /// checksum than the container said).
  Result<void> fill(std::span<const uint8_t> bytes);

  /// Whether bytes [begin, end) of the tensor are in the strip that was begun last.
  [[nodiscard]] bool covers(const catalog::Tensor &tensor, uint64_t begin, uint64_t end) const {
    return tensor_ == &tensor && begin >= begin_ && end <= end_;
  }
  /// Bytes [begin, end) of the tensor. Ask when the strip covers them and is complete.
  [[nodiscard]] std::span<const uint8_t> bytes(uint64_t begin, uint64_t end) const {
    return bytes_.span().subspan(static_cast<size_t>(begin - begin_),
                                 static_cast<size_t>(end - begin));
  }

  /// What codes were found to be; of the strip that was begun last.
  [[nodiscard]] const layout::PartDecoder &decoder() const { return *decoder_; }

private:
  /// A piece of the inflated content.
  struct Chunk {
    uint64_t offset = 0; // in the content
    size_t filled = 0;
    bool complete = false;
  };

  layout::PartDecoder &decoder_of(const catalog::Codes &codes);
  [[nodiscard]] bool is_complete() const { return position_ >= source_end_; }
  void finish();
  Result<void> inflate(std::span<const uint8_t> input);
  Result<size_t> inflate_chunk(std::span<const uint8_t> input, size_t bytes);
  [[nodiscard]] Error damaged(std::string_view what) const;

  size_t block_bytes_;
  Buffer bytes_;
  Buffer inflated_; // the chunk at work

  // The strip at work.
  const catalog::Tensor *tensor_ = nullptr;
  uint64_t begin_ = 0; // of the tensor's bytes
  uint64_t end_ = 0;
  Gather gather_;
  uint64_t position_ = 0; // bytes of the storage's content that were seen
  uint64_t source_end_ = 0;

  using MakeDecoder = std::unique_ptr<layout::PartDecoder> (*)(size_t block_bytes);
  std::vector<std::pair<MakeDecoder, std::unique_ptr<layout::PartDecoder>>> decoders_;
  layout::PartDecoder *decoder_ = nullptr; // of these, the one at work

  // The compressed stream at work; it outlives a strip.
  container::Inflater inflater_;
  const catalog::View *stream_ = nullptr;
  uint64_t stream_read_ = 0; // compressed bytes
  Chunk chunk_;
  uint32_t crc32_ = 0; // of all complete chunks
};

} // namespace monoquant::run
