// Any bytes as a safetensors file: refused with a reason, or planned, quantized, verified without a mistake.
// It exists because files come from strangers: no byte of one may lead outside of our memory.
// The last byte chooses the options, so that one corpus reaches every scheme.
#include <array>
#include <string_view>
#include <vector>

#include "file.h"
#include "monoquant/plan/plan.h"
#include "monoquant/run/encode_stage.h"
#include "monoquant/run/verify_stage.h"
#include "properties.h"

namespace monoquant::fuzz {
namespace {

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
constexpr std::string_view kRestOfOptions =
    R"(,"layers":["linear","conv1d","conv2d","conv3d","lstm","gru","rnn","experts",)"
    R"("embedding","head","router","other"],"defaultIgnore":false,"minElements":0})";

} // namespace

void check_safetensors(Input input) {
  const Bytes file(input.begin(), input.end());
  auto catalog = inspect(file);
  if (!catalog) {
    return;
  }
  const std::string options = "{" + std::string(kTreatments[input.back() % kTreatments.size()]) +
                              std::string(kRestOfOptions);
  auto parsed = plan::parse_options(options, catalog->tensors.size());
  require(parsed.has_value());
  auto plan = plan::make_plan(std::move(*catalog), parsed.value());
  if (!plan) {
    require(plan.error().code == ErrorCode::kLimitExceeded && !plan.error().message.empty());
    return;
  }
  require(!plan::plan_json(plan.value()).empty());
  if (plan.value().file_bytes > (size_t{64} << 20U)) {
    return; // scales of very many tiny rows; nothing to learn from more of them
  }

  parallel::Workers workers(1);
  run::EncodeStage encode(plan.value(), workers, {}, 2, 1);
  Bytes output(static_cast<size_t>(plan.value().file_bytes));
  require(run_stage(encode, file, output).has_value());
  require(!encode.result_json().empty());
  if (!encode.unfit().empty()) {
    return;
  }
  const auto written = inspect(output);
  require(written.has_value());
  run::VerifyStage verify(encode, *written, 2, 1);
  require(run_stage(verify, output, output).has_value());
}

} // namespace monoquant::fuzz
