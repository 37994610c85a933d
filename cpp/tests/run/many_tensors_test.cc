// Models of very many tensors: what is planned is written and read back, and what could not be is refused in the plan.
#include <gtest/gtest.h>
#include <malloc.h>

#include "monoquant/base/limits.h"
#include "monoquant/base/text.h"
#include "support/catalog_builder.h"
#include "support/deep.h"
#include "support/memory_host.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/allocator_interface.h>
#define MONOQUANT_COUNTED_BY_SANITIZER
#endif
#endif

namespace monoquant::run {
namespace {

using test::Bytes;

Json many_options(std::string_view container) {
  Json options = test::asymmetric_int4();
  options["container"] = container;
  options["minElements"] = 0;
  return options;
}

/// A model of the smallest weights that INT4 in groups of 32 takes.
Bytes many_weights(size_t count) {
  std::string json = "{";
  for (size_t i = 0; i < count; ++i) {
    json += concat(i == 0 ? "" : ",", "\"model.layers.", i / 1000, ".mlp.experts.", i % 1000,
                   R"(.down_proj.weight":{"dtype":"F16","shape":[1,32],"data_offsets":[)", 64 * i,
                   ",", 64 * i + 64, "]}");
  }
  Bytes file = test::make_header(json + "}");
  for (size_t i = 0; i < count * 32; ++i) {
    file.push_back(static_cast<uint8_t>(i));
    file.push_back(0x3C); // about 1
  }
  return file;
}

TEST(ManyTensors, of_a_quantized_model_are_read_back) {
  const size_t part = test::is_deep() ? 1 : 10;
  for (const auto &[container, most] :
       {std::pair("safetensors", kMaxTensors), std::pair("pt", kMaxSavedTensors)}) {
    const size_t limit = most / part;
    const Bytes model = many_weights(limit / 4); // packed, scale, shape and zero point of each
    test::MemoryRun run(test::plan_for(model, many_options(container)), model);
    ASSERT_TRUE(run.seal());
    const auto verified = run.verify(run.output());
    ASSERT_TRUE(verified) << container << ": " << verified.error().message;
    const auto read = test::inspect(run.output());
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read.value().tensors.size(), limit);
  }
}

/// Why a plan is refused, or that it is not.
std::string outcome(const catalog::Catalog &catalog, const Json &options) {
  const auto parsed = plan::parse_options(options.dump(), catalog.tensors.size());
  const auto plan = plan::make_plan(catalog, parsed.value());
  return plan ? "planned" : concat(error_code_name(plan.error().code), " ", plan.error().message);
}

TEST(ManyTensors, over_the_limit_are_refused_in_the_plan) {
  std::vector<test::Entry> entries;
  for (size_t i = 0; i <= kMaxTensors / 4; ++i) {
    entries.push_back({concat(i, ".weight"), {1, 32}});
  }
  const catalog::Catalog more = test::make_catalog(entries);
  const catalog::Catalog most = test::make_catalog({entries.begin(), entries.end() - 1});
  if (test::is_deep()) {
    EXPECT_EQ(outcome(most, many_options("safetensors")), "planned");
  }
  for (const auto &[container, catalog, limit] :
       {std::tuple("safetensors", &more, kMaxTensors), std::tuple("pt", &most, kMaxSavedTensors)}) {
    const std::string refusal = outcome(*catalog, many_options(container));
    EXPECT_EQ(refusal.substr(0, 14), "limit-exceeded");
    EXPECT_NE(refusal.find(concat("at most ", limit)), std::string::npos) << refusal;
  }
}

/// In use by this program.
size_t allocated_bytes() {
#ifdef MONOQUANT_COUNTED_BY_SANITIZER
  return __sanitizer_get_current_allocated_bytes();
#else
  return mallinfo2().uordblks;
#endif
}

/// What is kept of a plan beside its catalog and the text of its output's header.
size_t plan_bytes(size_t count) {
  std::vector<test::Entry> entries;
  for (size_t i = 0; i < count; ++i) {
    entries.push_back({concat("model.layers.", i, ".mlp.down_proj.weight"), {8, 64}});
  }
  const auto catalog =
      std::make_shared<const catalog::Catalog>(test::make_catalog(std::move(entries)));
  const Json options = many_options("safetensors");
  const auto parsed = plan::parse_options(options.dump(), count);
  const size_t before = allocated_bytes();
  const auto plan = plan::make_plan(catalog, parsed.value());
  EXPECT_EQ(plan.value().places.size(), 4 * count) << "codes, shape, scales and zero points";
  return allocated_bytes() - before - plan.value().fixed[0].bytes.size();
}

// A name and a shape for each output would be three times as much.
TEST(ManyTensors, take_few_bytes_of_a_plan) {
  constexpr size_t kCount = 4000;
  const size_t bytes = (plan_bytes(2 * kCount) - plan_bytes(kCount)) / kCount;
  EXPECT_GT(bytes, sizeof(plan::TensorPlan));
  EXPECT_LT(bytes, 600U);
}

TEST(ManyTensors, are_written_as_json_in_pieces) {
  const Bytes model = many_weights(1000);
  const plan::Plan plan = test::plan_for(model, many_options("safetensors"));
  struct Pieces final : JsonWriter::Sink {
    std::string whole;
    size_t count = 0;

    void take(std::string_view piece) override {
      // The configuration is a value, and names 1000 layers.
      EXPECT_LT(piece.size(), 2 * JsonWriter::kPiece);
      whole += piece;
      ++count;
    }
  } pieces;
  JsonWriter json(pieces);
  plan::write_plan(json, plan);
  json.finish();
  EXPECT_GT(pieces.count, 5U);
  EXPECT_EQ(pieces.whole, plan::plan_json(plan));
}

} // namespace
} // namespace monoquant::run
