// Any bytes as a quantized file: its parts are joined, checked, compared with themselves, executed and dequantized.
// It exists because scales, shapes and configurations come from strangers, and decide what is read where.
// The last byte chooses the type that comes out.
#include <array>
#include <string>
#include <string_view>

#include "file.h"
#include "monoquant/container/gguf.h"
#include "monoquant/layout/coded/coded.h"
#include "monoquant/layout/joining.h"
#include "monoquant/plan/plan.h"
#include "monoquant/run/compare_stage.h"
#include "monoquant/run/encode_stage.h"
#include "monoquant/run/execute_stage.h"
#include "properties.h"

namespace monoquant::fuzz {
namespace {

constexpr std::array<std::string_view, 4> kTypes = {"auto", "F32", "F16", "BF16"};
constexpr std::string_view kRest = R"(","bits":"none"})";

void require_codes(const catalog::Tensor &tensor, uint64_t file_bytes) {
  const catalog::Codes &codes = *tensor.codes;
  require(codes.elements == tensor.elements && codes.scope > 0 && codes.columns > 0);
  require(codes.elements % codes.columns == 0);
  require(codes.decoding ? layout::coded::is_sound(*codes.decoding)
                         : codes.elements % codes.scope == 0);
  for (const catalog::Codes::Part *part :
       {&codes.data, &codes.scale, codes.zero_point ? &*codes.zero_point : &codes.scale}) {
    require(part->literal.empty()
                ? part->offset <= file_bytes && part->bytes <= file_bytes - part->offset
                : part->literal.size() == part->bytes);
  }
}

/// A stage that must go through, but for compressed data that are broken: these show only when they are read.
bool passes(run::Stage &stage, const Bytes &from, Bytes &to) {
  const auto done = run_stage(stage, from, to);
  require(done || (!done.error().message.empty() && done.error().code == ErrorCode::kMalformedFile),
          "only broken data stop a stage");
  return done.has_value();
}

/// Everything is equal to itself.
void compare(const catalog::Catalog &catalog, const Bytes &file) {
  Bytes nothing;
  run::CompareStage alone(catalog, nullptr, 1);
  run::CompareStage beside(catalog, &catalog, 1);
  if (!passes(alone, file, nothing) || !passes(beside, file, nothing)) {
    return;
  }
  require(!alone.result_json().empty());
  const std::string result = beside.result_json();
  constexpr std::string_view kDifferent = R"("different":)";
  for (size_t at = result.find(kDifferent); at != std::string::npos;
       at = result.find(kDifferent, at + 1)) {
    require(result[at + kDifferent.size()] == '0', "a file equals itself");
  }
}

void dequantize(const catalog::Catalog &catalog, const Bytes &file) {
  const std::string options = R"({"dequantizedType":")" +
                              std::string(kTypes[file.back() % kTypes.size()]) + std::string(kRest);
  auto parsed = plan::parse_options(options, catalog.tensors.size());
  require(parsed.has_value());
  auto plan = plan::make_plan(catalog, parsed.value());
  require(plan.has_value() && !plan::plan_json(plan.value()).empty());
  parallel::Workers workers(1);
  run::EncodeStage encode(plan.value(), workers, {}, 2, 1);
  Bytes output(static_cast<size_t>(plan.value().file_bytes));
  if (passes(encode, file, output)) {
    require(!encode.unfit().empty() || inspect(output), "what was dequantized is read");
  }
}

} // namespace

void check_quantized(Input input) {
  const Bytes file(input.begin(), input.end());
  catalog::Opening opening;
  opening.join_quantized = true;
  opening.accepts_arrays = !container::looks_like_gguf(file); // those are models here
  const auto catalog = inspect(file, opening);
  if (!catalog) {
    return;
  }
  uint64_t elements = 0;
  for (const catalog::Tensor &tensor : catalog->tensors) {
    elements += tensor.elements;
    if (tensor.codes) {
      require_codes(tensor, file.size());
    }
  }
  require(!catalog::catalog_json(*catalog).empty());
  for (const catalog::Problem &problem : layout::check_layout(*catalog)) {
    require(!problem.code.empty() && !problem.message.empty());
  }
  if (elements > (size_t{1} << 22U)) {
    return; // views of the same few bytes; nothing to learn from more of them
  }
  compare(*catalog, file);
  Bytes nothing;
  run::ExecuteStage trial(*catalog, nullptr, nullptr, 1);
  if (passes(trial, file, nothing)) {
    require(!trial.result_json().empty());
  }
  dequantize(*catalog, file);
}

} // namespace monoquant::fuzz
