// The kinds of checkpoints inside of a zip archive, one function each.
// It exists so that `read_zip_checkpoint` only tells them apart.
// `archive.top` is set by the caller.
#pragma once

#include "monoquant/base/result.h"
#include "monoquant/torch/checkpoint.h"
#include "monoquant/torch/zip_storages.h"

namespace monoquant::torch {

inline constexpr uint64_t kMaxRecordText = 8ULL << 20U; // JSON of metadata and of torch.export

/// Fills in what every archive may have: `byteorder` and metadata.json, a JSON object of strings.
/// Errors: kMalformedFile, kLimitExceeded.
Result<Needs> read_archive_facts(const ZipArchive &archive, Checkpoint &checkpoint);

/// torch.save and TorchScript: data.pkl, data/0, data/1, …
Result<Parsed<Checkpoint>> read_pickled_archive(ZipArchive archive, const Choice &choice);

/// torch.export: data/weights/model_weights_config.json, data/weights/weight_0, …
Result<Parsed<Checkpoint>> read_export_archive(const ZipArchive &archive, const Choice &choice);

} // namespace monoquant::torch
