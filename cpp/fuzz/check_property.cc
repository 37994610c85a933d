// Checks one property for seconds: every seed, then inputs that follow from their number.
// It exists so that the tests go through what fuzzers have found and a little beyond, with any compiler.
// The same inputs on every machine. One that breaks the property is written to a file, to become a seed.
//
//   check_property PROPERTY FILE_OR_FOLDER...   [--cases N] [--first N]
#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include "mutate.h"
#include "property.h"

// Of the sanitizers' runtime, where there is one.
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak)); // NOLINT

namespace {

using namespace monoquant::fuzz;
namespace fs = std::filesystem;

struct Seed {
  std::string name;
  Bytes bytes;
};

/// What is checked right now, for whoever ends the program.
struct {
  std::string_view property;
  std::string name;
  Bytes input;
  bool is_file = false;
} at_work; // NOLINT: there is one

void tell() {
  std::fprintf(stderr, "%.*s: %s breaks it.\n", static_cast<int>(at_work.property.size()),
               at_work.property.data(), at_work.name.c_str());
  if (!at_work.is_file) {
    const std::string path = "broken-" + std::string(at_work.property) + "-" + at_work.name;
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char *>(at_work.input.data()),
               static_cast<std::streamsize>(at_work.input.size()));
    std::fprintf(stderr, "The input is in %s: a new seed, once the fault is understood.\n",
                 fs::absolute(path).c_str());
  }
}

void on_abort(int /*signal*/) {
  tell();
  std::_Exit(1);
}

void check(const Property &property, std::string name, Bytes input, bool is_file) {
  at_work.property = property.name;
  at_work.name = std::move(name);
  at_work.input = std::move(input);
  at_work.is_file = is_file;
  property.check(at_work.input);
}

Bytes read(const fs::path &path) {
  std::ifstream stream(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(stream), {}};
  return {bytes.begin(), bytes.end()};
}

/// In the order of their names, which folders do not keep.
std::vector<Seed> read_seeds(const std::vector<fs::path> &places) {
  std::vector<fs::path> files;
  for (const fs::path &place : places) {
    if (fs::is_regular_file(place)) {
      files.push_back(place);
      continue;
    }
    if (!fs::is_directory(place)) {
      return {}; // proves nothing
    }
    for (const auto &entry : fs::directory_iterator(place)) {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  std::vector<Seed> seeds;
  for (const fs::path &file : files) {
    seeds.push_back({file.string(), read(file)});
  }
  return seeds;
}

std::optional<uint32_t> number(const char *text) {
  uint32_t value = 0;
  const char *end = text + std::strlen(text);
  const auto [last, error] = std::from_chars(text, end, value);
  return error == std::errc() && last == end ? std::optional(value) : std::nullopt;
}

int usage() {
  std::fprintf(stderr, "check_property PROPERTY FILE_OR_FOLDER... [--cases N] [--first N]\n\n");
  for (const Property &property : properties()) {
    std::fprintf(stderr, "  %-14.*s%.*s\n", static_cast<int>(property.name.size()),
                 property.name.data(), static_cast<int>(property.promise.size()),
                 property.promise.data());
  }
  return 2;
}

} // namespace

int main(int count, char **arguments) {
  const Property *property = count < 2 ? nullptr : find_property(arguments[1]);
  if (property == nullptr) {
    return usage();
  }
  uint32_t first = 0;
  uint32_t cases = property->cases;
  std::vector<fs::path> places;
  for (int i = 2; i < count; ++i) {
    const std::string_view argument = arguments[i];
    if (argument == "--cases" || argument == "--first") {
      const auto value = i + 1 < count ? number(arguments[i + 1]) : std::nullopt;
      if (!value) {
        return usage();
      }
      (argument == "--cases" ? cases : first) = *value;
      ++i;
    } else {
      places.emplace_back(argument);
    }
  }
  std::signal(SIGABRT, on_abort);
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(tell);
  } else {
    std::signal(SIGSEGV, on_abort);
    std::signal(SIGFPE, on_abort);
  }
  const std::vector<Seed> seeds = read_seeds(places);
  std::vector<Bytes> inputs;
  for (const Seed &seed : seeds) {
    check(*property, seed.name, seed.bytes, true);
    inputs.push_back(seed.bytes);
  }
  for (uint32_t i = first; i < first + cases; ++i) {
    check(*property, std::to_string(i), made_up_input(property->name, i, inputs), false);
  }
  std::printf("%zu seeds and %u made-up inputs hold.\n", seeds.size(), cases);
  return seeds.empty() ? 1 : 0; // without any, nothing is proven
}
