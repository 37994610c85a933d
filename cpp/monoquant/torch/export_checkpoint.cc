// Source of the layout: torch/export/pt2_archive, and files that PyTorch 2.14 wrote.
#include <algorithm>
#include <set>

#include "monoquant/base/bytes.h"
#include "monoquant/base/json.h"
#include "monoquant/base/limits.h"
#include "monoquant/base/sort.h"
#include "monoquant/base/text.h"
#include "monoquant/torch/assembly.h"
#include "monoquant/torch/element_type.h"
#include "monoquant/torch/embedded.h"
#include "monoquant/torch/zip_checkpoint.h"

namespace monoquant::torch {
namespace {

constexpr int64_t kStrided = 7; // torch.export's number of the only dense layout
constexpr std::string_view kWeights = "data/weights/";
constexpr std::string_view kWeightsSuffix = "_weights_config.json";
constexpr std::string_view kConstants = "data/constants/";
constexpr std::string_view kConstantsSuffix = "_constants_config.json";

/// A member of an object; null where it is none, or not there.
const Json &member_of(const Json &object, const char *name) {
  static const Json kNothing;
  if (!object.is_object()) {
    return kNothing;
  }
  const auto found = object.find(name);
  return found == object.end() ? kNothing : *found;
}

std::string text_of(const Json &value) {
  const auto *text = value.get_ptr<const std::string *>();
  return text == nullptr ? std::string() : *text;
}

/// A count below 2^53, plain or as {"as_int": 3}.
std::optional<uint64_t> count_of(const Json &value) {
  const Json &number = value.is_object() ? member_of(value, "as_int") : value;
  const auto *count = number.get_ptr<const Json::number_unsigned_t *>();
  return count == nullptr || *count > kMaxCheckpointBytes ? std::nullopt : std::optional(*count);
}

std::optional<std::vector<uint64_t>> counts_of(const Json &list) {
  std::vector<uint64_t> counts;
  if (!list.is_array() || list.size() > kMaxRank) {
    return std::nullopt;
  }
  for (const Json &element : list) {
    const auto count = count_of(element);
    if (!count) {
      return std::nullopt;
    }
    counts.push_back(*count);
  }
  return counts;
}

/// Records that some configuration calls plain bytes, and no other calls a pickle: whole names.
struct PlainRecords {
  std::set<std::string, std::less<>> plain;
  std::set<std::string, std::less<>> pickled;

  [[nodiscard]] bool has(const std::string &name) const {
    return plain.contains(name) && !pickled.contains(name);
  }
};

/// Everything in the archive that PyTorch may load, but plain weights and JSON.
Needs read_others(const ZipArchive &archive, const PlainRecords &records, EmbeddedReader &others) {
  for (const container::ZipMember &member : archive.directory.members) {
    const std::string_view name = member.name;
    const bool is_inside = name.starts_with(archive.top);
    const auto inner = is_inside ? name.substr(archive.top.size()) : std::string_view();
    // The class of an object of TorchScript is a program, or one that a library has registered.
    const bool is_script = inner.starts_with(concat(kConstants, "custom_obj_"));
    if (!records.has(member.name) && !name.ends_with(".json") && inner != "archive_format" &&
        inner != "archive_version" && !is_plain_fact(inner)) {
      others.read(archive.window, member, is_script ? Unpickler::kScript : Unpickler::kPython);
    }
  }
  return std::move(others.needs);
}

/// The weights, or the constants, of one program.
struct ExportedSet {
  std::string model;
  std::vector<std::pair<std::string, PlainTensor>> tensors;
  std::vector<LeftOut> left_out;
  uint64_t bytes = 0;
};

/// Adds one tensor to `set`, with a claim on the record that holds it.
Result<void> add_exported(const ZipArchive &archive, std::string_view folder,
                          const std::string &name, const Json &entry, StorageClaims &claims,
                          PlainRecords &records, ExportedSet &set) {
  const Json &meta = member_of(entry, "tensor_meta");
  const std::string path = text_of(member_of(entry, "path_name"));
  const container::ZipMember *record = archive.find(std::string(folder) + path);
  if (path.empty() || record == nullptr) {
    return malformed_checkpoint(
        concat("record \"", folder, path, "\" of tensor \"", name, "\" is missing"), name);
  }
  const Json &pickled = member_of(entry, "use_pickle");
  const bool is_pickled = pickled.is_boolean() && *pickled.get_ptr<const bool *>();
  // Constants may be objects; torch.export tells them by their names.
  const bool is_plain = !is_pickled && (folder == kWeights || path.starts_with("tensor_"));
  (is_plain ? records.plain : records.pickled).insert(record->name);
  const auto number = count_of(member_of(meta, "dtype"));
  const auto type = number ? export_dtype(static_cast<int64_t>(*number)) : std::nullopt;
  const auto layout = count_of(member_of(meta, "layout"));
  if (is_pickled || !type || layout != kStrided) {
    const std::string_view reason = is_pickled ? "a tensor stored as a checkpoint of its own"
                                    : !type    ? "a tensor of a dtype that is not supported"
                                               : "a sparse tensor";
    set.left_out.push_back({name, std::string(reason), 1, record->bytes, true});
    return {};
  }
  auto shape = counts_of(member_of(meta, "sizes"));
  auto strides = counts_of(member_of(meta, "strides"));
  const auto first = count_of(member_of(meta, "storage_offset"));
  if (!shape || !strides || !first) {
    return malformed_checkpoint(
        concat("tensor \"", name, "\" has a shape, strides or an offset that are no counts"), name);
  }
  auto claim = claims.claim(path, record->bytes);
  if (!claim) {
    return claim.error();
  }
  PlainTensor tensor;
  tensor.dtype = type->dtype;
  tensor.shape = std::move(*shape);
  tensor.strides = std::move(*strides);
  tensor.first = *first;
  tensor.claim = claim.value();
  if (auto checked = check_tensor(tensor, type->bytes, record->bytes / type->bytes, name);
      !checked) {
    return checked.error();
  }
  set.bytes += tensor.bytes;
  if (set.bytes > kMaxCheckpointBytes || set.tensors.size() >= kMaxTensors) {
    return Error{ErrorCode::kLimitExceeded,
                 concat("The program has more than ", kMaxTensors,
                        " tensors, or more than 2^53 bytes of them."),
                 "Split the model.", name, std::nullopt};
  }
  set.tensors.emplace_back(name, std::move(tensor));
  return {};
}

Result<ExportedSet> read_set(const ZipArchive &archive, std::string_view folder, std::string model,
                             const container::ZipContent &content, StorageClaims &claims,
                             PlainRecords &records) {
  ExportedSet set;
  set.model = std::move(model);
  const Json document = parse_json(text_view(content.bytes));
  const Json &config = member_of(document, "config");
  if (!config.is_object()) {
    return malformed_checkpoint(concat("the list of \"", folder, "\" of program \"", set.model,
                                       "\" is no JSON of tensors"));
  }
  for (const auto &[name, entry] : config.items()) {
    if (auto added = add_exported(archive, folder, name, entry, claims, records, set); !added) {
      return added.error();
    }
  }
  return set;
}

/// The sets of all programs in the archive; usually there is one, called "model".
Result<Parsed<std::vector<ExportedSet>>> read_sets(const ZipArchive &archive,
                                                   std::string_view folder, std::string_view suffix,
                                                   StorageClaims &claims, PlainRecords &records) {
  using Step = Parsed<std::vector<ExportedSet>>;
  MemberReader reader(archive.window);
  std::vector<std::pair<std::string, std::optional<container::ZipContent>>> contents;
  const std::string front = archive.top + std::string(folder);
  for (const container::ZipMember &member : archive.directory.members) {
    const std::string_view name = member.name;
    if (name.starts_with(front) && name.ends_with(suffix) &&
        name.size() >= front.size() + suffix.size()) {
      const size_t length = name.size() - front.size() - suffix.size();
      contents.emplace_back(name.substr(front.size(), length),
                            reader.read(&member, kMaxRecordText));
    }
  }
  auto needs = reader.finish();
  if (!needs) {
    return needs.error();
  }
  if (!needs.value().empty()) {
    return Step(std::move(needs.value()));
  }
  std::vector<ExportedSet> sets;
  for (auto &[model, content] : contents) {
    auto set = read_set(archive, folder, model, *content, claims, records);
    if (!set) {
      return set.error();
    }
    sets.push_back(std::move(set.value()));
  }
  sort(sets, [](const auto &a, const auto &b) { return a.bytes > b.bytes; });
  return Step(std::move(sets));
}

/// Puts the set that is wanted into the checkpoint and lists the others. With one program its name is no key.
Result<void> choose_set(const std::vector<ExportedSet> &sets, const Choice &choice,
                        Checkpoint &checkpoint) {
  const ExportedSet *chosen = sets.empty() ? nullptr : &sets.front();
  for (const ExportedSet &set : sets) {
    const std::string key = sets.size() == 1 ? std::string() : set.model;
    checkpoint.candidates.push_back({key, set.tensors.size(), set.bytes});
    if (choice.key && *choice.key == key) {
      chosen = &set;
    }
  }
  if (chosen == nullptr) {
    return {};
  }
  const std::string key = sets.size() == 1 ? std::string() : chosen->model;
  if (choice.key && *choice.key != key) {
    return Error{ErrorCode::kInvalidOptions,
                 concat("The archive has no program of the name \"", *choice.key, "\"."),
                 concat("Choose \"", key, "\"."),
                 {},
                 {}};
  }
  checkpoint.key = key;
  for (const auto &[name, plain] : chosen->tensors) {
    checkpoint.tensors.push_back({name,
                                  {},
                                  plain.dtype,
                                  plain.shape,
                                  plain.strides,
                                  plain.claim,
                                  plain.first,
                                  false,
                                  false});
  }
  checkpoint.left_out = chosen->left_out;
  for (const ExportedSet &set : sets) {
    if (&set != chosen) {
      checkpoint.left_out.push_back(
          {set.model, concat("outside of ", key), set.tensors.size(), set.bytes});
    }
  }
  return {};
}

} // namespace

Result<Parsed<Checkpoint>> read_export_archive(const ZipArchive &archive, const Choice &choice) {
  using Step = Parsed<Checkpoint>;
  Checkpoint checkpoint;
  checkpoint.format = "torch-export";
  StorageClaims claims;
  StorageClaims constant_claims;
  PlainRecords records;
  auto sets = read_sets(archive, kWeights, kWeightsSuffix, claims, records);
  if (!sets) {
    return sets.error();
  }
  auto constants = read_sets(archive, kConstants, kConstantsSuffix, constant_claims, records);
  if (!constants) {
    return constants.error();
  }
  auto facts = read_archive_facts(archive, checkpoint);
  if (!facts) {
    return facts.error();
  }
  Needs needs = std::move(facts.value());
  for (const auto *parsed : {&sets.value(), &constants.value()}) {
    if (const Needs *lacking = std::get_if<Needs>(parsed)) {
      needs.insert(needs.end(), lacking->begin(), lacking->end());
    }
  }
  if (!needs.empty()) {
    return Step(std::move(needs));
  }
  EmbeddedReader others;
  if (Needs lacking = read_others(archive, records, others); !lacking.empty()) {
    return Step(std::move(lacking));
  }
  checkpoint.globals = others.globals.list();
  checkpoint.opaque = std::move(others.opaque);
  const auto &programs = *std::get_if<std::vector<ExportedSet>>(&sets.value());
  if (auto chosen = choose_set(programs, choice, checkpoint); !chosen) {
    return chosen.error();
  }
  for (const auto &set : *std::get_if<std::vector<ExportedSet>>(&constants.value())) {
    if (!set.tensors.empty()) {
      checkpoint.left_out.push_back({concat("constants of ", set.model),
                                     "constants and buffers that are not saved", set.tensors.size(),
                                     set.bytes});
    }
  }
  if (auto some = require_tensors(checkpoint); !some) {
    return some.error();
  }
  std::vector<StorageClaim> wanted;
  for (size_t i = 0; i < claims.size(); ++i) {
    wanted.push_back(claims.at(i));
  }
  auto storages = place_storages(archive, kWeights, wanted);
  if (!storages) {
    return storages.error();
  }
  if (Needs *lacking = std::get_if<Needs>(&storages.value())) {
    return Step(std::move(*lacking));
  }
  checkpoint.storages = std::move(*std::get_if<std::vector<Storage>>(&storages.value()));
  return Step(std::move(checkpoint));
}

} // namespace monoquant::torch
