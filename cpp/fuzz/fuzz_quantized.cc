// Any bytes as a quantized file: its parts are joined, checked, compared with themselves and dequantized.
// It exists because scales, shapes and configurations come from strangers, and decide what is read where.
// The last byte chooses the type that comes out.
#include <array>
#include <string>
#include <string_view>

#include "fuzz_file.h"
#include "monoquant/plan/config_check.h"
#include "monoquant/plan/plan.h"
#include "monoquant/run/compare_stage.h"
#include "monoquant/run/encode_stage.h"

namespace {

using namespace monoquant;
using namespace monoquant::fuzz;

constexpr std::array<std::string_view, 4> kTypes = {"auto", "F32", "F16", "BF16"};
constexpr std::string_view kRest =
    R"(","bits":"none","container":"safetensors","duplicateTies":false,"calibration":null,"observer":"auto","percentile":99.99,)"
    R"("inputScheme":"symmetric","mode":"dynamic",)"
    R"("scheme":"symmetric","strategy":"channel","groupSize":-1,"method":"rtn","floatType":"F16",)"
    R"("layers":[],"defaultIgnore":true,"minElements":0,"ignore":[],"overrides":[],"unfit":[]})";

void require_codes(const catalog::Tensor &tensor, uint64_t file_bytes) {
  const catalog::Codes &codes = *tensor.codes;
  require(codes.elements == tensor.elements && codes.scope > 0 && codes.columns > 0);
  require(codes.elements % codes.scope == 0 && codes.elements % codes.columns == 0);
  for (const catalog::Codes::Part *part :
       {&codes.data, &codes.scale, codes.zero_point ? &*codes.zero_point : &codes.scale}) {
    require(part->literal.empty()
                ? part->offset <= file_bytes && part->bytes <= file_bytes - part->offset
                : part->literal.size() == part->bytes);
  }
}

int refused(const Error &error) {
  require(!error.message.empty() && error.code == ErrorCode::kMalformedFile);
  return 0;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const Bytes file(data, data + size);
  catalog::Opening opening;
  opening.join_quantized = true;
  opening.accepts_arrays = true;
  const auto catalog = inspect(file, opening);
  if (!catalog) {
    return 0;
  }
  uint64_t elements = 0;
  for (const catalog::Tensor &tensor : catalog->tensors) {
    elements += tensor.elements;
    if (tensor.codes) {
      require_codes(tensor, size);
    }
  }
  require(!catalog::catalog_json(*catalog).empty());
  for (const catalog::Problem &problem : plan::check_config(*catalog)) {
    require(!problem.code.empty() && !problem.message.empty());
  }
  if (elements > (size_t{1} << 22U)) {
    return 0; // views of the same few bytes; nothing to learn from more of them
  }
  run::CompareStage alone(*catalog, nullptr, 1);
  Bytes nothing;
  if (auto done = run_stage(alone, file, nothing); !done) {
    return refused(done.error()); // compressed data that are broken show only when they are read
  }
  require(!alone.result_json().empty());
  run::CompareStage beside(*catalog, &*catalog, 1);
  if (auto done = run_stage(beside, file, nothing); !done) {
    return refused(done.error());
  }
  const std::string result = beside.result_json();
  constexpr std::string_view kDifferent = R"("different":)";
  for (size_t at = result.find(kDifferent); at != std::string::npos;
       at = result.find(kDifferent, at + 1)) {
    require(result[at + kDifferent.size()] == '0'); // everything is equal to itself
  }

  const std::string options = R"({"dequantizedType":")" +
                              std::string(kTypes[data[size - 1] % kTypes.size()]) +
                              std::string(kRest);
  auto parsed = plan::parse_options(options, catalog->tensors.size());
  require(parsed.has_value());
  auto plan = plan::make_plan(*catalog, parsed.value());
  require(plan.has_value() && !plan::plan_json(plan.value()).empty());
  parallel::Workers workers(1);
  run::EncodeStage encode(plan.value(), workers, {}, 2, 1);
  Bytes output(static_cast<size_t>(plan.value().file_bytes));
  if (auto done = run_stage(encode, file, output); !done) {
    return refused(done.error());
  }
  require(encode.unfit().empty() ? inspect(output).has_value() : true);
  return 0;
}
