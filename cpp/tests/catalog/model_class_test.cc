// Which of several names for the same bytes is the one that a model owns.
#include "monoquant/catalog/model_class.h"

#include <gtest/gtest.h>

#include "support/catalog_builder.h"

namespace monoquant::catalog {
namespace {

std::string owner_of(const std::vector<std::string> &names) {
  Catalog catalog = test::make_catalog({{names[0], {64, 32}}});
  for (size_t i = 1; i < names.size(); ++i) {
    test::add_tie(catalog, names[i], names[0]);
  }
  classify(catalog.tensors);
  choose_owners(catalog.tensors);
  std::string owner;
  for (const Tensor &tensor : catalog.tensors) {
    if (!tensor.tied_to) {
      EXPECT_TRUE(owner.empty());
      owner = tensor.name;
    }
  }
  for (const Tensor &tensor : catalog.tensors) {
    if (tensor.tied_to) {
      EXPECT_EQ(catalog.tensors[*tensor.tied_to].name, owner);
    }
  }
  return owner;
}

TEST(ModelClass, TheEmbeddingOwnsWhatAHeadBorrows) {
  EXPECT_EQ(owner_of({"lm_head.weight", "model.embed_tokens.weight"}), "model.embed_tokens.weight");
  EXPECT_EQ(owner_of({"model.embed_tokens.weight", "lm_head.weight"}), "model.embed_tokens.weight");
  EXPECT_EQ(owner_of({"decoder.embed_tokens.weight", "encoder.embed_tokens.weight",
                      "lm_head.weight", "shared.weight"}),
            "shared.weight");
  EXPECT_EQ(owner_of({"bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight"}),
            "bert.embeddings.word_embeddings.weight");
  EXPECT_EQ(owner_of({"cls.predictions.decoder.bias", "cls.predictions.bias"}),
            "cls.predictions.bias");
}

TEST(ModelClass, OtherwiseTheNameThatSortsFirstOwns) {
  EXPECT_EQ(owner_of({"b.weight", "a.weight"}), "a.weight");
}

} // namespace
} // namespace monoquant::catalog
