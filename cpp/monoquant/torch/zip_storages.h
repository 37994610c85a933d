// Records of a checkpoint in a zip archive: small ones are read, large ones are only found.
// It exists for the three kinds of checkpoints that are zip archives.
// What is lacking is asked for all at once: a file of a thousand tensors takes a few rounds.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "monoquant/base/byte_window.h"
#include "monoquant/base/result.h"
#include "monoquant/container/zip.h"
#include "monoquant/torch/checkpoint.h"
#include "monoquant/torch/storage_claims.h"

namespace monoquant::torch {

/// An archive that is being read.
struct ZipArchive {
  const ByteWindow &window;
  container::ZipDirectory directory;
  std::string top;           // what all names begin with: "archive/"
  bool has_checksums = true; // false: written without them, all are 0

  [[nodiscard]] const container::ZipMember *find(std::string_view name) const {
    return directory.find(top + std::string(name));
  }
};

/// The storages that `claims` speak of, in their order: records `folder` + key.
/// Errors: kMalformedFile (no record, or a smaller one), kUnsupportedFormat (encrypted, or compressed otherwise).
Result<Parsed<std::vector<Storage>>> place_storages(const ZipArchive &archive,
                                                    std::string_view folder,
                                                    std::span<const StorageClaim> claims);

/// Several members read at once. `take` the contents in the order in which they were asked for.
class MemberReader {
public:
  explicit MemberReader(const ByteWindow &window) : window_(window) {}

  /// Nothing for no member, and for one that could not be read yet or at all: see `finish`.
  std::optional<container::ZipContent> read(const container::ZipMember *member, uint64_t max_bytes);
  /// What is lacking, if anything is. Errors: the first that was met.
  Result<Needs> finish();

private:
  const ByteWindow &window_;
  Needs needs_;
  std::optional<Error> error_;
};

} // namespace monoquant::torch
