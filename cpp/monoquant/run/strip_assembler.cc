#include "monoquant/run/strip_assembler.h"

#include <algorithm>

#include "monoquant/base/text.h"
#include "monoquant/layout/coded/coded.h"

namespace monoquant::run {
namespace {

constexpr size_t kChunkBytes = size_t{64} * 1024; // of inflated data
/// Reads begin and end at multiples of the widest element.
constexpr uint64_t kWidest = 16;

uint32_t element_bytes(const catalog::Tensor &tensor) { return dtype_bits(tensor.dtype) / 8; }

bool is_complex(Dtype dtype) {
  return dtype == Dtype::kC32 || dtype == Dtype::kC64 || dtype == Dtype::kC128;
}

void swap_bytes(std::span<uint8_t> bytes, size_t width) {
  for (size_t i = 0; i < bytes.size(); i += width) {
    std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(i),
                 bytes.begin() + static_cast<std::ptrdiff_t>(i + width));
  }
}

/// Flips the sign bit of every `step`th number, `width` bytes each, beginning with the one at `from`.
void negate(std::span<uint8_t> bytes, size_t width, size_t from, size_t step) {
  for (size_t i = from * width + width - 1; i < bytes.size(); i += step * width) {
    bytes[i] ^= 0x80U;
  }
}

} // namespace

uint64_t most_bytes(const catalog::Catalog &catalog) {
  uint64_t most = catalog.file_bytes;
  for (const catalog::Tensor &tensor : catalog.tensors) {
    most = std::max(most, tensor.bytes);
  }
  return most;
}

StripAssembler::StripAssembler(const catalog::Catalog &catalog, size_t block_bytes)
    : block_bytes_(std::max<size_t>(block_bytes / kWidest * kWidest, kWidest)) {
  uint64_t bytes = 0;
  bool deflated = false;
  for (const catalog::Tensor &tensor : catalog.tensors) {
    if (tensor.is_assembled()) {
      bytes = std::max(bytes, std::min(tensor.bytes, kStripBytes));
      deflated = deflated || (tensor.view && tensor.view->deflated);
    }
    if (tensor.codes) {
      decoder_of(*tensor.codes)
          .reserve(*tensor.codes, std::min(tensor.bytes, kStripBytes) / sizeof(float));
    }
  }
  bytes_ = Buffer(static_cast<size_t>(bytes));
  inflated_ = Buffer(deflated ? kChunkBytes + 1 : 0);
}

layout::PartDecoder &StripAssembler::decoder_of(const catalog::Codes &codes) {
  const MakeDecoder make = codes.decoding ? &layout::coded::make_decoder
                                          : layout::find_layout(codes.layout)->make_decoder;
  for (const auto &[of, decoder] : decoders_) {
    if (of == make) {
      return *decoder;
    }
  }
  decoders_.emplace_back(make, make(block_bytes_));
  return *decoders_.back().second;
}

void StripAssembler::begin(const catalog::Tensor &tensor, uint64_t begin, uint64_t end,
                           std::span<int8_t> steps) {
  tensor_ = &tensor;
  begin_ = begin;
  end_ = end;
  if (tensor.codes) {
    // A buffer is aligned for any element type.
    decoder_ = &decoder_of(*tensor.codes);
    decoder_->begin(*tensor.codes, begin / sizeof(float), end / sizeof(float),
                    {reinterpret_cast<float *>(bytes_.data()),
                     static_cast<size_t>((end - begin) / sizeof(float))},
                    steps);
    return;
  }
  const catalog::View &view = *tensor.view;
  const uint32_t width = element_bytes(tensor);
  gather_ = Gather(tensor.shape, view.strides, view.first, width, begin / width, end / width);
  position_ = gather_.source_begin();
  source_end_ = gather_.source_end();
  if (!view.literal.empty()) {
    gather_.take(view.literal, 0, bytes_.span());
    position_ = source_end_;
    finish();
  } else if (view.deflated && (stream_ != &view || chunk_.offset > position_)) {
    inflater_.reset();
    stream_ = &view;
    stream_read_ = 0;
    chunk_ = {};
    crc32_ = 0;
  }
}

std::optional<ByteRange> StripAssembler::next() {
  if (tensor_->codes) {
    const auto need = decoder_->next();
    return need ? std::optional(ByteRange{need->offset, static_cast<size_t>(need->length)})
                : std::nullopt;
  }
  if (is_complete()) {
    return std::nullopt;
  }
  const catalog::View &view = *tensor_->view;
  if (view.deflated) {
    const uint64_t left = view.stored_bytes - stream_read_;
    return ByteRange{tensor_->offset + stream_read_,
                     static_cast<size_t>(std::min<uint64_t>(left, block_bytes_))};
  }
  return ByteRange{tensor_->offset + position_,
                   static_cast<size_t>(std::min<uint64_t>(source_end_ - position_, block_bytes_))};
}

Result<void> StripAssembler::fill(std::span<const uint8_t> bytes) {
  if (tensor_->codes) {
    decoder_->fill(bytes);
    return {};
  }
  if (tensor_->view->deflated) {
    if (auto inflated = inflate(bytes); !inflated) {
      return inflated;
    }
  } else {
    gather_.take(bytes, position_, bytes_.span());
    position_ += bytes.size();
  }
  if (is_complete()) {
    finish();
  }
  return {};
}

/// Inflates chunk by chunk until the strip is complete or the input is used up. The chunk at work outlives a
/// strip, because the next strip may begin in it.
Result<void> StripAssembler::inflate(std::span<const uint8_t> input) {
  for (;;) {
    const uint64_t chunk_end = std::min(chunk_.offset + kChunkBytes, tensor_->view->storage_bytes);
    if (!chunk_.complete) {
      auto used = inflate_chunk(input, static_cast<size_t>(chunk_end - chunk_.offset));
      if (!used) {
        return used.error();
      }
      input = input.subspan(used.value());
      if (!chunk_.complete) {
        return {};
      }
    }
    const auto content = inflated_.span().first(static_cast<size_t>(chunk_end - chunk_.offset));
    gather_.take(content, chunk_.offset, bytes_.span());
    if (chunk_end >= source_end_) {
      position_ = source_end_;
      return {};
    }
    chunk_ = {chunk_end, 0, false};
  }
}

/// Goes on with a chunk of `bytes` and returns how much of the input that took. The last chunk is complete when
/// the stream has ended, so that a stream which goes on is noticed.
Result<size_t> StripAssembler::inflate_chunk(std::span<const uint8_t> input, size_t bytes) {
  const catalog::View &view = *tensor_->view;
  const bool is_last = chunk_.offset + bytes == view.storage_bytes;
  auto step = inflater_.inflate(
      input, inflated_.span().subspan(chunk_.filled, bytes + (is_last ? 1 : 0) - chunk_.filled));
  if (!step) {
    return damaged("is broken");
  }
  const auto [consumed, produced, done] = step.value();
  chunk_.filled += produced;
  stream_read_ += consumed;
  if (chunk_.filled > bytes) {
    return damaged("is longer");
  }
  if (done && (!is_last || chunk_.filled < bytes)) {
    return damaged("is shorter");
  }
  chunk_.complete = is_last ? done : chunk_.filled == bytes;
  if (!chunk_.complete && stream_read_ == view.stored_bytes && produced == 0) {
    return damaged("breaks off");
  }
  if (chunk_.complete) {
    crc32_ = container::crc32(crc32_, inflated_.span().first(bytes));
    if (is_last && view.crc32 && *view.crc32 != crc32_) {
      return damaged("has another checksum");
    }
  }
  return consumed;
}

void StripAssembler::finish() {
  const catalog::View &view = *tensor_->view;
  const std::span<uint8_t> bytes = bytes_.span().first(static_cast<size_t>(end_ - begin_));
  const size_t width = element_bytes(*tensor_) / (is_complex(tensor_->dtype) ? 2 : 1);
  if (view.big_endian) {
    swap_bytes(bytes, width);
  }
  if (view.negative) {
    negate(bytes, width, 0, 1);
  }
  if (view.conjugate) {
    negate(bytes, width, 1, 2);
  }
}

Error StripAssembler::damaged(std::string_view what) const {
  return {ErrorCode::kMalformedFile,
          concat("Expected the compressed data of ", tensor_->name, " to inflate to ",
                 tensor_->view->storage_bytes, " bytes, found that it ", what, "."),
          "The file is damaged: get it again.", tensor_->name, tensor_->offset};
}

} // namespace monoquant::run
