#include "monoquant/base/checksum.h"

#include <algorithm>

#include "monoquant/base/bytes.h"

namespace monoquant {
namespace {

/// Spreads every bit of `value` over all of `digest`. The factor is 2^64 divided by the golden ratio, made odd.
uint64_t mix(uint64_t digest, uint64_t value) {
  digest = (digest ^ value) * 0x9E3779B97F4A7C15ULL;
  return digest ^ (digest >> 32U);
}

} // namespace

void Checksum::Sums::add_lines(const uint8_t *from, size_t lines) {
  Sums now = *this; // in registers
  for (; lines > 0; --lines, from += kLineBytes) {
    for (size_t i = 0; i < kColumns; ++i) {
      now.words[i] += load_le<uint64_t>(from + sizeof(uint64_t) * i);
      now.sums[i] += now.words[i];
    }
  }
  *this = now;
}

void Checksum::add(std::span<const uint8_t> bytes) {
  const size_t held = length_ % kLineBytes;
  length_ += bytes.size();
  if (held > 0) {
    const auto taken = bytes.first(std::min(bytes.size(), kLineBytes - held));
    std::copy(taken.begin(), taken.end(), rest_ + held);
    bytes = bytes.subspan(taken.size());
    if (held + taken.size() < kLineBytes) {
      return;
    }
    sums_.add_lines(rest_, 1);
  }
  sums_.add_lines(bytes.data(), bytes.size() / kLineBytes);
  const auto rest = bytes.last(bytes.size() % kLineBytes);
  std::copy(rest.begin(), rest.end(), rest_);
}

uint64_t Checksum::digest() const {
  Sums all = sums_;
  const size_t held = length_ % kLineBytes;
  if (held > 0) {
    uint8_t line[kLineBytes] = {};
    std::copy(rest_, rest_ + held, line);
    all.add_lines(line, 1);
  }
  uint64_t digest = length_;
  for (size_t i = 0; i < kColumns; ++i) {
    digest = mix(mix(digest, all.words[i]), all.sums[i]);
  }
  return digest;
}

} // namespace monoquant
