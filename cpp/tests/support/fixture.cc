#include "support/fixture.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "monoquant/base/text.h"

namespace monoquant::test {
namespace {

std::string read_file(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "Expected the test file %s, found none.\n", path.c_str());
    std::abort();
  }
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string fixture_path(std::string_view path) {
  return concat(MONOQUANT_SOURCE_DIR, "/wasm-tests/fixtures/", path);
}

} // namespace

std::vector<uint8_t> read_fixture(std::string_view path) {
  const std::string text = read_file(fixture_path(path));
  return {text.begin(), text.end()};
}

Json read_fixture_json(std::string_view path) { return Json::parse(read_file(fixture_path(path))); }

std::vector<std::string> list_fixtures(std::string_view folder) {
  std::vector<std::string> paths;
  for (const auto &entry : std::filesystem::directory_iterator(fixture_path(folder))) {
    if (entry.path().extension() == ".safetensors") {
      paths.push_back(concat(folder, "/", entry.path().filename().string()));
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::string read_source(std::string_view path) {
  return read_file(concat(MONOQUANT_SOURCE_DIR, "/", path));
}

} // namespace monoquant::test
