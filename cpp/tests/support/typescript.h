// Lists of words in TypeScript sources.
// It exists because both sides of the boundary must use the same words, and each is compiled without the other.
// Understands `NAME = ['a', 'b', …]` and nothing else of the language.
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace monoquant::test {

/// The quoted words of the array called `name`; ends the program where there is none.
std::set<std::string> words_of(std::string_view path, std::string_view name);

} // namespace monoquant::test
