#include "support/run_checks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "monoquant/base/bytes.h"
#include "support/reference_quantizer.h"

namespace monoquant::test {
namespace {

std::span<const float> importance_of(const plan::TensorPlan &entry) {
  const auto &importance = entry.quantize()->importance;
  return importance == nullptr ? std::span<const float>() : *importance;
}

bool is_stack(const MemoryRun &run, const plan::TensorPlan &entry) {
  return run.plan().catalog->tensors[entry.source].kind == catalog::LayerKind::kExperts;
}

/// What the file must hold for one planned tensor.
std::map<std::string, FileTensor>
expected_tensors(const MemoryRun &run, const plan::TensorPlan &entry, const FileTensor &source) {
  switch (entry.decision()) {
  case plan::Decision::kCopy:
    return {{source.name, source}};
  case plan::Decision::kConvert:
    return {{source.name, reference_float(source, entry.convert()->to)}};
  case plan::Decision::kCorrect: // by means, which runs that are checked here do not have
  case plan::Decision::kTie:     // safetensors files only note them
  case plan::Decision::kDrop:
    return {};
  case plan::Decision::kQuantize:
    break;
  }
  return reference_outputs(source, is_stack(run, entry), entry.quantize()->stored,
                           importance_of(entry));
}

void expect_tiled(const MemoryRun &run) {
  uint64_t position = 0;
  for (const run::WrittenRange &extent : run.extents()) {
    EXPECT_EQ(extent.offset, position) << "nobody wrote the bytes before, or two did";
    position = extent.offset + extent.bytes;
  }
  EXPECT_EQ(position, run.output().size());
}

} // namespace

void expect_matches_reference(const MemoryRun &run, const Bytes &source) {
  ASSERT_TRUE(run.unfit().empty());
  expect_tiled(run);
  const TensorFile sources = parse_file(source);
  const TensorFile outputs = parse_file(run.output());
  size_t seen = 0;
  for (const plan::TensorPlan &entry : run.plan().tensors) {
    const std::string &name = run.plan().catalog->tensors[entry.source].name;
    for (const auto &[key, expected] : expected_tensors(run, entry, sources.tensors.at(name))) {
      const auto found = outputs.tensors.find(key);
      ASSERT_NE(found, outputs.tensors.end()) << key;
      EXPECT_EQ(dtype_name(found->second.dtype), dtype_name(expected.dtype)) << key;
      EXPECT_EQ(found->second.shape, expected.shape) << key;
      const auto [here, there] =
          std::mismatch(found->second.bytes.begin(), found->second.bytes.end(),
                        expected.bytes.begin(), expected.bytes.end());
      EXPECT_TRUE(here == found->second.bytes.end() && there == expected.bytes.end())
          << key << " (" << entry.explanation << ") differs from byte "
          << here - found->second.bytes.begin() << " of " << expected.bytes.size();
      ++seen;
    }
  }
  EXPECT_EQ(seen, outputs.tensors.size()) << "tensors that nobody expects";
  const auto verified = run.verify(run.output());
  EXPECT_TRUE(verified) << verified.error().message;
}

void expect_true_errors(const MemoryRun &run, const Bytes &source, double tolerance, Values kind) {
  const TensorFile sources = parse_file(source);
  for (const plan::TensorPlan &entry : run.plan().tensors) {
    if (entry.decision() != plan::Decision::kQuantize) {
      continue;
    }
    const FileTensor &tensor = sources.tensors.at(run.plan().catalog->tensors[entry.source].name);
    const std::vector<float> values = values_of(tensor);
    const ReferenceCodes codes =
        reference_codes(values, as_matrices(tensor.shape, is_stack(run, entry)),
                        entry.quantize()->stored.scheme, importance_of(entry));
    const quant::ErrorSums expected = reference_errors(values, codes);
    const quant::ErrorSums found = run.tensor_errors(entry.source);
    EXPECT_NEAR(found.signal, expected.signal, expected.signal * tolerance) << tensor.name;
    // A value in steps is off by two roundings, so its error by as much: e^2 changes by 2 e y 2^-23 at most,
    // and Cauchy and Schwarz bound the sum.
    const double same_way =
        0x1p-22 * std::sqrt(expected.signal * expected.noise) + 0x1p-46 * expected.signal;
    EXPECT_NEAR(found.noise, expected.noise,
                expected.noise * tolerance + (kind == Values::kAdversarial ? same_way : 0.0))
        << tensor.name;
    float largest_scale = 0;
    for (const float scale : codes.scales) {
      largest_scale = std::max(largest_scale, std::fabs(scale));
    }
    EXPECT_NEAR(found.peak, expected.peak, static_cast<double>(largest_scale) * 4e-5)
        << tensor.name;
  }
}

} // namespace monoquant::test
