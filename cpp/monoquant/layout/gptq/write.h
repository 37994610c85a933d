// The half of the layout "gptq" that is written: version 1, symmetric, groups in order.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "monoquant/layout/layout.h"

namespace monoquant::layout::gptq {

std::string_view fit(quant::Scheme &scheme, bool weights_only);
std::string refuse(const catalog::Tensor &tensor, const Stored &stored);
std::string fault_of_loading(const catalog::Catalog &catalog);
Dtype scale_type(Dtype weights, std::optional<Dtype> wanted);
std::vector<Stream> streams(const catalog::Tensor &tensor, const Stored &stored);
std::unique_ptr<RowCodec> make_codec(const Stored &stored);
bool stores_inputs(const Stored &stored);
std::vector<Stream> input_streams(const catalog::Tensor &tensor, const StoredInput &input);
std::string configuration(const catalog::Catalog &catalog, std::span<const Described> tensors);

} // namespace monoquant::layout::gptq
