// native_quantize IN OUT OPTIONS_JSON [BLOCK_BYTES] [THREADS] [SHARES]
// A thin host around the engine, natively: other tests compare its files with those that WebAssembly makes.
// OPTIONS_JSON is an EngineOptions. Where values turn out unfit, it plans and encodes once more, as every host
// does. Prints the result of the encoding; on failure it prints the error as JSON and exits with 1.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>

#include "monoquant/base/json.h"
#include "monoquant/base/json_writer.h"
#include "monoquant/layout/inspector.h"
#include "monoquant/plan/plan.h"
#include "monoquant/run/encode_stage.h"
#include "monoquant/run/verify_stage.h"
#include "support/drive.h"

namespace monoquant {
namespace {

struct Arguments {
  std::string input;
  std::string output;
  Json options;
  size_t block_bytes = size_t{1} << 20U;
  size_t threads = 1;
  uint64_t shares = 1;
};

constexpr size_t kSlots = 3;

[[noreturn]] void fail(const Error &error) {
  std::printf("%s\n", error_json(error).c_str());
  std::exit(1);
}

[[noreturn]] void fail(std::string message) {
  fail(Error{ErrorCode::kInternal, std::move(message), {}, {}, {}});
}

template <typename T> T checked(Result<T> result) {
  if (!result) {
    fail(result.error());
  }
  return std::move(result.value());
}

void check(const Result<void> &result) {
  if (!result) {
    fail(result.error());
  }
}

/// A file that is read and written at offsets.
class File {
public:
  File(const std::string &path, std::ios::openmode mode) : stream_(path, mode | std::ios::binary) {
    if (!stream_) {
      fail("Expected a file that can be opened, found " + path + ".");
    }
    stream_.seekg(0, std::ios::end);
    size_ = static_cast<uint64_t>(stream_.tellg());
  }

  [[nodiscard]] uint64_t size() const { return size_; }

  void read(uint64_t offset, std::span<uint8_t> to) {
    stream_.seekg(static_cast<std::streamoff>(offset));
    stream_.read(reinterpret_cast<char *>(to.data()), static_cast<std::streamsize>(to.size()));
    if (!stream_) {
      fail("Reading failed.");
    }
  }

  void write(uint64_t offset, std::span<const uint8_t> bytes) {
    stream_.seekp(static_cast<std::streamoff>(offset));
    stream_.write(reinterpret_cast<const char *>(bytes.data()),
                  static_cast<std::streamsize>(bytes.size()));
    if (!stream_.flush()) {
      fail("Writing failed.");
    }
  }

private:
  std::fstream stream_;
  uint64_t size_ = 0;
};

catalog::Catalog inspect(File &file) {
  layout::Inspector inspector(file.size());
  while (const auto need = checked(inspector.step())) {
    std::vector<uint8_t> bytes(static_cast<size_t>(need->length));
    file.read(need->offset, bytes);
    inspector.add(need->offset, std::move(bytes));
  }
  return inspector.catalog();
}

using Stages = std::vector<std::unique_ptr<run::EncodeStage>>;

Stages encode(const plan::Plan &plan, parallel::Workers &workers, const Arguments &arguments,
              File &source) {
  File output(arguments.output, std::ios::in | std::ios::out | std::ios::trunc);
  Stages stages;
  for (uint64_t share = 0; share < arguments.shares; ++share) {
    stages.push_back(std::make_unique<run::EncodeStage>(
        plan, workers, run::Share{share, arguments.shares}, kSlots, arguments.block_bytes));
    check(test::drive(
        *stages.back(), [&](uint64_t offset, std::span<uint8_t> to) { source.read(offset, to); },
        [&](uint64_t offset, std::span<const uint8_t> bytes) { output.write(offset, bytes); }));
  }
  return stages;
}

void verify(const Stages &stages, const Arguments &arguments) {
  File output(arguments.output, std::ios::in);
  const catalog::Catalog catalog = inspect(output);
  for (const auto &stage : stages) {
    run::VerifyStage verify(*stage, catalog, kSlots, arguments.block_bytes);
    check(test::drive(
        verify, [&](uint64_t offset, std::span<uint8_t> to) { output.read(offset, to); },
        [](uint64_t, std::span<const uint8_t>) {}));
  }
}

/// The results of all shares as one: errors in the order of the tensors, each unfit tensor once.
Json merged_result(const Stages &stages) {
  Json unfit = Json::array();
  uint64_t bytes = 0;
  std::vector<Json> errors;
  for (const auto &stage : stages) {
    const Json result = Json::parse(stage->result_json());
    for (const Json &found : result["unfit"]) {
      const bool known = std::any_of(unfit.begin(), unfit.end(), [&](const Json &other) {
        return other["tensor"] == found["tensor"];
      });
      if (!known) {
        unfit.push_back(found);
      }
    }
    bytes += result["bytes"].get<uint64_t>();
    errors.insert(errors.end(), result["errors"].begin(), result["errors"].end());
  }
  std::stable_sort(errors.begin(), errors.end(), [](const Json &a, const Json &b) {
    return a[0] != b[0] ? a[0] < b[0] : a[1] < b[1];
  });
  return {{"unfit", unfit}, {"bytes", bytes}, {"errors", errors}};
}

void quantize(Arguments arguments) {
  File source(arguments.input, std::ios::in);
  const catalog::Catalog catalog = inspect(source);
  parallel::Workers workers(arguments.threads);
  Json result;
  for (int attempt = 0; attempt < 2; ++attempt) {
    const plan::Options options =
        checked(plan::parse_options(arguments.options.dump(), catalog.tensors.size()));
    const plan::Plan plan = checked(plan::make_plan(catalog, options));
    const Stages stages = encode(plan, workers, arguments, source);
    result = merged_result(stages);
    if (result["unfit"].empty()) {
      verify(stages, arguments);
      std::printf("%s\n", result.dump().c_str());
      return;
    }
    for (const Json &found : result["unfit"]) {
      arguments.options["unfit"].push_back(found);
    }
  }
  fail("Tensors are unfit although they are only copied: " + result["unfit"].dump());
}

} // namespace
} // namespace monoquant

int main(int argc, char **argv) {
  if (argc < 4 || argc > 7) {
    std::fprintf(stderr, "Usage: %s IN OUT OPTIONS_JSON [BLOCK_BYTES] [THREADS] [SHARES]\n",
                 argv[0]);
    return 2;
  }
  const auto number = [&](int index, size_t otherwise) {
    return index < argc ? static_cast<size_t>(std::strtoull(argv[index], nullptr, 10)) : otherwise;
  };
  monoquant::Arguments arguments;
  arguments.input = argv[1];
  arguments.output = argv[2];
  arguments.options = monoquant::Json::parse(argv[3], nullptr, false);
  arguments.block_bytes = number(4, arguments.block_bytes);
  arguments.threads = number(5, arguments.threads);
  arguments.shares = number(6, 1);
  monoquant::quantize(std::move(arguments));
  return 0;
}
