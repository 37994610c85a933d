// Words that wrappers of PyTorch put into names: found, and taken off without losing a tensor.
#include <gtest/gtest.h>

#include "monoquant/catalog/wrappers.h"
#include "support/catalog_builder.h"

namespace monoquant::catalog {
namespace {

Catalog named(const std::vector<std::string> &names) {
  std::vector<test::Entry> entries;
  for (const std::string &name : names) {
    entries.push_back({name, {2, 2}});
  }
  return test::make_catalog(entries);
}

std::vector<std::string> names_of(const Catalog &catalog) {
  std::vector<std::string> names;
  for (const Tensor &tensor : catalog.tensors) {
    names.push_back(tensor.name);
  }
  return names;
}

struct Wrapped {
  std::vector<std::string> names;
  std::string words;
  std::vector<std::string> bare;
};

const std::vector<Wrapped> kWrapped = {
    {{"module.a.w", "module.b.w"}, "module.", {"a.w", "b.w"}},
    {{"module._orig_mod.a.w", "module._orig_mod.b.w"}, "module._orig_mod.", {"a.w", "b.w"}},
    {{"_orig_mod.module.a.w"}, "_orig_mod.module.", {"a.w"}},
    {{"l.0._orig_mod.q.w", "l.1._orig_mod.q.w"}, "_orig_mod.", {"l.0.q.w", "l.1.q.w"}},
    {{"l.0._checkpoint_wrapped_module.w", "norm.w"},
     "_checkpoint_wrapped_module.",
     {"l.0.w", "norm.w"}},
    {{"_fsdp_wrapped_module.l.0._fsdp_wrapped_module._checkpoint_wrapped_module.w"},
     "_fsdp_wrapped_module._checkpoint_wrapped_module.",
     {"l.0.w"}},
    {{"module.l.0._orig_mod.w", "module.norm.w"}, "module._orig_mod.", {"l.0.w", "norm.w"}},
    {{"_orig_mod.a.w", "b.w"}, "_orig_mod.", {"a.w", "b.w"}},
    {{"a._orig_mod._orig_mod.w"}, "_orig_mod.", {"a.w"}},
    // Words of models.
    {{"module.a.w", "b.w"}, "", {"module.a.w", "b.w"}},
    {{"a.module.w"}, "", {"a.module.w"}},
    {{"my_orig_mod.w", "a_orig_mod.w", "_orig_mods.w"}, "", {}},
};

TEST(Wrappers, are_found_wherever_they_stand_and_taken_off) {
  for (const Wrapped &wrapped : kWrapped) {
    Catalog catalog = named(wrapped.names);
    EXPECT_EQ(wrapper_prefix(catalog), wrapped.words) << wrapped.names[0];
    if (!wrapped.words.empty()) {
      ASSERT_TRUE(strip_names(catalog, wrapped.words)) << wrapped.names[0];
      EXPECT_EQ(names_of(catalog), wrapped.bare);
      EXPECT_EQ(wrapper_prefix(catalog), "");
    }
  }
  EXPECT_EQ(wrapper_prefix({}), "");
}

TEST(Wrappers, other_prefixes_are_those_of_every_name) {
  Catalog catalog = named({"net.a.w", "net.b.w"});
  ASSERT_TRUE(strip_names(catalog, "net."));
  EXPECT_EQ(names_of(catalog), (std::vector<std::string>{"a.w", "b.w"}));
}

TEST(Wrappers, that_are_not_there_or_tell_names_apart_stay) {
  struct Refused {
    std::vector<std::string> names;
    std::string prefix;
  };
  for (const Refused &refused : {Refused{{"a.w", "module.b.w"}, "module."},
                                 {{"a.w", "b.w"}, "_orig_mod."},
                                 {{"a.w", "net.b.w"}, "net."},
                                 {{"a._orig_mod.w", "a.w"}, "_orig_mod."}}) {
    Catalog catalog = named(refused.names);
    const auto stripped = strip_names(catalog, refused.prefix);
    ASSERT_FALSE(stripped) << refused.prefix;
    EXPECT_EQ(stripped.error().code, ErrorCode::kInvalidOptions);
    EXPECT_NE(stripped.error().message.find(refused.prefix), std::string::npos);
    EXPECT_FALSE(stripped.error().tensor.empty());
  }
}

} // namespace
} // namespace monoquant::catalog
