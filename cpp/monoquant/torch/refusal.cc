#include "monoquant/torch/refusal.h"

#include "monoquant/base/text.h"
#include "monoquant/torch/embedded.h"

namespace monoquant::torch {
namespace {

constexpr size_t kNamesShown = 5;

/// "os.system, os.popen and 3 more"; empty where there are none.
std::string names_of(const std::vector<Global> &globals, Danger danger) {
  std::string names;
  size_t count = 0;
  for (const Global &global : globals) {
    if (global.danger == danger && ++count <= kNamesShown) {
      names += concat(count == 1 ? "" : ", ", global.module, ".", global.name);
    }
  }
  return count <= kNamesShown ? names : concat(names, " and ", count - kNamesShown, " more");
}

} // namespace

Needs tell_names(const ByteWindow &file, Error &error) {
  if (file.file_size() == 0) {
    return {};
  }
  EmbeddedReader reader;
  reader.read_file(file);
  if (!reader.needs.empty()) {
    return std::move(reader.needs);
  }
  const auto globals = reader.globals.list();
  const std::string dangerous = names_of(globals, Danger::kDangerous);
  const std::string unknown = names_of(globals, Danger::kUnknown);
  if (!dangerous.empty()) {
    error.message += concat(" It names ", dangerous,
                            ", which can run code or reach files where it is loaded in Python.");
  } else if (!unknown.empty()) {
    error.message += concat(" It names ", unknown,
                            ", of which nothing is known here: it may run code where it is loaded "
                            "in Python.");
  }
  return {};
}

} // namespace monoquant::torch
