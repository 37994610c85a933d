#include "monoquant/base/json.h"
#include "monoquant/base/text.h"
#include "monoquant/catalog/catalog.h"

namespace monoquant::catalog {

std::string catalog_json(const Catalog &catalog) {
  uint64_t parameters = 0;
  std::string tensors; // one small document at a time, so that 100,000 tensors cost only their text
  for (const Tensor &tensor : catalog.tensors) {
    parameters += tensor.elements;
    tensors += tensors.empty() ? "" : ",";
    tensors += json_text({{"name", tensor.name},
                          {"kind", layer_kind_name(tensor.kind)},
                          {"dtype", dtype_name(tensor.dtype)},
                          {"shape", tensor.shape},
                          {"bytes", tensor.bytes},
                          {"offset", tensor.offset}});
  }
  Json metadata = Json::object();
  for (const auto &[key, value] : catalog.metadata) {
    metadata[key] = value;
  }
  return concat(R"({"format":"safetensors","bytes":)", catalog.file_bytes, R"(,"parameters":)",
                parameters, R"(,"metadata":)", json_text(metadata), R"(,"tensors":[)", tensors,
                "]}");
}

} // namespace monoquant::catalog
