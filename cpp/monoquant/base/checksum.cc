#define XXH_IMPLEMENTATION // the library's functions stand in this source
#include "monoquant/base/checksum.h"

namespace monoquant {

void Checksum::reset() { XXH64_reset(&state_, 0); }

void Checksum::add(std::span<const uint8_t> bytes) {
  XXH64_update(&state_, bytes.data(), bytes.size());
}

uint64_t Checksum::digest() const { return XXH64_digest(&state_); }

} // namespace monoquant
