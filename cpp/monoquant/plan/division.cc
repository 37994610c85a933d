#include "monoquant/plan/division.h"

#include <algorithm>
#include <functional>

#include "monoquant/base/limits.h"
#include "monoquant/base/sort.h"
#include "monoquant/base/text.h"

namespace monoquant::plan {
namespace {

/// In the order of the source, as many tensors a file as its bytes allow, and one at least.
std::vector<size_t> parts_of_size(const std::vector<uint64_t> &bytes, uint64_t most) {
  std::vector<size_t> parts;
  uint64_t filled = 0;
  size_t part = 0;
  for (const uint64_t more : bytes) {
    if (filled > 0 && more > most - std::min(most, filled)) {
      ++part;
      filled = 0;
    }
    filled += more;
    parts.push_back(part);
  }
  return parts;
}

/// As the source is divided.
std::vector<size_t> parts_of_source(const catalog::Catalog &catalog,
                                    const std::vector<uint64_t> &ends) {
  std::vector<size_t> parts;
  for (const catalog::Tensor &tensor : catalog.tensors) {
    const auto end = std::upper_bound(ends.begin(), ends.end(), tensor.offset);
    parts.push_back(static_cast<size_t>(end - ends.begin()));
  }
  return parts;
}

} // namespace

Result<Division> divide(const Plan &plan, const Options &options) {
  const size_t count = plan.tensors.size();
  std::vector<uint64_t> bytes(count); // of its outputs
  std::vector<bool> is_stored(count); // which may have no bytes
  for (size_t i = 0; i < count; ++i) {
    for (const Output &output : outputs(plan, i)) {
      bytes[i] += output.alias ? 0 : output.bytes;
      is_stored[i] = is_stored[i] || !output.alias;
    }
  }
  Division division;
  division.file_of = options.max_file_bytes > 0 ? parts_of_size(bytes, options.max_file_bytes)
                                                : parts_of_source(*plan.catalog, options.file_ends);
  std::vector<size_t> files; // by their parts
  for (size_t i = 0; i < count; ++i) {
    if (is_stored[i]) {
      files.push_back(division.file_of[i]);
    }
  }
  sort(files, std::less<>());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  for (size_t &part : division.file_of) {
    const auto found = std::lower_bound(files.begin(), files.end(), part);
    part = static_cast<size_t>(found - files.begin());
  }
  const size_t count_of_files = std::max<size_t>(files.size(), 1);
  if (count_of_files > kMaxFiles) {
    return Error{ErrorCode::kLimitExceeded,
                 concat("Expected an output of at most ", kMaxFiles, " files, found ",
                        count_of_files, " in the plan."),
                 "Choose larger files.",
                 {},
                 {}};
  }
  division.members.resize(count_of_files);
  for (size_t i = 0; i < count; ++i) {
    // What stores nothing may come behind the last file.
    division.file_of[i] = std::min(division.file_of[i], count_of_files - 1);
    division.members[division.file_of[i]].push_back(i);
  }
  return division;
}

} // namespace monoquant::plan
