// A host whose files are vectors: inspects, plans, encodes and verifies through the engine's public face.
// It exists so that tests of whole runs are a few lines, with every choice a host has as a parameter.
// Output memory begins as rubbish, so a byte that nobody writes shows.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "monoquant/base/json.h"
#include "monoquant/catalog/catalog.h"
#include "monoquant/plan/plan.h"
#include "monoquant/run/encode_stage.h"
#include "support/tensor_file.h"

namespace monoquant::test {

using Bytes = std::vector<uint8_t>;

/// The catalog of a file, or why there is none.
Result<catalog::Catalog> inspect(const Bytes &file, catalog::Opening opening = {});
/// The catalog of a file of data, which may be NumPy's.
Result<catalog::Catalog> inspect_data(const Bytes &file);

/// EngineOptions of js/engine/wasm.ts with the defaults of js/api/configuration.ts: INT8, dynamic, symmetric,
/// one scale a channel.
Json default_options();
Json default_options_with(const std::string &key, Json value);
/// INT4, symmetric, groups of `group`.
Json int4_options(int64_t group = 128);
/// INT4, asymmetric, groups of 32.
Json asymmetric_int4();
/// Weights only, 8 bits, packed.
Json packed_8_options();
/// 16-bit floats of the type named.
Json float_options(std::string_view type);

/// Both must be valid; a test that gets an error fails and stops the program.
plan::Plan plan_for(const catalog::Catalog &catalog, const Json &options);
plan::Plan plan_for(const Bytes &file, const Json &options);

/// Gives the columns of all quantized tensors some importance, as a calibration would.
void weigh_columns(plan::Plan &plan, uint64_t seed);

/// Bytes of the smallest block that a stage takes.
inline constexpr size_t kSmallestBlock = size_t{512} << 10U;

/// What a host may choose without any effect on the output.
struct HostChoice {
  size_t block_bytes = size_t{1} << 20U;
  size_t threads = 1;
  size_t slots = 2;
  uint64_t shares = 1;
};

/// One encoding of a file, by one or several shares.
class MemoryRun {
public:
  /// Encodes at once. `source` is needed no longer.
  MemoryRun(plan::Plan plan, const Bytes &source, HostChoice choice = {});

  [[nodiscard]] const plan::Plan &plan() const { return *plan_; }
  [[nodiscard]] const Bytes &output() const { return output_; }
  /// Of all shares, in the order of a single one.
  [[nodiscard]] std::vector<run::BandErrors> errors() const;
  /// Errors of one tensor (index in the catalog), all bands added up.
  [[nodiscard]] quant::ErrorSums tensor_errors(size_t source) const;
  /// Of all shares; where several found the same tensor, the first.
  [[nodiscard]] std::map<size_t, plan::Unfit> unfit() const;
  /// Of all shares, by offset.
  [[nodiscard]] std::vector<run::WrittenRange> extents() const;
  [[nodiscard]] const std::vector<std::unique_ptr<run::EncodeStage>> &stages() const {
    return stages_;
  }

  /// Ends the output, as one share does for all: compares the source's checksums, completes a zip archive.
  Result<void> seal();

  /// Compares a file with what was encoded, as every share does.
  [[nodiscard]] Result<void> verify(const Bytes &file) const;

private:
  /// A writer into the output for `drive`; writing past the end is the engine's mistake.
  auto writer();

  std::unique_ptr<plan::Plan> plan_;
  std::unique_ptr<parallel::Workers> workers_;
  std::vector<std::unique_ptr<run::EncodeStage>> stages_;
  HostChoice choice_;
  Bytes output_;
};

} // namespace monoquant::test
