// A streaming checksum of bytes.
// It exists to prove that a file on disk holds the bytes that the encoder made; it is no cryptographic hash.
// Sums of 64-bit words: each output byte is summed twice, and anything that multiplies took as long as encoding it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace monoquant {

//  bytes  |w0 w1 w2 w3 w4 w5 w6 w7|w0 w1 w2 …|   lines of eight words, the last one filled up with zeros
//
// Of the words in each column two sums are kept, both modulo 2^64: of the words, which any changed word changes, and
// of all sums so far, which is another one when words have changed places.
class Checksum {
public:
  Checksum() = default;

  void reset() { *this = {}; }
  void add(std::span<const uint8_t> bytes);
  [[nodiscard]] uint64_t digest() const;

private:
  static constexpr size_t kColumns = 8;
  static constexpr size_t kLineBytes = kColumns * sizeof(uint64_t);

  struct Sums {
    uint64_t words[kColumns] = {};
    uint64_t sums[kColumns] = {};
    void add_lines(const uint8_t *from, size_t lines);
  };

  Sums sums_;
  uint64_t length_ = 0;
  uint8_t rest_[kLineBytes] = {}; // of the line that is not complete, length_ % kLineBytes
};

} // namespace monoquant
