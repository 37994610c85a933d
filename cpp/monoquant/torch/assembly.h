// From a pickle to the tensors of a checkpoint, all but the places of their bytes.
// It exists as what all containers of pickles have in common.
// Storages are still claims: the container says where they are, and checks that they are as large.
#pragma once

#include <string>
#include <vector>

#include "monoquant/base/result.h"
#include "monoquant/torch/checkpoint.h"
#include "monoquant/torch/pickle.h"
#include "monoquant/torch/rebuild.h"
#include "monoquant/torch/storage_claims.h"

namespace monoquant::torch {

struct Assembly {
  Checkpoint checkpoint;            // without storages; Tensor::storage is an index of `claims`
  std::vector<StorageClaim> claims; // those that are used
};

struct AssemblyOptions {
  Choice choice;
  bool is_script = false; // TorchScript: attributes without elements are no weights
  std::string prefix;     // of all names
  const ExternalTensors *external = nullptr; // of a tar archive
};

/// The globals are those of this pickle alone. `claims`: those that the container knows already. Errors: those of `read_zip_checkpoint`, but that there may
/// be no tensors.
Result<Assembly> assemble(const Pickle &pickle, StorageClaims claims,
                          const AssemblyOptions &options);

/// Errors: kUnsupportedFormat (nothing but what was left out, or nothing at all).
Result<void> require_tensors(const Checkpoint &checkpoint);

} // namespace monoquant::torch
