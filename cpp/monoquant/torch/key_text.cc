#include "monoquant/torch/key_text.h"

#include <algorithm>
#include <cmath>

#include "monoquant/base/json_writer.h"
#include "monoquant/base/text.h"

namespace monoquant::torch {
namespace {

// Tuples may share their parts, so a small pickle can hold a key of 10^30 characters.
constexpr size_t kMaxBytes = 1024;
constexpr int kMaxKeyDepth = 8;

/// JSON's numbers look like Python's.
std::string float_text(double value) {
  if (std::isnan(value)) {
    return "nan";
  }
  if (std::isinf(value)) {
    return value > 0 ? "inf" : "-inf";
  }
  JsonWriter json;
  json.value(value);
  return json.take();
}

void append_repr(const Pickle &pickle, NodeId key, int depth, std::string &text) {
  if (text.size() > kMaxBytes || depth > kMaxKeyDepth) {
    text += "…";
    return;
  }
  switch (pickle.kind(key)) {
  case NodeKind::kNone:
    text += "None";
    break;
  case NodeKind::kBool:
    text += pickle.boolean(key) ? "True" : "False";
    break;
  case NodeKind::kInt:
    text += std::to_string(pickle.integer(key));
    break;
  case NodeKind::kFloat:
    text += float_text(pickle.real(key));
    break;
  case NodeKind::kText:
    text += concat("'", pickle.text(key), "'");
    break;
  case NodeKind::kBytes:
    text += concat("b'", pickle.text(key), "'");
    break;
  case NodeKind::kGlobal:
    text += concat(pickle.global_module(key), ".", pickle.global_name(key));
    break;
  case NodeKind::kTuple: {
    const auto parts = pickle.children(key);
    text += "(";
    for (size_t i = 0; i < parts.size() && text.size() <= kMaxBytes; ++i) {
      text += i == 0 ? "" : ", ";
      append_repr(pickle, parts[i], depth + 1, text);
    }
    text += parts.size() == 1 ? ",)" : ")";
    break;
  }
  default:
    text += "<object>";
  }
}

bool has_text(const Pickle &pickle, NodeId key, int depth) {
  switch (pickle.kind(key)) {
  case NodeKind::kTuple: {
    const auto parts = pickle.children(key);
    constexpr size_t kMaxParts = 64; // longer ones are cut off
    return depth <= kMaxKeyDepth && parts.size() <= kMaxParts &&
           std::all_of(parts.begin(), parts.end(),
                       [&](NodeId part) { return has_text(pickle, part, depth + 1); });
  }
  case NodeKind::kNone:
  case NodeKind::kBool:
  case NodeKind::kInt:
  case NodeKind::kFloat:
  case NodeKind::kText:
  case NodeKind::kBytes:
  case NodeKind::kGlobal:
    return true;
  default:
    return false;
  }
}

} // namespace

bool key_has_text(const Pickle &pickle, NodeId key) { return has_text(pickle, key, 0); }

std::string key_text(const Pickle &pickle, NodeId key) {
  if (pickle.kind(key) == NodeKind::kText) {
    return std::string(pickle.text(key));
  }
  std::string text;
  append_repr(pickle, key, 0, text);
  return text;
}

} // namespace monoquant::torch
