#include "monoquant/container/deflate.h"

#include <algorithm>
#include <array>

#include <zlib.h>

#include "monoquant/base/text.h"

namespace monoquant::container {
namespace {

// zlib counts bytes in an unsigned int.
constexpr size_t kMostAtOnce = size_t{1} << 30U;
constexpr int kRawDeflate = -15; // no header around the stream, a window of 2^15 bytes

Error no_memory() {
  return Error{ErrorCode::kLimitExceeded,
               "Expected memory for the 32 KiB window of a compressed stream, found none.",
               "Close other programs or pages and run again.",
               {},
               {}};
}

/// a * b modulo the CRC's polynomial, lowest power in the highest bit.
constexpr uint32_t multiply(uint32_t a, uint32_t b) {
  constexpr uint32_t kPolynomial = 0xEDB88320U;
  uint32_t product = 0;
  for (uint32_t bit = 0x80000000U; bit != 0; bit >>= 1U) {
    if ((a & bit) != 0) {
      product ^= b;
    }
    b = (b >> 1U) ^ ((b & 1U) != 0 ? kPolynomial : 0U);
  }
  return product;
}

} // namespace

struct Inflater::State {
  z_stream stream{}; // zlib keeps a pointer to it: it must stay where it is
  // Where zlib finds its memory, its window too: what it took later would move a WebAssembly heap.
  std::array<uint64_t, size_t{6} * 1024> memory{};
  size_t taken = 0;
  bool ready = false;

  State() {
    stream.opaque = this;
    stream.zalloc = [](void *opaque, uInt items, uInt size) -> void * {
      auto &state = *static_cast<State *>(opaque);
      const size_t words = (size_t{items} * size + sizeof(uint64_t) - 1) / sizeof(uint64_t);
      if (words > state.memory.size() - state.taken) {
        return nullptr;
      }
      state.taken += words;
      return &state.memory[state.taken - words];
    };
    stream.zfree = [](void *, void *) {}; // with the state
    ready = inflateInit2(&stream, kRawDeflate) == Z_OK;
  }
};

Inflater::Inflater() : state_(std::make_unique<State>()) {}
Inflater::~Inflater() = default;
Inflater::Inflater(Inflater &&) noexcept = default;
Inflater &Inflater::operator=(Inflater &&) noexcept = default;

Result<Inflater::Step> Inflater::inflate(std::span<const uint8_t> input,
                                         std::span<uint8_t> output) {
  z_stream &stream = state_->stream;
  if (!state_->ready) {
    return no_memory();
  }
  Step step;
  uint8_t nothing = 0; // zlib takes no null for "no bytes"
  while (!step.done) {
    const auto in = input.subspan(step.consumed);
    const auto out = output.subspan(step.produced);
    const auto most_in = static_cast<uInt>(std::min(in.size(), kMostAtOnce));
    const auto most_out = static_cast<uInt>(std::min(out.size(), kMostAtOnce));
    stream.next_in = in.empty() ? &nothing : in.data();
    stream.avail_in = most_in;
    stream.next_out = out.empty() ? &nothing : out.data();
    stream.avail_out = most_out;
    const int code = ::inflate(&stream, Z_NO_FLUSH);
    step.consumed += most_in - stream.avail_in;
    step.produced += most_out - stream.avail_out;
    if (code == Z_MEM_ERROR) {
      return no_memory();
    }
    if (code != Z_OK && code != Z_BUF_ERROR && code != Z_STREAM_END) {
      return Error{ErrorCode::kMalformedFile,
                   concat("Expected compressed data (deflate), found bytes that are none",
                          stream.msg == nullptr ? "" : ": ",
                          stream.msg == nullptr ? "" : stream.msg, "."),
                   "Download or export the file again.",
                   {},
                   {}};
    }
    step.done = code == Z_STREAM_END;
    if (most_in == stream.avail_in && most_out == stream.avail_out) {
      break;
    }
  }
  return step;
}

void Inflater::reset() {
  if (state_->ready) {
    inflateReset(&state_->stream);
  }
}

uint32_t crc32(uint32_t crc, std::span<const uint8_t> bytes) {
  if (bytes.empty()) {
    return crc; // where zlib is given a null it begins anew
  }
  return static_cast<uint32_t>(::crc32_z(crc, bytes.data(), bytes.size()));
}

// Not zlib's: its lengths have 32 bits where `long` has, as in WebAssembly.
uint32_t crc32_combine(uint32_t first, uint32_t second, uint64_t second_bytes) {
  uint32_t power = 0x00800000U; // x^8: one byte further
  uint32_t shifted = first;
  for (uint64_t left = second_bytes; left != 0; left >>= 1U) {
    if ((left & 1U) != 0) {
      shifted = multiply(power, shifted);
    }
    power = multiply(power, power);
  }
  return shifted ^ second;
}

} // namespace monoquant::container
