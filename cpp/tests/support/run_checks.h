// Everything that must hold of a finished encoding, whatever the file and the options.
// It exists so that each test of whole runs checks all of it, and not only what it is about.
// Failures are GoogleTest's; `source` is the file that was encoded.
#pragma once

#include "support/memory_host.h"

namespace monoquant::test {

/// The output holds exactly what the reference makes of the source; its extents tile it; it verifies.
void expect_matches_reference(const MemoryRun &run, const Bytes &source);

enum class Values : uint8_t {
  kRandom,
  kAdversarial, // for instance all equal: then the roundings of f32 all go the same way, and add up
};

/// Error sums equal those computed in double precision from the codes and scales, but for a relative
/// `tolerance`.
void expect_true_errors(const MemoryRun &run, const Bytes &source, double tolerance, Values kind);

} // namespace monoquant::test
