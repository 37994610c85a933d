// Times the blocks of GGUF tensors: one line "type direction nanoseconds-per-weight" each.
// It needs no benchmark library, so that it runs natively and as WebAssembly.
// The best of several rounds is printed: the rest is noise of the machine.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "monoquant/layout/gguf/decode.h"
#include "monoquant/layout/gguf/encode.h"

namespace monoquant::bench {
namespace {

using namespace layout::gguf;

constexpr size_t kRows = 8;
constexpr size_t kColumns = 4096;

template <typename Call> double best_of(int rounds, const Call &call) {
  using Clock = std::chrono::steady_clock;
  double best = 1e9;
  for (int round = 0; round < rounds; ++round) {
    const auto begin = Clock::now();
    call();
    const std::chrono::duration<double, std::nano> spent = Clock::now() - begin;
    best = std::min(best, spent.count() / static_cast<double>(kRows * kColumns));
  }
  return best;
}

/// Roughly normal, and importances of very different sizes.
struct Rows {
  std::vector<float> values = std::vector<float>(kRows * kColumns);
  std::vector<float> importance = std::vector<float>(kColumns);

  Rows() {
    uint32_t state = 12345;
    const auto next = [&state] {
      state = state * 1664525U + 1013904223U;
      return static_cast<float>(static_cast<int32_t>(state)) * 0x1p-31F;
    };
    for (float &value : values) {
      value = 0.02F * (next() + next() + next() + next());
    }
    for (float &number : importance) {
      const float unit = next();
      number = 0.001F + unit * unit * unit * unit;
    }
  }
};

void print(const BlockFacts &facts, const char *direction, double nanoseconds) {
  std::printf("%-8s %-20s %8.3f\n", std::string(facts.name).c_str(), direction, nanoseconds);
}

void run(const BlockFacts &facts, const Rows &rows) {
  constexpr int kRounds = 20;
  const size_t row_bytes = kColumns / facts.values * facts.bytes;
  std::vector<uint8_t> bytes(kRows * row_bytes, 0x11);
  const auto encode = [&](std::span<const float> importance) {
    for (size_t row = 0; row < kRows; ++row) {
      (void)encode_row(facts.type, std::span(rows.values).subspan(row * kColumns, kColumns),
                       importance, std::span(bytes).subspan(row * row_bytes, row_bytes));
    }
  };
  if (facts.is_written) {
    if (facts.uses_importance) {
      print(facts, "encode, importance", best_of(kRounds, [&] { encode(rows.importance); }));
    }
    print(facts, "encode", best_of(kRounds, [&] { encode({}); }));
  }
  std::vector<float> values(kRows * kColumns);
  print(facts, "decode", best_of(kRounds, [&] { (void)decode_blocks(facts.type, bytes, values); }));
}

} // namespace
} // namespace monoquant::bench

int main(int argc, char **argv) {
  using namespace monoquant;
  const bench::Rows rows;
  for (const layout::gguf::BlockFacts &facts : layout::gguf::block_types()) {
    if (argc < 2 || facts.name == argv[1]) {
      bench::run(facts, rows);
    }
  }
  return 0;
}
