// The weights, or the constants, of a program that torch.export wrote.
// It exists because a .pt2 archive lists its tensors in JSON and not in a pickle.
// Source of the layout: torch/export/pt2_archive, and files that PyTorch 2.14 wrote.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "monoquant/base/result.h"
#include "monoquant/torch/checkpoint.h"
#include "monoquant/torch/rebuild.h"
#include "monoquant/torch/storage_claims.h"
#include "monoquant/torch/zip_storages.h"

namespace monoquant::torch {

/// Folders of an archive, below its top.
inline constexpr std::string_view kExportedWeights = "data/weights/";
inline constexpr std::string_view kExportedConstants = "data/constants/";

/// Records that some configuration calls plain bytes, and no other calls a pickle: whole names.
struct PlainRecords {
  std::set<std::string, std::less<>> plain;
  std::set<std::string, std::less<>> pickled;

  [[nodiscard]] bool has(const std::string &name) const {
    return plain.contains(name) && !pickled.contains(name);
  }
};

/// The weights, or the constants, of one program.
struct ExportedSet {
  std::string model;
  std::vector<std::pair<std::string, PlainTensor>> tensors;
  std::vector<LeftOut> left_out;
  uint64_t bytes = 0;
};

/// The sets of all programs in the archive, the largest first; usually there is one, called "model". `folder`: one of
/// those above. Each tensor claims the record that holds it. Errors: those of `read_zip_checkpoint`.
Result<Parsed<std::vector<ExportedSet>>> read_exported_sets(const ZipArchive &archive,
                                                            std::string_view folder,
                                                            StorageClaims &claims,
                                                            PlainRecords &records);

} // namespace monoquant::torch
