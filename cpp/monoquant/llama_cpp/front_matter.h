// What a README.md says of its model in the lines between "---", as far as the keys of a GGUF file want it.
// It exists because licence, tags, languages and base models come from there.
// Of YAML it reads members at the left margin that are texts or lists of texts; members of other kinds are left out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace monoquant::llama_cpp {

struct CardEntry {
  std::string name;
  bool is_list = false;
  std::vector<std::string> texts; // one, unless it is a list; none for null
};

/// Empty where the text does not begin with such lines. Of two members with one name the last counts.
std::vector<CardEntry> read_front_matter(std::string_view readme);

} // namespace monoquant::llama_cpp
