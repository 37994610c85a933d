#include "properties.h"

#include <algorithm>
#include <array>

namespace monoquant::fuzz {
namespace {

constexpr std::array<Property, 16> kProperties = {{
    {"calibration", check_calibration, 400,
     "any text is refused as a calibration, or is one that is written and read again unchanged"},
    {"execute", check_execute, 400,
     "any layer is executed as the plainest code does it, however its rows are cut"},
    {"llama_folder", check_llama_folder, 3000,
     "any side files of a model are refused, or make a GGUF header that is read again"},
    {"many", check_many, 1,
     "tens of thousands of tensors are written as a few are, or refused for a limit"},
    {"npz", check_npz, 2000, "any archive of arrays is refused, or its arrays lie inside of it"},
    {"options", check_options, 2000,
     "any text is refused as options, or is a choice that can be planned with"},
    {"pickle", check_pickle, 1000,
     "any pickle is refused, or read into one graph, whole and in parts alike"},
    {"pickle_names", check_pickle_names, 1000,
     "any pickle's names are listed wherever it stands, or are told as it is refused"},
    {"quantized", check_quantized, 200,
     "any quantized file is refused, or equals itself, is dequantized and executed"},
    {"round_trip", check_round_trip, 300,
     "any model with any options is written as planned, valid, and read as what was written"},
    {"safetensors", check_safetensors, 400,
     "any safetensors file is refused, or planned, quantized and verified"},
    {"search", check_search, 3000,
     "any table of options is refused, or its budgets and fronts keep what they promise"},
    {"torch_legacy", check_torch_legacy, 1000,
     "any old PyTorch file is refused, or its tensors lie inside of it"},
    {"torch_zip", check_torch_zip, 1000,
     "any PyTorch archive is refused, or its tensors lie inside of it"},
    {"zip", check_zip, 2000, "any archive is refused, or its members are read within limits"},
    {"zstd", check_zstd, 2000,
     "any zstd file is refused, or its frames lie in it as zstd finds them"},
}};

} // namespace

std::span<const Property> properties() { return kProperties; }

const Property *find_property(std::string_view name) {
  const auto *found = std::find_if(kProperties.begin(), kProperties.end(),
                                   [&](const Property &property) { return property.name == name; });
  return found == kProperties.end() ? nullptr : found;
}

} // namespace monoquant::fuzz
