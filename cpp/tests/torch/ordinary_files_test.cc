// Files as ordinary programs write them are quiet: what always warns is switched off by everybody.
#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "monoquant/base/json.h"
#include "monoquant/torch/globals.h"
#include "support/fixture.h"

namespace monoquant::torch {
namespace {

/// Made by scripts/pickle-names/listed.py from files that ordinary.py wrote with the libraries themselves.
TEST(OrdinaryFiles, AreQuiet) {
  std::istringstream lines(test::read_source("wasm-tests/fixtures/pickles/ordinary.jsonl"));
  const std::set<std::string> alarming = {
      "module_conv", // LazyLinear keeps methods of its own, which Python pickles as calls of getattr
      "module_quantized", // an object of native code, whose own __setstate__ gets the pickled bytes
  };
  size_t kinds = 0;
  for (std::string line; std::getline(lines, line); ++kinds) {
    const Json json = parse_json(line);
    const std::string kind = *json.find("kind")->get_ptr<const std::string *>();
    std::string found;
    for (const auto &[use, danger_use] :
         {std::pair("made", Use::kMade), std::pair("used", Use::kAny)}) {
      for (const auto &[module, names] : json.find(use)->items()) {
        for (const Json &name : names) {
          const std::string &text = *name.get_ptr<const std::string *>();
          found +=
              danger_of(module, text, danger_use) == Danger::kSafe ? "" : " " + module + "." + text;
        }
      }
    }
    EXPECT_EQ(!found.empty(), alarming.contains(kind)) << kind << ":" << found;
  }
  EXPECT_GE(kinds, 100U);
}

} // namespace
} // namespace monoquant::torch
