#include "monoquant/search/search_json.h"

namespace monoquant::search {
namespace {

/// Opens an object that the caller ends.
void begin_point(JsonWriter &json, const Choice &choice, const Score &score) {
  json.begin_object();
  json.member("choice", choice);
  json.member("bytes", score.bytes);
  json.member("error", score.error);
  json.member("worst", score.worst);
  json.member("time", score.time);
}

} // namespace

void write_allocation(JsonWriter &json, const Table &table, const Allocation &allocation) {
  begin_point(json, allocation.choice, table.score(allocation.choice));
  json.member("bound", allocation.bound);
  json.member("optimal", allocation.is_optimal);
  json.end();
}

void write_curve(JsonWriter &json, const Hull &hull) {
  json.begin_array();
  for (const Corner &corner : hull.curve()) {
    json.row(corner.bytes, corner.error);
  }
  json.end();
}

void write_progress(JsonWriter &json, const Search &search) {
  const auto [volume, points] = search.measure();
  json.begin_object();
  json.member("generation", search.generation());
  json.member("evaluations", search.evaluations());
  json.member("hypervolume", volume);
  json.member("front", points);
  json.end();
}

void write_found(JsonWriter &json, const Table &table, const Search &search) {
  const Found found = search.found();
  json.begin_object().key("front").begin_array();
  for (const Point &point : found.front) {
    begin_point(json, point.choice, point.score);
    json.member("hull", table.score(search.without_search(point.score.bytes)).error);
    json.end();
  }
  json.end().key("dominated").begin_array();
  for (const Point &point : found.dominated) {
    begin_point(json, point.choice, point.score);
    json.end();
  }
  json.end().end();
}

void write_priors(JsonWriter &json, std::span<const Prior> priors) {
  json.begin_array();
  for (const Prior &prior : priors) {
    json.begin_object();
    json.member("role", prior.role);
    json.member("factor", prior.factor);
    json.member("leastBits", prior.least_bits);
    json.end();
  }
  json.end();
}

} // namespace monoquant::search
