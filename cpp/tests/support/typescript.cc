#include "support/typescript.h"

#include <cstdio>
#include <cstdlib>

#include "monoquant/base/text.h"
#include "support/fixture.h"

namespace monoquant::test {

std::set<std::string> words_of(std::string_view path, std::string_view name) {
  const std::string source = read_source(path);
  const size_t begin = source.find(concat(name, " = ["));
  const size_t end = source.find(']', begin);
  if (begin == std::string::npos || end == std::string::npos) {
    std::fprintf(stderr, "Expected an array %s in a source file, found none.\n",
                 std::string(name).c_str());
    std::abort();
  }
  std::set<std::string> words;
  for (size_t open = source.find('\'', begin); open < end; open = source.find('\'', open)) {
    const size_t close = source.find('\'', open + 1);
    words.insert(source.substr(open + 1, close - open - 1));
    open = close + 1;
  }
  return words;
}

} // namespace monoquant::test
