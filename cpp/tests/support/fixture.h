// Files of wasm-tests/fixtures, and text of the source tree.
// It exists so that no test knows where the tree lies.
// A file that is missing ends the program: without its data no test means anything.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "monoquant/base/json.h"

namespace monoquant::test {

/// Bytes of "golden/ct_w4a16_g64.safetensors", for instance.
std::vector<uint8_t> read_fixture(std::string_view path);
Json read_fixture_json(std::string_view path);

/// Paths of all files in a folder of the fixtures that end in ".safetensors", sorted.
std::vector<std::string> list_fixtures(std::string_view folder);

/// Text of a file of the source tree, such as "js/api/types.ts".
std::string read_source(std::string_view path);

} // namespace monoquant::test
