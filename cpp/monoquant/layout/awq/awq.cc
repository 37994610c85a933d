#include "monoquant/layout/awq/awq.h"

#include "monoquant/base/checked.h"
#include "monoquant/base/json.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/awq/write.h"
#include "monoquant/layout/coded/coded.h"
#include "monoquant/layout/gptq/gptq.h"

namespace monoquant::layout {
namespace awq {
namespace {

using catalog::Decoding;
using catalog::Fields;
using catalog::Tensor;

constexpr uint32_t kBits = 4;
constexpr uint32_t kInWord = 8;

Fields words(const Tensor &tensor) {
  Fields fields = coded::packed_rows(tensor, kBits, tensor.shape[0], tensor.shape[1]);
  fields.order = Fields::Order::kAwq;
  fields.along = Fields::Along::kRows;
  fields.turned = true;
  return fields;
}

void look_at(Joining &joining, const QuantizedLinear &linear) {
  const Tensor &codes = joining.tensor(linear.codes);
  const Tensor &zeros = joining.tensor(linear.zeros);
  const uint64_t inputs = codes.shape[0];
  for (const Tensor *packed : {&codes, &zeros}) {
    if (linear.outputs % kInWord != 0 || packed->shape[1] != linear.outputs / kInWord) {
      return coded::wrong_part(joining, linear.weight(),
                               concat("words of eight codes for ", linear.outputs, " outputs"),
                               *packed);
    }
  }
  if (inputs % linear.groups != 0) {
    return coded::wrong_part(joining, linear.weight(),
                             concat("scales of groups of ", inputs, " inputs"),
                             joining.tensor(linear.scales));
  }
  Decoding decoding;
  decoding.rows = linear.outputs;
  decoding.columns = inputs;
  decoding.numbers = coded::integers(kBits, 0);
  decoding.codes = words(codes);
  decoding.scales =
      coded::plain_fields(joining.tensor(linear.scales), linear.groups, linear.outputs);
  decoding.scales.turned = true;
  decoding.scale_columns = inputs / linear.groups;
  decoding.zero = Decoding::Zero::kPoint;
  decoding.zeros = words(zeros);
  coded::take(joining,
              {kAwq.name,
               linear.codes,
               linear.weight(),
               {linear.outputs, inputs},
               {linear.zeros, linear.scales},
               kBits},
              std::move(decoding));
}

void join(Joining &joining) {
  // GEMV and others order words in other ways.
  const std::string version = lower_case(coded::text_of(joining.config(), "version"));
  if (!version.empty() && version != "gemm") {
    return;
  }
  for (const QuantizedLinear &linear : find_linears(joining.catalog())) {
    if (!packs_inputs(joining, linear) && has_scales(joining, linear)) {
      look_at(joining, linear);
    }
  }
}

} // namespace
} // namespace awq

constexpr Layout kAwq = {
    .name = "awq",
    .fit = awq::fit,
    .streams = awq::streams,
    .make_codec = awq::make_codec,
    .stores_inputs = awq::stores_inputs,
    .input_streams = awq::input_streams,
    .configuration = awq::configuration,
    .join = awq::join,
    .refuse = awq::refuse,
    .scale_type = awq::scale_type,
    .has_one_scheme = true,
    .fault_of_loading = awq::fault_of_loading,
    .safetensors_format = "pt",
};

} // namespace monoquant::layout
