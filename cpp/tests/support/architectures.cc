#include "support/architectures.h"

#include <charconv>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "monoquant/base/text.h"

namespace monoquant::test {
namespace {

/// "4096x11008", or "scalar".
std::vector<uint64_t> shape_of(const std::string &text) {
  std::vector<uint64_t> shape;
  std::istringstream numbers(text == "scalar" ? "" : text);
  std::string number;
  while (std::getline(numbers, number, 'x')) {
    shape.push_back(std::strtoull(number.c_str(), nullptr, 10));
  }
  return shape;
}

} // namespace

std::vector<Entry> Architecture::entries() const {
  std::vector<Entry> entries;
  for (const OwnedTensor &tensor : tensors) {
    entries.push_back(tensor.entry);
  }
  return entries;
}

std::vector<Architecture> architectures_of(const std::string &package) {
  std::ifstream file(
      concat(MONOQUANT_SOURCE_DIR "/cpp/tests/catalog/architectures/", package, ".txt"));
  std::vector<Architecture> architectures;
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string owner;
    std::string module;
    words >> owner >> module;
    if (owner == "#") {
      Architecture &next = architectures.emplace_back();
      next.package = package;
      next.type = module;
      words >> next.name;
      continue;
    }
    std::string parameter;
    std::string shape;
    while (words >> parameter >> shape) {
      std::string name = module == "." ? parameter : concat(module, ".", parameter);
      architectures.back().tensors.push_back({{std::move(name), shape_of(shape)}, owner});
    }
  }
  return architectures;
}

} // namespace monoquant::test
