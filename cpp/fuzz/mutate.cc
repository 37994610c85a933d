#include "mutate.h"

#include <algorithm>

#include "support/random.h"

namespace monoquant::fuzz {
namespace {

using test::Random;

/// Numbers at which sizes and counts go wrong.
constexpr uint8_t kEdges[] = {0x00, 0x01, 0x7F, 0x80, 0xFF};

Bytes random_bytes(Random &random) {
  // Short ones are common, because most faults need little.
  Bytes bytes(random.index(size_t{1} << (3 + random.below(9))));
  for (uint8_t &byte : bytes) {
    byte = static_cast<uint8_t>(random.bits());
  }
  return bytes;
}

void change(Bytes &bytes, Random &random) {
  if (bytes.empty()) {
    bytes = random_bytes(random);
    return;
  }
  const size_t at = random.index(bytes.size());
  const size_t length = std::min(bytes.size() - at, size_t{1} + random.index(16));
  const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(at);
  switch (random.below(7)) {
  case 0: // a bit
    *begin = static_cast<uint8_t>(*begin ^ (1U << random.below(8)));
    break;
  case 1: // a byte
    *begin = static_cast<uint8_t>(random.bits());
    break;
  case 2: // a number at an edge
    std::fill_n(begin, std::min<size_t>(length, 8), random.pick(kEdges));
    break;
  case 3: // one more or one less
    *begin = static_cast<uint8_t>(*begin + (random.chance(2) ? 1 : -1));
    break;
  case 4: // a piece less
    bytes.erase(begin, begin + static_cast<std::ptrdiff_t>(length));
    break;
  case 5: { // a piece twice
    const Bytes piece(begin, begin + static_cast<std::ptrdiff_t>(length));
    bytes.insert(begin, piece.begin(), piece.end());
    break;
  }
  default: // cut off
    bytes.resize(at);
    break;
  }
}

} // namespace

Bytes made_up_input(std::string_view property, uint32_t number, std::span<const Bytes> seeds) {
  uint64_t seed = number;
  for (const char letter : property) {
    seed = seed * 257 + static_cast<uint8_t>(letter);
  }
  Random random(seed);
  if (number % 2 == 0 || seeds.empty()) {
    return random_bytes(random);
  }
  Bytes bytes = random.pick(seeds);
  for (uint64_t changes = 1 + random.below(4); changes > 0; --changes) {
    change(bytes, random);
  }
  return bytes;
}

} // namespace monoquant::fuzz
