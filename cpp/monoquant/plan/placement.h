// Where everything goes in the output file.
// It exists so that a plan knows every output byte's place before any work, whatever the container.
// What does not depend on the weights is already there as text; the rest is for the run.
#pragma once

#include "monoquant/base/result.h"
#include "monoquant/plan/plan.h"

namespace monoquant::plan {

/// Whether this kind of file can hold the dtype.
bool can_hold(Container container, Dtype dtype);

/// Fills in the offsets of all outputs, the fixed bytes and the files with their sizes. Errors: kLimitExceeded
/// (what readers would refuse, too), kInvalidOptions (a name that the container cannot hold).
Result<void> lay_out(Plan &plan, const Options &options);

struct GgufContents;

/// The same for a GGUF file, whose keys and order are decided with its tensors. Errors: those of container::layout_gguf.
Result<void> lay_out_gguf(Plan &plan, const GgufContents &contents);

} // namespace monoquant::plan
