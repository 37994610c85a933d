// Which tensor of the data is a batch of which layer's inputs, or says something of all of them.
// It exists so that names are understood in one place, and everything that fits nowhere is told by name.
// Batches of a layer stand in the order of their numbers; numbers need not begin at 0 nor be consecutive.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "monoquant/base/json_writer.h"
#include "monoquant/base/result.h"
#include "monoquant/calibration/calibration.h"
#include "monoquant/calibration/layers.h"
#include "monoquant/calibration/statistic.h"

namespace monoquant::calibration {

// layer1.0.conv1      the only batch of layer1.0.conv1
// layer1.0.conv1#3    batch 3
// layer1.0.conv1.3    batch 3, where the model has a layer layer1.0.conv1 and none of the whole name: lists of tensors
//                     in a PyTorch file come out like this
// layer1.0.conv1.in_sum2                a statistic of it (statistic.h)
// blk.0.attn_q.weight.in_sum2           the same of model.layers.0.self_attn.q_proj, as llama.cpp calls it
// blk.0.ffn_up_exps.weight.in_sum2      of every expert, one row each

struct Batch {
  size_t tensor = 0; // index in the data's catalog
  BatchShape shape;
};

/// A statistic of one module: elements of a tensor.
struct StatisticPart {
  Statistic statistic = Statistic::kSum;
  size_t tensor = 0; // index in the data's catalog
  uint64_t first = 0;
  uint64_t count = 0;
};

struct ModuleBatches {
  std::string module;
  uint64_t channels = 0; // 0: neither batches nor statistics of single channels
  std::vector<Batch> batches;
  std::vector<StatisticPart> statistics; // each at most once

  [[nodiscard]] bool has(Statistic statistic) const {
    return std::any_of(statistics.begin(), statistics.end(),
                       [&](const StatisticPart &part) { return part.statistic == statistic; });
  }
};

/// Data that a layer cannot take.
struct Misfit {
  std::string name;
  std::string expected;
  std::string found;
};

/// What is wrong with the data, by name.
struct Problems {
  std::vector<std::string> unmatched; // no layer of this name; once a layer
  std::vector<Misfit> misfits;        // not of the layer's width, or no floats
  std::vector<std::string> missing;   // layers without data
  std::vector<std::string> few;       // layers with less than kFewSamples
};

struct Match {
  std::vector<ModuleBatches> modules; // in the order of the data
  Problems problems;                  // missing and few are not filled in yet
};

/// Empty tensors are no batches. Layers that have met a NaN before are passed over. Errors: kInvalidOptions, where
/// nothing in the file fits the model.
Result<Match> match(const catalog::Catalog &model, const catalog::Catalog &data,
                    const Calibration &so_far);

/// Fills in what can only be said at the end: layers without data, and with few. Layers that read the same input as
/// one with data have them.
void complete(Problems &problems, const catalog::Catalog &model, const Calibration &calibration);

/// Problems of js/engine/wasm.ts.
void write_problems(JsonWriter &json, const Problems &problems);

} // namespace monoquant::calibration
