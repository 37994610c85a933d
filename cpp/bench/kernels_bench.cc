// The kernel jobs under Google Benchmark.
#include <benchmark/benchmark.h>

#include <string>

#include "kernel_jobs.h"

int main(int argc, char **argv) {
  using namespace monoquant;
  for (const bench::Job &job : bench::jobs()) {
    benchmark::RegisterBenchmark(std::string(job.name).c_str(), [&job](benchmark::State &state) {
      bench::Block block;
      for (auto _ : state) {
        job.run(quant::kernels(), block);
        benchmark::DoNotOptimize(block.output.data());
        benchmark::ClobberMemory();
      }
      state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(bench::kJobWeights));
      state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bench::kJobWeights) * 4);
    });
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
