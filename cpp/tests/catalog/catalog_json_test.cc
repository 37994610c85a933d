#include <gtest/gtest.h>

#include "monoquant/base/json.h"
#include "monoquant/catalog/catalog.h"
#include "support/catalog_builder.h"

namespace monoquant::catalog {
namespace {

TEST(CatalogJson, says_all_about_every_tensor) {
  Catalog catalog = test::make_catalog({{"a \"quoted\".weight", {4, 8}, Dtype::kF16},
                                        {"scalar", {}, Dtype::kI64},
                                        {"é.bias", {0, 3}, Dtype::kF32}});
  catalog.metadata = {{"format", "pt"}, {"ключ", "\n"}};
  const Json json = Json::parse(catalog_json(catalog), nullptr, false);
  ASSERT_FALSE(json.is_discarded());
  EXPECT_EQ(json["format"], "safetensors");
  EXPECT_EQ(json["bytes"], catalog.file_bytes);
  EXPECT_EQ(json["parameters"], 33U);
  EXPECT_EQ(json["metadata"]["format"], "pt");
  EXPECT_EQ(json["metadata"]["ключ"], "\n");
  ASSERT_EQ(json["tensors"].size(), catalog.tensors.size());
  for (size_t i = 0; i < catalog.tensors.size(); ++i) {
    const Tensor &tensor = catalog.tensors[i];
    const Json expected{{"name", tensor.name},
                        {"kind", layer_kind_name(tensor.kind)},
                        {"dtype", dtype_name(tensor.dtype)},
                        {"shape", tensor.shape},
                        {"bytes", tensor.bytes},
                        {"offset", tensor.offset}};
    EXPECT_EQ(json["tensors"][i], expected);
  }
}

TEST(CatalogJson, of_nothing_is_still_a_document) {
  const Json json = Json::parse(catalog_json({}), nullptr, false);
  EXPECT_EQ(json["tensors"], Json::array());
  EXPECT_EQ(json["metadata"], Json::object());
  EXPECT_EQ(json["parameters"], 0);
}

} // namespace
} // namespace monoquant::catalog
