// The architectures of tests/catalog/architectures: names and shapes of models, and what the packages that define
// them say of each parameter.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/catalog_builder.h"

namespace monoquant::test {

struct OwnedTensor {
  Entry entry;
  std::string owner; // the class that computes with it: "Linear", "Embedding", "MixtralExperts"
};

struct Architecture {
  std::string package; // "transformers"
  std::string type;    // model_type in config.json; "-" if the package has none
  std::string name;    // of the class or the model
  std::vector<OwnedTensor> tensors;

  [[nodiscard]] std::vector<Entry> entries() const;
};

/// All of one package: "transformers", "diffusers", "timm", "ultralytics".
std::vector<Architecture> architectures_of(const std::string &package);

} // namespace monoquant::test
