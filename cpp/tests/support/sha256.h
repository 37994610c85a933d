// SHA-256 of some bytes, as hexadecimal text.
// It exists because the fixtures say what their tensors hold by this digest.
// FIPS 180-4, written for brevity.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace monoquant::test {

std::string sha256(std::span<const uint8_t> bytes);

} // namespace monoquant::test
