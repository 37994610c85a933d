// Times the kernel jobs without a benchmark library: one line "name nanoseconds-per-weight" a job.
// It exists for WebAssembly, where Google Benchmark does not run, and natively for the same figures beside it.
// The best of several rounds is printed: the rest is noise of the machine.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>

#include "kernel_jobs.h"

int main(int argc, char **argv) {
  using namespace monoquant;
  using Clock = std::chrono::steady_clock;
  const bool scalar = argc > 1 && std::string_view(argv[1]) == "scalar";
  const quant::Kernels &table = scalar ? quant::scalar_kernels() : quant::kernels();
  bench::Block block;
  // Rounds of a millisecond or two: some of them are not interrupted, even on a busy machine.
  constexpr int kRounds = 120;
  constexpr int kCalls = 5;
  for (const bench::Job &job : bench::jobs()) {
    double best = 1e9;
    for (int round = 0; round < kRounds; ++round) {
      const auto begin = Clock::now();
      for (int call = 0; call < kCalls; ++call) {
        job.run(table, block);
      }
      const std::chrono::duration<double, std::nano> spent = Clock::now() - begin;
      best = std::min(best, spent.count() / (kCalls * static_cast<double>(bench::kJobWeights)));
    }
    std::printf("%-32s %.4f\n", std::string(job.name).c_str(), best);
  }
  return 0;
}
