// Inflating (RFC 1951) as a stream, and the CRC-32 that goes with it.
// It exists to keep zlib behind one small face: no stream object of its own, no return codes elsewhere.
// zlib (zlib licence): the reference implementation, 30 years old, fuzzed without end, 30 kB.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "monoquant/base/result.h"

namespace monoquant::container {

class Inflater {
public:
  Inflater();
  ~Inflater();
  Inflater(Inflater &&) noexcept;
  Inflater &operator=(Inflater &&) noexcept;

  struct Step {
    size_t consumed = 0; // bytes of the input
    size_t produced = 0; // bytes of the output
    bool done = false;   // the stream has ended
  };

  /// Goes on until the input is used up, the output is full or the stream ends. Errors: kMalformedFile, and
  /// kLimitExceeded where there is no memory for the window.
  Result<Step> inflate(std::span<const uint8_t> input, std::span<uint8_t> output);

  /// Begins a new stream.
  void reset();

private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Goes on from `crc` (0 at the beginning) with `bytes`.
uint32_t crc32(uint32_t crc, std::span<const uint8_t> bytes);
/// The CRC of two runs behind each other, the second one `second_bytes` long.
uint32_t crc32_combine(uint32_t first, uint32_t second, uint64_t second_bytes);

} // namespace monoquant::container
