// The inner loops as jobs on one block that stays in cache, for benchmarks.
// It exists so that the native benchmark and the WebAssembly one measure the same work.
// A job runs over kJobWeights weights; rates are given per weight.
#pragma once

#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

#include "monoquant/layout/compressed_tensors/compressed_tensors.h"
#include "monoquant/plan/plan.h"
#include "monoquant/quant/kernels/kernels.h"
#include "monoquant/run/unit_encoder.h"

namespace monoquant::bench {

inline constexpr size_t kJobRows = 16;
inline constexpr size_t kJobColumns = 4096;
inline constexpr size_t kJobWeights = kJobRows * kJobColumns; // 256 KiB of f32

struct Block {
  std::vector<float> values = std::vector<float>(kJobWeights);
  std::vector<uint8_t> f16 = std::vector<uint8_t>(kJobWeights * 2);
  std::vector<uint8_t> bf16 = std::vector<uint8_t>(kJobWeights * 2);
  std::vector<uint8_t> output = std::vector<uint8_t>(kJobWeights * 4);
  std::vector<float> scales = std::vector<float>(kJobWeights);
  std::vector<float> importance = std::vector<float>(kJobColumns, 1.5F);
  std::vector<int32_t> zero_points = std::vector<int32_t>(kJobWeights);

  Block() {
    uint32_t state = 12345;
    for (float &value : values) {
      state = state * 1664525U + 1013904223U;
      value = static_cast<float>(static_cast<int32_t>(state)) * 0x1p-36F;
    }
    for (size_t i = 0; i < kJobColumns; i += 2) {
      importance[i] = 1.0F; // weights that are all alike are none
    }
    quant::ErrorSums sums;
    const quant::SourceKernels &f32 = quant::scalar_kernels().f32;
    f32.encode_f16(values.data(), kJobWeights, f16.data(), sums);
    f32.encode_bf16(values.data(), kJobWeights, bf16.data(), sums);
  }
};

struct Job {
  std::string_view name;
  void (*run)(const quant::Kernels &kernels, Block &block);
};

inline layout::Stored scheme_of(uint32_t bits, bool symmetric, uint64_t group) {
  layout::Stored stored;
  quant::Scheme &scheme = stored.scheme;
  scheme.bits = bits;
  scheme.symmetric = symmetric;
  scheme.strategy = group == 0 ? quant::Strategy::kChannel : quant::Strategy::kGroup;
  scheme.group_size = group;
  stored.weights_only = bits == 4;
  return stored;
}

inline layout::Stored searched(layout::Stored stored) {
  stored.scheme.method = quant::Method::kMse;
  stored.scheme.signed_scales = stored.scheme.bits == 4 && stored.scheme.symmetric;
  return stored;
}

inline void encode(Block &block, const layout::Stored &stored,
                   std::span<const float> importance = {}) {
  const auto codec = layout::kCompressedTensors.make_codec(stored);
  run::encode_unit(block.values, stored.scheme, *codec, {kJobColumns, false, importance},
                   {block.scales, block.zero_points}, block.output.data());
}

/// The same from halves, as a source stores them.
inline void encode(Block &block, const run::Values &values, const layout::Stored &stored) {
  const auto codec = layout::kCompressedTensors.make_codec(stored);
  run::encode_unit(values, stored.scheme, *codec, {kJobColumns, false, {}},
                   {block.scales, block.zero_points}, block.output.data());
}

inline void convert(Block &block, const run::Values &values, Dtype target) {
  const run::UnitResult result = run::convert(values, target, block.output.data());
  block.output[0] = static_cast<uint8_t>(result.magnitude);
}

/// Kernels alone take the table to use; whole encodings take the build's own.
inline const std::vector<Job> &jobs() {
  static const std::vector<Job> kJobs = {
      {"magnitudes",
       [](const quant::Kernels &k, Block &b) {
         uint32_t bits[kJobRows];
         k.f32.magnitudes(b.values.data(), kJobColumns, kJobRows, bits);
         b.output[0] = static_cast<uint8_t>(bits[0]);
       }},
      {"ranges",
       [](const quant::Kernels &k, Block &b) {
         quant::Range ranges[kJobRows];
         k.f32.ranges(b.values.data(), kJobColumns, kJobRows, ranges);
         b.output[0] = static_cast<uint8_t>(ranges[0].min < ranges[0].max);
       }},
      {"magnitudes of BF16",
       [](const quant::Kernels &k, Block &b) {
         uint32_t bits[kJobRows];
         k.bf16.magnitudes(b.bf16.data(), kJobColumns, kJobRows, bits);
         b.output[0] = static_cast<uint8_t>(bits[0]);
       }},
      {"decode_bf16",
       [](const quant::Kernels &k, Block &b) {
         k.decode_bf16(b.bf16.data(), kJobWeights, reinterpret_cast<float *>(b.output.data()));
       }},
      {"decode_f16",
       [](const quant::Kernels &k, Block &b) {
         k.decode_f16(b.f16.data(), kJobWeights, reinterpret_cast<float *>(b.output.data()));
       }},
      {"encode_8",
       [](const quant::Kernels &k, Block &b) {
         quant::ErrorSums sums;
         const quant::Scope scope{4000.0F, 1.0F, 0};
         k.f32.encode_8(b.values.data(), kJobWeights, 1,
                        {&scope.factor, &scope.step, &scope.zero_point}, 0, b.output.data(), sums);
         b.output[0] = static_cast<uint8_t>(sums.peak);
       }},
      {"encode_8 of BF16",
       [](const quant::Kernels &k, Block &b) {
         quant::ErrorSums sums;
         const quant::Scope scope{4000.0F, 1.0F, 0};
         k.bf16.encode_8(b.bf16.data(), kJobWeights, 1,
                         {&scope.factor, &scope.step, &scope.zero_point}, 0, b.output.data(), sums);
         b.output[0] = static_cast<uint8_t>(sums.peak);
       }},
      {"encode_8 of F16",
       [](const quant::Kernels &k, Block &b) {
         quant::ErrorSums sums;
         const quant::Scope scope{4000.0F, 1.0F, 0};
         k.f16.encode_8(b.f16.data(), kJobWeights, 1,
                        {&scope.factor, &scope.step, &scope.zero_point}, 0, b.output.data(), sums);
         b.output[0] = static_cast<uint8_t>(sums.peak);
       }},
      {"encode_4",
       [](const quant::Kernels &k, Block &b) {
         quant::ErrorSums sums;
         const quant::Scope scope{200.0F, 1.0F, 0};
         k.f32.encode_4(b.values.data(), kJobWeights, 1,
                        {&scope.factor, &scope.step, &scope.zero_point}, b.output.data(), sums);
         b.output[0] = static_cast<uint8_t>(sums.peak);
       }},
      {"F32 to F16", [](const quant::Kernels &, Block &b) { convert(b, b.values, Dtype::kF16); }},
      {"F32 to BF16", [](const quant::Kernels &, Block &b) { convert(b, b.values, Dtype::kBF16); }},
      {"BF16 to F16",
       [](const quant::Kernels &, Block &b) {
         convert(b, {Dtype::kBF16, b.bf16}, Dtype::kF16);
       }},
      {"F16 to BF16",
       [](const quant::Kernels &, Block &b) {
         convert(b, {Dtype::kF16, b.f16}, Dtype::kBF16);
       }},
      {"INT8 per channel of BF16",
       [](const quant::Kernels &, Block &b) {
         encode(b, {Dtype::kBF16, b.bf16}, scheme_of(8, true, 0));
       }},
      {"INT8 per channel of F16",
       [](const quant::Kernels &, Block &b) {
         encode(b, {Dtype::kF16, b.f16}, scheme_of(8, true, 0));
       }},
      {"INT4 groups of 128 of BF16",
       [](const quant::Kernels &, Block &b) {
         encode(b, {Dtype::kBF16, b.bf16}, scheme_of(4, true, 128));
       }},
      {"INT4 groups of 128 of F16",
       [](const quant::Kernels &, Block &b) {
         encode(b, {Dtype::kF16, b.f16}, scheme_of(4, true, 128));
       }},
      {"INT8 per channel",
       [](const quant::Kernels &, Block &b) { encode(b, scheme_of(8, true, 0)); }},
      {"INT8 asymmetric per channel",
       [](const quant::Kernels &, Block &b) { encode(b, scheme_of(8, false, 0)); }},
      {"INT4 groups of 128",
       [](const quant::Kernels &, Block &b) { encode(b, scheme_of(4, true, 128)); }},
      {"INT4 asymmetric groups of 128",
       [](const quant::Kernels &, Block &b) { encode(b, scheme_of(4, false, 128)); }},
      {"try_codes, a trial",
       [](const quant::Kernels &k, Block &b) {
         constexpr size_t kTrials = 4;
         const quant::Trial trials[kTrials] = {
             {200.0F, -8, 7}, {210.0F, -8, 7}, {220.0F, -8, 7}, {230.0F, -8, 7}};
         double noise[kTrials];
         for (size_t i = 0; i < kJobWeights / kTrials; i += 128) {
           k.try_codes(b.values.data() + i, 128, {}, trials, kTrials, noise);
           b.output[0] = static_cast<uint8_t>(noise[0]);
         }
       }},
      {"try_levels, a trial",
       [](const quant::Kernels &k, Block &b) {
         quant::LevelSums sums;
         for (size_t i = 0; i < kJobWeights / quant::kLevelTrials; i += 128) {
           k.try_levels(b.values.data() + i, 128, {900000.0F, -2048, false}, sums);
           b.output[0] = static_cast<uint8_t>(sums.signal);
         }
       }},
      {"INT8 per channel, searched",
       [](const quant::Kernels &, Block &b) { encode(b, searched(scheme_of(8, true, 0))); }},
      {"INT4 groups of 128, searched",
       [](const quant::Kernels &, Block &b) { encode(b, searched(scheme_of(4, true, 128))); }},
      {"INT4 groups of 128, weighted",
       [](const quant::Kernels &, Block &b) {
         encode(b, searched(scheme_of(4, true, 128)), b.importance);
       }},
      {"INT4 asymmetric of 128, searched",
       [](const quant::Kernels &, Block &b) { encode(b, searched(scheme_of(4, false, 128))); }},
      {"INT4 groups of 32",
       [](const quant::Kernels &, Block &b) { encode(b, scheme_of(4, true, 32)); }},
  };
  return kJobs;
}

} // namespace monoquant::bench
