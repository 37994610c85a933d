// Configurations of files in which one name stands for several things: tensors, modules, classes, expressions.
// Whoever reads targets and ignore lists must find of each tensor what is stored for it, as the file itself shows.
#include <gtest/gtest.h>

#include <algorithm>

#include "monoquant/layout/layout.h"
#include "support/catalog_builder.h"
#include "support/memory_host.h"
#include "support/sample_tensors.h"

namespace monoquant::plan {
namespace {

using test::FileTensor;

constexpr const char *kLinearType = "torch.nn.modules.linear.Linear";
constexpr const char *kEmbeddingType = "torch.nn.modules.sparse.Embedding";

enum class As : uint8_t { kLeftAlone, kInt8, kInt4 };

struct NamedPart {
  std::string name;
  As as = As::kInt8;
  std::string type = {}; // NOLINT: as a pickle knows it
};

constexpr uint64_t kPartRows = 64;
constexpr uint64_t kPartColumns =
    4; // a word either way, so that only the configuration tells 4 bits from 8

Plan plan_of_parts(const test::Bytes &file, const std::vector<NamedPart> &parts,
                   std::string architecture) {
  catalog::Catalog catalog = test::inspect(file).value();
  for (catalog::Tensor &tensor : catalog.tensors) {
    tensor.module_type = std::find_if(parts.begin(), parts.end(), [&](const NamedPart &part) {
                           return part.name == tensor.name;
                         })->type;
  }
  catalog::classify(catalog.tensors);
  if (!architecture.empty()) {
    catalog.model = catalog::ModelClass{{std::move(architecture)}, {}, {}};
  }
  Json options = test::packed_8_options();
  options["minElements"] = 0;
  options["defaultIgnore"] = false;
  for (size_t i = 0; i < catalog.tensors.size(); ++i) {
    const As as = std::find_if(parts.begin(), parts.end(), [&](const NamedPart &part) {
                    return part.name == catalog.tensors[i].name;
                  })->as;
    if (as == As::kLeftAlone) {
      options["ignore"].push_back(i);
    } else {
      options["overrides"].push_back({{"tensors", {i}}, {"bits", as == As::kInt8 ? 8 : 4}});
    }
  }
  return test::plan_for(catalog, options);
}

/// Quantizes a file of these tensors, and expects that the output is valid and read as it was planned.
Json config_of_parts(const std::vector<NamedPart> &parts, std::string architecture = {}) {
  test::Random random(1);
  std::vector<FileTensor> tensors;
  for (const NamedPart &part : parts) {
    tensors.push_back(
        test::random_weights(random, part.name, Dtype::kF32, {kPartRows, kPartColumns}));
  }
  const test::Bytes file = test::make_file(tensors);
  test::MemoryRun run(plan_of_parts(file, parts, std::move(architecture)), file);
  EXPECT_TRUE(run.seal().has_value());
  const Plan &plan = run.plan();
  const auto opened = test::inspect(run.output(), {{}, {}, false, true});
  for (const catalog::Problem &problem : layout::check_layout(opened.value())) {
    ADD_FAILURE() << problem.message << '\n' << plan.quantization_config;
  }
  EXPECT_EQ(opened.value().tensors.size(), parts.size());
  for (const catalog::Tensor &found : opened.value().tensors) {
    const TensorPlan &entry = plan.tensors[test::index_of(*plan.catalog, found.name)];
    const Quantize *quantize = entry.quantize();
    EXPECT_EQ(found.codes != nullptr, quantize != nullptr) << found.name;
    if (found.codes && quantize != nullptr) {
      EXPECT_EQ(found.codes->bits, quantize->stored.scheme.bits) << found.name;
    }
  }
  return parse_json(plan.quantization_config);
}

Json targets_of_group(const Json &config, const char *group = "group_0") {
  return config["config_groups"][group]["targets"];
}

TEST(TargetNames, AModuleCalledLikeATensorHasItsWeightNamed) {
  const Json config =
      config_of_parts({{"e", As::kLeftAlone, kLinearType}, {"e.weight"}, {"f.weight"}});
  EXPECT_EQ(targets_of_group(config), Json({"Linear", "e.weight"}));
  EXPECT_EQ(config["ignore"], Json::array()) << "as the module e would be";
}

TEST(TargetNames, AModuleCalledLikeATensorWithSeveralSchemes) {
  const Json config =
      config_of_parts({{"e"}, {"e.weight", As::kInt4}, {"e.weight.weight"}, {"f.weight"}});
  EXPECT_EQ(targets_of_group(config), Json({"Linear", "e.weight.weight"}))
      << "others are left alone";
  config_of_parts({{"e.weight"}, {"e.weight.weight", As::kLeftAlone}, {"e.weight.weight.weight"}});
  config_of_parts({{"", As::kLeftAlone, kLinearType}, {"weight"}, {"f", As::kInt4}});
}

TEST(TargetNames, AnotherParameterOfAnIgnoredModule) {
  const Json config =
      config_of_parts({{"e.weight", As::kLeftAlone}, {"e.in_proj_weight"}, {"f.weight"}});
  EXPECT_EQ(targets_of_group(config), Json({"Linear", "e.in_proj_weight"}));
  EXPECT_EQ(config["ignore"], Json::array({"e"})) << "the name that loaders look for";
}

TEST(TargetNames, AnotherParameterOfAModuleWithAnotherScheme) {
  const Json config = config_of_parts({{"e.weight", As::kInt4}, {"e.in_proj_weight"}});
  EXPECT_EQ(targets_of_group(config, "group_0"), Json::array({"e"}))
      << "the name that loaders look for";
  EXPECT_EQ(targets_of_group(config, "group_1"), Json::array({"e.in_proj_weight"}));
}

TEST(TargetNames, AnIgnoredModuleCalledLikeAClass) {
  const Json config = config_of_parts({{"Linear.weight", As::kLeftAlone, kEmbeddingType},
                                       {"embed.weight", As::kInt8, kEmbeddingType},
                                       {"f.weight"}});
  EXPECT_EQ(targets_of_group(config), Json({"Embedding", "f"}));
  EXPECT_EQ(config["ignore"], Json::array({"Linear.weight"})) << "no other Linear is";
}

TEST(TargetNames, APartOfARecurrentModule) {
  config_of_parts({{"lstm.weight_ih_l0"}, {"lstm.weight_hh_l0", As::kLeftAlone}, {"f.weight"}});
  config_of_parts(
      {{"lstm.weight_ih_l0"}, {"lstm.weight_hh_l0", As::kInt4}, {"lstm", As::kLeftAlone}});
}

TEST(TargetNames, ANameThatWouldBeAnExpression) {
  const Json config = config_of_parts({{"re:.*.weight", As::kLeftAlone}, {"f.weight"}});
  EXPECT_EQ(targets_of_group(config), Json::array({"Linear"}));
  EXPECT_EQ(config["ignore"], Json::array({"re:re\\:\\.\\*$"})) << "f would be ignored, too";
  config_of_parts({{"re:.*.weight", As::kInt4}, {"f.weight"}, {"re:f", As::kInt4}});
}

TEST(TargetNames, ANameOnLoadingThatIsAnothersToo) {
  const Json config = config_of_parts(
      {{"language_model.lm_head.weight", As::kLeftAlone}, {"lm_head.weight"}}, "XModel");
  EXPECT_EQ(config["ignore"], Json::array({"language_model.lm_head"}));
}

} // namespace
} // namespace monoquant::plan
