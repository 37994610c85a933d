#include "monoquant/torch/state_dict_choice.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "monoquant/base/sort.h"
#include "monoquant/base/text.h"

namespace monoquant::torch {
namespace {

/// The runs that may be state dicts, the best one first. One inside of another replaces it, unless most of the
/// other is beside it: then that one is the model, and the inner one a part of it.
std::vector<Subtree> find_candidates(const TensorWalk &walk, const std::vector<uint64_t> &sums) {
  std::vector<Subtree> candidates;
  const auto bytes_of = [&](const Subtree &subtree) {
    return sums[subtree.end] - sums[subtree.begin];
  };
  for (size_t i = 0; i < walk.well_known.size(); ++i) {
    const Subtree &subtree = walk.well_known[i];
    uint64_t inner_bytes = 0;
    for (const Subtree &other : walk.well_known) {
      inner_bytes += other.parent == i ? bytes_of(other) : 0;
    }
    const bool has_inner = inner_bytes != 0 && inner_bytes >= bytes_of(subtree) / 2;
    if (!has_inner && subtree.begin < subtree.end) {
      candidates.push_back(subtree);
    }
  }
  sort(candidates, [&](const auto &a, const auto &b) {
    return bytes_of(a) != bytes_of(b) ? bytes_of(a) > bytes_of(b) : a.rank < b.rank;
  });
  return candidates;
}

/// How many of the first parts of a path lie on the way to `key`.
size_t common_parts(const FoundTensor &tensor, std::string_view key) {
  size_t common = 0;
  while (common < tensor.parts) {
    const size_t end = tensor.part_ends[common];
    const std::string_view front = std::string_view(tensor.path).substr(0, end);
    if (!key.starts_with(front) || (key.size() > end && key[end] != '.') || key.size() == end) {
      break;
    }
    ++common;
  }
  return common;
}

/// Adds up what is left out, by place and in the order of the file.
class LeftOutList {
public:
  void add(const FoundTensor &tensor, uint64_t bytes, std::string_view key) {
    if (tensor.optimizer_end) {
      add(tensor.path.substr(0, *tensor.optimizer_end), "optimizer state", bytes);
      return;
    }
    const size_t common = common_parts(tensor, key);
    const size_t end = common < tensor.parts ? tensor.part_ends[common] : tensor.path.size();
    add(tensor.path.substr(0, end), concat("outside of ", key), bytes);
  }

  std::vector<LeftOut> take() { return std::move(list_); }

private:
  void add(std::string place, std::string reason, uint64_t bytes) {
    const auto [entry, is_new] = places_.try_emplace(place, list_.size());
    if (is_new) {
      list_.push_back({std::move(place), std::move(reason), 0, 0});
    }
    LeftOut &left_out = list_[entry->second];
    ++left_out.tensors;
    left_out.bytes += bytes;
  }

  std::map<std::string, size_t> places_;
  std::vector<LeftOut> list_;
};

Error unknown_key(const std::string &key, const std::vector<Candidate> &candidates) {
  std::string known;
  for (const Candidate &candidate : candidates) {
    known += concat(known.empty() ? "\"" : ", \"", candidate.key, "\"");
  }
  return {ErrorCode::kInvalidOptions,
          concat("The checkpoint has no tensors under the key \"", key, "\"."),
          concat("Choose one of: ", known, "."),
          {},
          {}};
}

} // namespace

Result<StateDictChoice> choose_state_dict(const TensorWalk &walk,
                                          const std::vector<uint64_t> &bytes,
                                          const Choice &choice) {
  std::vector<uint64_t> sums(bytes.size() + 1); // of all tensors in front of each
  std::partial_sum(bytes.begin(), bytes.end(), sums.begin() + 1);
  StateDictChoice chosen;
  std::vector<Subtree> candidates = find_candidates(walk, sums);
  const bool takes_everything = choice.key ? choice.key->empty() : candidates.empty();
  if (candidates.empty()) {
    candidates.push_back({{}, 0, walk.tensors.size(), 0, {}});
  }
  for (const Subtree &subtree : candidates) {
    chosen.candidates.push_back(
        {subtree.path, subtree.end - subtree.begin, sums[subtree.end] - sums[subtree.begin]});
  }
  if (choice.key && !choice.key->empty() && !walk.wanted) {
    return unknown_key(*choice.key, chosen.candidates);
  }
  const Subtree all{{}, 0, walk.tensors.size(), 0, {}};
  const Subtree &subtree = takes_everything ? all : choice.key ? *walk.wanted : candidates.front();
  chosen.key = subtree.path;

  LeftOutList left_out;
  for (size_t i = 0; i < walk.tensors.size(); ++i) {
    const bool is_inside = i >= subtree.begin && i < subtree.end;
    if (is_inside && (choice.key || !walk.tensors[i].optimizer_end)) {
      chosen.taken.push_back(i);
    } else {
      left_out.add(walk.tensors[i], bytes[i], subtree.path);
    }
  }
  chosen.left_out = left_out.take();
  return chosen;
}

} // namespace monoquant::torch
