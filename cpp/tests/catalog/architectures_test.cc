// What is taken for which kind in models of many packages, held against the classes that own the parameters there.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "monoquant/base/text.h"
#include "monoquant/plan/plan.h"
#include "support/architectures.h"
#include "support/memory_host.h"

namespace monoquant::catalog {
namespace {

using test::Architecture;
using test::OwnedTensor;

const std::vector<std::string> kPackages = {"transformers", "diffusers", "timm", "ultralytics"};

/// Classes of PyTorch, and the kinds that their weights may be found as.
const std::map<std::string, std::set<std::string_view>> kKinds = {
    {"Linear", {"linear", "head", "router"}},
    {"MultiheadAttention", {"linear"}},
    {"Embedding", {"embedding"}},
    {"Conv1d", {"conv1d"}},
    {"Conv2d", {"conv2d"}},
    {"Conv3d", {"conv3d"}},
    // Neither names nor shapes tell which way a convolution goes.
    {"ConvTranspose", {"conv1d", "conv2d", "conv3d", "conv-transpose"}},
    {"TransposedLinear", {"gpt2-conv1d"}},
    {"LSTM", {"lstm"}},
    {"GRU", {"gru"}},
    {"WeightNorm", {"weight-norm"}},
};

/// Linear layers that are left alone as embeddings are, by the end of their module's name.
struct Spared {
  std::string_view module;
  std::string_view why;
};
const std::vector<Spared> kSpared = {
    {"context_embedder", "everything that a diffusion transformer is told goes through it"},
    {"x_embedder", "everything that a diffusion transformer sees goes through it"},
};

/// Whether PyTorch's classes compute with it as with a weight.
bool is_weight(const OwnedTensor &tensor) {
  const std::string_view name = tensor.entry.name;
  const std::string_view parameter = name.substr(name.rfind('.') + 1);
  return tensor.entry.shape.size() > 1 &&
         (parameter == "weight" || parameter.ends_with("proj_weight") ||
          parameter.starts_with("weight_") || parameter.starts_with("original"));
}

bool is_spared(const OwnedTensor &tensor) {
  const std::string_view module = module_name(tensor.entry.name);
  return tensor.owner == "Linear" &&
         std::any_of(kSpared.begin(), kSpared.end(),
                     [&](const Spared &spared) { return module.ends_with(spared.module); });
}

/// A matrix of one expert, or all of a layer's: packages differ in what they hold, files in what they are split into.
bool is_of_experts(const OwnedTensor &tensor, LayerKind kind) {
  const size_t at = tensor.entry.name.find(".experts.");
  const bool is_one = at != std::string::npos && std::isdigit(tensor.entry.name[at + 9]) != 0;
  return tensor.owner.find("Expert") != std::string::npos &&
         (is_one ? kind == LayerKind::kLinear : kind == LayerKind::kExperts);
}

std::string describe(const Architecture &model, const OwnedTensor &tensor) {
  return concat(model.package, " ", model.type, " ", model.name, ": ", tensor.entry.name, " ",
                shape_text(tensor.entry.shape), " of ", tensor.owner);
}

/// A file of its own, and one in a folder whose configuration names the type.
std::vector<Catalog> catalogs_of(const Architecture &model) {
  std::vector<Catalog> catalogs{test::make_catalog(model.entries())};
  if (model.type != "-") {
    Catalog &typed = catalogs.emplace_back(catalogs[0]);
    typed.model = ModelClass{{model.name}, model.type, std::nullopt};
    classify(typed.tensors, model.type);
  }
  return catalogs;
}

template <typename Check> void for_all(Check check) {
  for (const std::string &package : kPackages) {
    for (const Architecture &model : test::architectures_of(package)) {
      check(model);
    }
  }
}

TEST(Architectures, are_many_of_each_package) {
  std::map<std::string, size_t> counts;
  for_all([&](const Architecture &model) { ++counts[model.package]; });
  EXPECT_GE(counts["transformers"], 45U);
  EXPECT_GE(counts["diffusers"], 30U);
  EXPECT_GE(counts["timm"], 30U);
  EXPECT_GE(counts["ultralytics"], 10U);
}

TEST(Architectures, weights_are_of_the_kind_that_their_class_says) {
  for_all([](const Architecture &model) {
    for (const Catalog &catalog : catalogs_of(model)) {
      for (size_t i = 0; i < model.tensors.size(); ++i) {
        const auto kinds = kKinds.find(model.tensors[i].owner);
        const std::string_view kind = layer_kind_name(catalog.tensors[i].kind);
        if (is_spared(model.tensors[i]) && is_weight(model.tensors[i])) {
          EXPECT_EQ(kind, "embedding") << describe(model, model.tensors[i]);
        } else if (kinds != kKinds.end() && is_weight(model.tensors[i])) {
          EXPECT_TRUE(kinds->second.contains(kind))
              << describe(model, model.tensors[i]) << " is taken for " << kind;
        }
      }
    }
  });
}

TEST(Architectures, only_layers_are_quantized) {
  for_all([](const Architecture &model) {
    for (const Catalog &catalog : catalogs_of(model)) {
      const plan::Plan plan = test::plan_for(catalog, test::default_options());
      for (size_t i = 0; i < model.tensors.size(); ++i) {
        const std::string &owner = model.tensors[i].owner;
        const bool is_layer = kKinds.contains(owner) && owner != "Embedding" &&
                              owner != "TransposedLinear" && owner != "WeightNorm" &&
                              is_weight(model.tensors[i]);
        const LayerKind kind = catalog.tensors[i].kind;
        if (plan.tensors[i].decision() == plan::Decision::kQuantize) {
          EXPECT_TRUE(is_layer || is_of_experts(model.tensors[i], kind))
              << describe(model, model.tensors[i]) << " is quantized as " << layer_kind_name(kind);
        }
      }
    }
  });
}

} // namespace
} // namespace monoquant::catalog
