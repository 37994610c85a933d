// five_calls IN OUT: quantizes the linear layers of a checkpoint to INT4. cpp/README.md shows and explains it.
// It exists so that the program in that page compiles and runs: from the first include on both have the same lines.
#include <cstdio>
#include <fstream>
#include <memory>

#include "monoquant/layout/inspector.h"
#include "monoquant/plan/plan.h"
#include "monoquant/run/encode_stage.h"
#include "monoquant/run/seal_stage.h"
#include "monoquant/run/verify_stage.h"

using namespace monoquant;

template <typename T> T take(Result<T> result) {
  if (result) {
    return std::move(result.value());
  }
  std::fprintf(stderr, "%s %s\n", result.error().message.c_str(),
               result.error().suggestion.c_str());
  std::exit(1);
}

void read(std::fstream &file, uint64_t offset, std::span<uint8_t> to) {
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(reinterpret_cast<char *>(to.data()), static_cast<std::streamsize>(to.size()));
}

catalog::Catalog inspect(std::fstream &file) {
  file.seekg(0, std::ios::end);
  layout::Inspector inspector(static_cast<uint64_t>(file.tellg()));
  while (const auto need = take(inspector.step())) {
    std::vector<uint8_t> bytes(static_cast<size_t>(need->length));
    read(file, need->offset, bytes);
    inspector.add(need->offset, std::move(bytes));
  }
  return inspector.catalog();
}

// The loop of every stage: it says what to read, gets it, and says what to write.
void drive(run::Stage &stage, std::fstream &source, std::fstream &output) {
  while (const auto next = stage.next(0)) {
    read(source, next->offset, stage.input(0).first(next->length));
    if (const auto done = stage.process(0); !done) {
      take<int>(done.error());
    }
    for (const run::Write &write : stage.writes(0)) {
      output.seekp(static_cast<std::streamoff>(write.offset));
      output.write(reinterpret_cast<const char *>(write.bytes.data()),
                   static_cast<std::streamsize>(write.bytes.size()));
    }
  }
}

int main(int argc, char **argv) {
  if (argc != 3) {
    return 2;
  }
  constexpr size_t kBlockBytes = size_t{1} << 20U;
  constexpr auto kBinary = std::ios::in | std::ios::binary;
  std::fstream source(argv[1], kBinary);
  std::fstream output(argv[2], kBinary | std::ios::out | std::ios::trunc);

  const catalog::Catalog catalog = inspect(source); // 1. what is in the file

  plan::Options options; // 2. what becomes of each tensor, and where
  options.treatment = {.bits = 4, .strategy = quant::Strategy::kGroup, .group_size = 128};
  options.layers.set(static_cast<size_t>(catalog::LayerKind::kLinear));
  const plan::Plan plan = take(plan::make_plan(catalog, options));

  parallel::Workers workers(2); // 3. the work
  run::EncodeStage encode(plan, workers, run::Share{}, 1, kBlockBytes);
  drive(encode, source, output);

  run::SealStage seal(encode, "[" + encode.result_json() + "]"); // 4. what only the end can know
  drive(seal, source, output);

  output.flush(); // 5. the file as it stands on disk, against what was encoded
  run::VerifyStage verify(encode, inspect(output), 1, kBlockBytes);
  drive(verify, output, output);

  std::printf("%llu bytes\n", static_cast<unsigned long long>(plan.file_bytes));
}
