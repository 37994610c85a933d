#include "monoquant/search/table_json.h"

#include <gtest/gtest.h>

#include "monoquant/base/json.h"
#include "monoquant/search/search_json.h"

namespace monoquant::search {
namespace {

constexpr const char *kTable = R"({
  "sets": [
    {"tensors": [0, 1], "weights": 8, "prior": 2, "options": [
      {"setting": 0, "bytes": 10, "error": 0.5, "worst": 0.3, "ms": 3},
      {"setting": 1, "bytes": 20, "error": 0.25, "worst": 0.2}]},
    {"tensors": [2], "weights": 4, "options": [{"setting": 1, "bytes": 7, "error": 0, "worst": 0}]}],
  "settings": [{"label": "4 bits", "options": {"bits": 4}}, {"label": "8 bits", "options": {}}],
  "fixedBytes": 100, "weights": 12, "presets": [{"label": "8 bits", "choice": [1, 0]}]})";

TEST(TableJson, is_read_with_its_priors) {
  const auto read = read_table(kTable);
  ASSERT_TRUE(read) << read.error().message;
  const Table &table = read.value().table;
  EXPECT_EQ(table.sets(), 2U);
  EXPECT_EQ(read.value().presets, (std::vector<Choice>{{1, 0}}));
  const Score score = table.score(Choice{0, 0});
  EXPECT_EQ(score.bytes, 117U);
  EXPECT_EQ(score.error, 1.0);
  EXPECT_EQ(score.worst, 0.3) << "is no sum, and has no prior";
  EXPECT_EQ(score.time, 3);
}

TEST(TableJson, wrong_ones_are_refused_in_a_sentence) {
  const auto with = [](const char *pointer, const Json &value) {
    Json document = parse_json(kTable);
    document[Json::json_pointer(pointer)] = value;
    return document.dump();
  };
  const std::pair<std::string, const char *> wrong[] = {
      {"", "an object"},
      {"[]", "an object"},
      {"{}", "\"sets\""},
      {with("/sets", 3), "\"sets\""},
      {with("/sets/0", 3), "\"options\""},
      {with("/sets/0/options", Json::array()), "options of set 0"},
      {with("/sets/0/options/0", 3), "an object with bytes"},
      {with("/sets/0/options/0/bytes", -1), "\"bytes\""},
      {with("/sets/0/options/0/bytes", 1.5), "\"bytes\""},
      {with("/sets/0/options/0/bytes", UINT64_MAX), "\"bytes\""},
      {with("/sets/0/options/0/error", "x"), "\"error\""},
      {with("/sets/0/options/0/error", -1), "\"error\""},
      {with("/sets/0/options/0/error", nullptr), "\"error\""},
      {with("/sets/0/options/0/worst", 1e200), "\"worst\""},
      {with("/sets/0/options/0/ms", -1), "\"ms\""},
      {with("/sets/0/prior", -1), "\"prior\""},
      {with("/fixedBytes", "many"), "\"fixedBytes\""},
      {with("/presets", 1), "\"presets\""},
      {with("/presets/0/choice", Json::array({1})), "every set in preset 0"},
      {with("/presets/0/choice", Json::array({2, 0})), "every set in preset 0"},
      {with("/presets/0/choice", Json::array({-1, 0})), "indices"},
      {with("/presets/0/choice", Json::array({65536, 0})), "indices"},
  };
  for (const auto &[text, sentence] : wrong) {
    const auto table = read_table(text);
    ASSERT_FALSE(table) << text;
    EXPECT_NE(table.error().message.find(sentence), std::string::npos)
        << text << ": " << table.error().message;
  }
}

TEST(TableJson, options_of_a_search_are_read) {
  const auto options = read_search_options(
      R"({"objectives": ["worst", "bytes"], "population": 50, "seed": "18446744073709551615"})");
  ASSERT_TRUE(options);
  EXPECT_EQ(options.value().objectives,
            (std::vector<Objective>{Objective::kWorst, Objective::kBytes}));
  EXPECT_EQ(options.value().population, 50U);
  EXPECT_EQ(options.value().seed, UINT64_MAX);
  EXPECT_EQ(read_search_options("{}").value().population, 200U);
  for (const char *wrong :
       {"", "[]", R"({"seed": "18446744073709551616"})", R"({"seed": "1x"})", R"({"seed": -1})",
        R"({"population": 1.5})", R"({"objectives": ["speed"]})", R"({"objectives": [1]})",
        R"({"generations": 3})"}) {
    EXPECT_FALSE(read_search_options(wrong)) << wrong;
  }
}

TEST(SearchJson, says_what_was_chosen_and_found) {
  const auto read = read_table(kTable);
  ASSERT_TRUE(read);
  const Table &table = read.value().table;
  const Hull hull(table);
  JsonWriter allocation;
  write_allocation(allocation, table, hull.allocate(117).value());
  EXPECT_EQ(allocation.text(), R"({"choice":[0,0],"bytes":117,"error":1.0,"worst":0.3,"time":3.0,)"
                               R"("bound":1.0,"optimal":true})");
  JsonWriter curve;
  write_curve(curve, hull);
  EXPECT_EQ(curve.text(), "[[117,1.0],[127,0.5]]");
  auto search = Search::make(table, {}, read.value().presets);
  ASSERT_TRUE(search);
  search.value().step();
  JsonWriter progress;
  write_progress(progress, search.value());
  const Json state = parse_json(progress.text());
  EXPECT_EQ(state["generation"], 1);
  EXPECT_EQ(state["front"], 2);
  JsonWriter found;
  write_found(found, table, search.value());
  const Json document = parse_json(found.text());
  ASSERT_EQ(document["front"].size(), 2U);
  EXPECT_EQ(document["front"][1]["bytes"], 127);
  EXPECT_EQ(document["front"][1]["hull"], 0.5);
}

} // namespace
} // namespace monoquant::search
