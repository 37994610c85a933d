#include "monoquant/catalog/wrappers.h"

#include <algorithm>
#include <array>
#include <set>
#include <vector>

#include "monoquant/base/text.h"

namespace monoquant::catalog {
namespace {

constexpr std::string_view kDataParallel = "module.";
// Of torch.compile, FSDP and checkpoint_wrapper, which wrap single layers as well.
constexpr std::array<std::string_view, 3> kOfLayers = {"_orig_mod.", "_fsdp_wrapped_module.",
                                                       "_checkpoint_wrapped_module."};

/// The wrapper that a text begins with; "" if there is none.
std::string_view leading_wrapper(std::string_view text) {
  if (text.starts_with(kDataParallel)) {
    return kDataParallel;
  }
  const auto *word = std::find_if(kOfLayers.begin(), kOfLayers.end(),
                                  [&](std::string_view each) { return text.starts_with(each); });
  return word == kOfLayers.end() ? std::string_view() : *word;
}

/// Where a word begins at or after `from`: at the start of the name or after a dot.
size_t find_word(std::string_view name, std::string_view word, size_t from = 0) {
  size_t at = name.find(word, from);
  while (at != std::string_view::npos && at != 0 && name[at - 1] != '.') {
    at = name.find(word, at + 1);
  }
  return at;
}

/// The words that `prefix` is made of; none if something else is in it.
std::vector<std::string_view> wrappers_in(std::string_view prefix) {
  std::vector<std::string_view> words;
  while (!prefix.empty()) {
    const std::string_view word = leading_wrapper(prefix);
    if (word.empty()) {
      return {};
    }
    words.push_back(word);
    prefix.remove_prefix(word.size());
  }
  return words;
}

Error unwanted(std::string message, std::string suggestion, std::string tensor) {
  return {
      ErrorCode::kInvalidOptions, std::move(message), std::move(suggestion), std::move(tensor), {}};
}

Result<void> strip_start(Catalog &catalog, std::string_view prefix) {
  for (Tensor &tensor : catalog.tensors) {
    if (!tensor.name.starts_with(prefix)) {
      return unwanted(concat("Expected every name to begin with \"", prefix, "\", found \"",
                             tensor.name, "\"."),
                      "Leave the prefix away, or choose the part of the file that has it.",
                      tensor.name);
    }
    tensor.name.erase(0, prefix.size());
  }
  return {};
}

Result<void> strip_everywhere(Catalog &catalog, std::string_view word) {
  bool found = false;
  std::set<std::string_view> names;
  for (Tensor &tensor : catalog.tensors) {
    for (size_t at = find_word(tensor.name, word); at != std::string::npos;
         at = find_word(tensor.name, word, at)) {
      tensor.name.erase(at, word.size());
      found = true;
    }
  }
  for (const Tensor &tensor : catalog.tensors) {
    if (!names.insert(tensor.name).second) {
      return unwanted(concat("Expected names that differ without \"", word,
                             "\", found two tensors that would be \"", tensor.name, "\"."),
                      "Leave the prefix away.", tensor.name);
    }
  }
  if (!found && !catalog.tensors.empty()) {
    const std::string &first = catalog.tensors[0].name;
    return unwanted(
        concat("Expected \"", word, "\" in names, found none with it, such as \"", first, "\"."),
        "Leave the prefix away, or choose the part of the file that has it.", first);
  }
  return {};
}

} // namespace

std::string wrapper_prefix(const Catalog &catalog) {
  if (catalog.tensors.empty()) {
    return {};
  }
  const auto begins_all = [&](std::string_view prefix) {
    return std::all_of(catalog.tensors.begin(), catalog.tensors.end(),
                       [&](const Tensor &tensor) { return tensor.name.starts_with(prefix); });
  };
  const std::string_view first = catalog.tensors[0].name;
  std::string words;
  for (std::string_view next = leading_wrapper(first); !next.empty();) {
    if (!begins_all(concat(words, next))) {
      break;
    }
    words += next; // one wrapper may be inside of another
    next = leading_wrapper(first.substr(words.size()));
  }
  for (const std::string_view word : kOfLayers) {
    const bool is_inside =
        find_word(words, word) == std::string::npos &&
        std::any_of(catalog.tensors.begin(), catalog.tensors.end(), [&](const Tensor &tensor) {
          return find_word(tensor.name, word) != std::string::npos;
        });
    words += is_inside ? word : std::string_view();
  }
  return words;
}

Result<void> strip_names(Catalog &catalog, const std::string &prefix) {
  const std::vector<std::string_view> words = wrappers_in(prefix);
  if (words.empty()) {
    return strip_start(catalog, prefix);
  }
  for (const std::string_view word : words) {
    const auto done =
        word == kDataParallel ? strip_start(catalog, word) : strip_everywhere(catalog, word);
    if (!done) {
      return done.error();
    }
  }
  return {};
}

} // namespace monoquant::catalog
