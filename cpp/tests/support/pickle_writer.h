// Graphs of values, and the pickles that Python would write for them.
// It exists so that the pickle machine is tested against something that knows the format from the other side.
// Every protocol has its own opcodes; a value that was written before is fetched from the memo.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "monoquant/torch/pickle.h"
#include "support/random.h"

namespace monoquant::test {

struct PickleValue {
  torch::NodeKind kind = torch::NodeKind::kNone;
  int64_t integer = 0; // kBool, kInt
  double real = 0;
  std::string text;             // kText, kBytes; kGlobal: the module
  std::string name;             // kGlobal
  std::vector<size_t> children; // kPersistent: the id; kObject: callable, arguments
  std::vector<size_t> items;    // kObject: key, value, …
  std::vector<size_t> state;    // none or one
};

/// Values that refer to each other by index; the last one is the root. kList, kDict and kObject may hold
/// themselves.
using PickleValues = std::vector<PickleValue>;

PickleValues random_values(Random &random, size_t count, int protocol);
std::vector<uint8_t> write_pickle(const PickleValues &values, int protocol);

/// What differs between the values and the pickle; empty where nothing does.
std::string compare_pickle(const PickleValues &values, const torch::Pickle &pickle);

} // namespace monoquant::test
