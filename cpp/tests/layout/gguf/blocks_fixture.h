// Blocks that ggml has made, with the digests of what it reads from them.
#pragma once

#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "monoquant/base/json.h"
#include "support/fixture.h"
#include "support/sha256.h"
#include "support/tensor_file.h"

namespace monoquant::layout::gguf {

inline constexpr size_t kGoldenRows = 6;
inline constexpr size_t kGoldenColumns = 512;

inline const test::TensorFile &golden_blocks() {
  static const test::TensorFile kFile =
      test::parse_file(test::read_fixture("gguf/blocks.safetensors"));
  return kFile;
}

inline const Json &golden_digests() {
  static const Json kDigests = test::read_fixture_json("gguf/blocks.json");
  return kDigests;
}

inline std::vector<float> golden_values(const std::string &name) {
  return test::values_of(golden_blocks().tensors.at(name));
}

/// Payloads and signs of NaN are not compared.
inline std::string digest_of(std::vector<float> values) {
  for (float &value : values) {
    if (std::isnan(value)) {
      value = std::numeric_limits<float>::quiet_NaN();
    }
  }
  return test::sha256(
      {reinterpret_cast<const uint8_t *>(values.data()), values.size() * sizeof(float)});
}

} // namespace monoquant::layout::gguf
