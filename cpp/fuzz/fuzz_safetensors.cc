// Any bytes as a safetensors file: refused with a reason, or planned, quantized, verified without a mistake.
// It exists because files come from strangers: no byte of one may lead outside of our memory.
// The last byte chooses the options, so that one corpus reaches every scheme.
#include <array>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "monoquant/catalog/inspector.h"
#include "monoquant/plan/plan.h"
#include "monoquant/run/encode_stage.h"
#include "monoquant/run/verify_stage.h"
#include "support/drive.h"

namespace {

using namespace monoquant;
using Bytes = std::vector<uint8_t>;

constexpr std::array<std::string_view, 8> kTreatments = {
    R"("bits":8,"mode":"dynamic","scheme":"symmetric","strategy":"channel","groupSize":-1,"method":"rtn")",
    R"("bits":8,"mode":"dynamic","scheme":"asymmetric","strategy":"tensor","groupSize":-1,"method":"rtn")",
    R"("bits":8,"mode":"weights-only","scheme":"asymmetric","strategy":"group","groupSize":16,"method":"mse")",
    R"("bits":8,"mode":"weights-only","scheme":"asymmetric","strategy":"tensor","groupSize":-1,"method":"rtn")",
    R"("bits":4,"mode":"weights-only","scheme":"symmetric","strategy":"group","groupSize":32,"method":"mse")",
    R"("bits":4,"mode":"weights-only","scheme":"asymmetric","strategy":"group","groupSize":16,"method":"mse")",
    R"("bits":4,"mode":"weights-only","scheme":"asymmetric","strategy":"channel","groupSize":-1,"method":"mse")",
    R"("bits":16,"mode":"weights-only","scheme":"symmetric","strategy":"channel","groupSize":-1,"method":"rtn")"};
// Everything that may be quantized is, however small.
constexpr std::string_view kRest =
    R"(,"floatType":"F16","layers":["linear","conv1d","conv2d","conv3d","lstm","gru","rnn","experts",)"
    R"("embedding","head","router","other"],"defaultIgnore":false,"minElements":0,"ignore":[],)"
    R"("overrides":[],"unfit":[]})";

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

/// The catalog of a file; nothing where it is refused, which must come with a reason.
std::optional<catalog::Catalog> inspect(const Bytes &file) {
  catalog::Inspector inspector(file.size());
  while (true) {
    auto need = inspector.step();
    if (!need) {
      require(!need.error().message.empty());
      return std::nullopt;
    }
    if (!need.value()) {
      return inspector.catalog();
    }
    const Need wanted = *need.value();
    require(wanted.length > 0 && wanted.offset + wanted.length <= file.size());
    const auto *begin = file.data() + wanted.offset;
    inspector.add(wanted.offset, Bytes(begin, begin + wanted.length));
  }
}

Result<void> run_stage(run::Stage &stage, const Bytes &from, Bytes &to) {
  return test::drive(
      stage,
      [&](uint64_t offset, std::span<uint8_t> into) {
        require(offset + into.size() <= from.size());
        std::memcpy(into.data(), from.data() + offset, into.size());
      },
      [&](uint64_t offset, std::span<const uint8_t> bytes) {
        require(offset + bytes.size() <= to.size());
        std::memcpy(to.data() + offset, bytes.data(), bytes.size());
      });
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const Bytes file(data, data + size);
  auto catalog = inspect(file);
  if (!catalog) {
    return 0;
  }
  const std::string options =
      "{" + std::string(kTreatments[data[size - 1] % kTreatments.size()]) + std::string(kRest);
  auto parsed = plan::parse_options(options, catalog->tensors.size());
  require(parsed.has_value());
  auto plan = plan::make_plan(std::move(*catalog), parsed.value());
  require(plan.has_value() && !plan::plan_json(plan.value()).empty());
  if (plan.value().file_bytes > (size_t{64} << 20U)) {
    return 0; // scales of very many tiny rows; nothing to learn from more of them
  }

  parallel::Workers workers(1);
  run::EncodeStage encode(plan.value(), workers, {}, 2, 1);
  Bytes output(static_cast<size_t>(plan.value().file_bytes));
  require(run_stage(encode, file, output).has_value());
  require(!encode.result_json().empty());
  if (!encode.unfit().empty()) {
    return 0;
  }
  const auto written = inspect(output);
  require(written.has_value());
  run::VerifyStage verify(encode, *written, 2, 1);
  require(run_stage(verify, output, output).has_value());
  return 0;
}
