// A streaming checksum of bytes.
// It exists to prove that a file on disk holds the bytes that the encoder made; it is no cryptographic hash.
// XXH64 from the xxHash library: runs faster than memory is read, and gives the same digest on every target.
#pragma once

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include <cstdint>
#include <span>

namespace monoquant {

class Checksum {
public:
  Checksum() { reset(); }

  void reset();
  void add(std::span<const uint8_t> bytes);
  [[nodiscard]] uint64_t digest() const;

private:
  XXH64_state_t state_{};
};

} // namespace monoquant
